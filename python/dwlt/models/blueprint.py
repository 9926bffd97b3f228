"""Blueprints: what a model file says of the network that its tensors fill."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from dwlt.errors import FormatError, ModelError
from dwlt.models.factory import code_digest
from dwlt.spec import ModelSpec, validate_spec

KEY = "dwlt"
"""The one metadata key. One, because safetensors does not keep the order of several, and the
same weights must give the same bytes."""


class ImageTask(Protocol):
    """What a network needs to know of the task it is made for, such as ``data.Task``.

    Attributes:
        classes: names of the classes, in the order of the logits.
        shape: (C, H, W) of every image.
        mean: mean of the training pixels by channel, in [0, 1].
        std: standard deviation of the training pixels by channel.
    """

    @property
    def name(self) -> str: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def shape(self) -> tuple[int, int, int]: ...

    @property
    def mean(self) -> tuple[float, ...]: ...

    @property
    def std(self) -> tuple[float, ...]: ...


@dataclass(frozen=True)
class Blueprint:
    """What is needed to build the network that a model file's tensors fill.

    Attributes:
        model: which network.
        classes: names of the classes, in the order of the logits.
        channels: colour channels of the input.
        size: height of the input in pixels.
        named: False where ``classes`` are only numbers: an imported checkpoint names none.
        regime: how an imported network was trained, where its importer said so.
    """

    model: ModelSpec
    classes: tuple[str, ...]
    channels: int
    size: int
    named: bool = True
    regime: str | None = None

    @classmethod
    def of(cls, spec: ModelSpec, task: ImageTask) -> Blueprint:
        """The blueprint of a network for a task."""
        return cls(spec, task.classes, task.shape[0], task.shape[1])

    def require_channels(self, task: ImageTask) -> None:
        """Refuse a task whose images the network cannot take.

        Raises:
            ModelError: colour channels differ.
        """
        if self.channels != task.shape[0]:
            raise ModelError(
                f"the network takes {self.channels}-channel images, {task.name} has "
                f"{task.shape[0]}",
                hint=f"set channels = {self.channels} for that task",
            )

    def require(self, task: ImageTask) -> None:
        """Refuse a task whose classes are not those that the network's logits stand for.

        Where the network does not name its classes, only their number can be compared.

        Raises:
            ModelError: channels or classes differ.
        """
        self.require_channels(task)
        same = _composed(self.classes) == _composed(task.classes)
        if not (same or (not self.named and len(self.classes) == len(task.classes))):
            raise ModelError(
                f"the network tells {len(self.classes)} classes apart ({_some(self.classes)}), "
                f"{task.name} has {len(task.classes)} ({_some(task.classes)})",
                hint="choose the task that the network was trained on",
            )

    def values(self) -> dict[str, Any]:
        """JSON-ready."""
        # What only imported networks have is left out of others, whose files stay as they were.
        imported: dict[str, Any] = {} if self.named else {"named": False}
        if self.regime is not None:
            imported["regime"] = self.regime
        return {
            "format": "dwlt-model",
            "version": 1,
            "model": self.model.model_dump(mode="json", exclude_none=True),
            "classes": list(self.classes),
            "channels": self.channels,
            "size": self.size,
            # The same weights mean another network when a user's own code changes.
            "code": code_digest(self.model.name),
            **imported,
        }


def _composed(classes: Iterable[str]) -> list[str]:
    """Names as they are compared: an accented letter may be one code point or two (NFC, NFD)."""
    return [unicodedata.normalize("NFC", name) for name in classes]


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def blueprint_of(path: Path, meta: Mapping[str, str]) -> Blueprint:
    """What a model file's metadata says of its network.

    Raises:
        FormatError: it says nothing.
        ModelError: the network is the user's own, and its code has changed since.
    """
    if KEY not in meta:
        raise FormatError(
            f"{path} does not say which network it holds (no {KEY!r} in its metadata)",
            hint="`dwlt import` makes a model file of it; `dwlt prune --weights` takes it as it "
            "is, with the network named in a config",
        )
    values = json.loads(meta[KEY])
    model = validate_spec(ModelSpec, values["model"], str(path))
    if values.get("code") != code_digest(model.name):
        raise ModelError(
            f"the code of {model.name} has changed since {path} was written",
            hint="put the old code back, or pre-train the new network in another --runs folder",
        )
    return Blueprint(
        model=model,
        classes=tuple(values["classes"]),
        channels=values["channels"],
        size=values["size"],
        named=values.get("named", True),
        regime=values.get("regime"),
    )
