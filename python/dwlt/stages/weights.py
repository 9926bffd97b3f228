"""Model files: plain safetensors whose metadata says how to rebuild the network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from dwlt import _core, layout
from dwlt.data import Task
from dwlt.errors import FormatError, ModelError, UserError
from dwlt.models import Model, build_model, code_digest, load_state, state_of
from dwlt.spec import ModelSpec, validate_spec

KEY = "dwlt"
"""The one metadata key. One, because safetensors does not keep the order of several, and the
same weights must give the same bytes."""


DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
"""What safetensors calls each type."""


@dataclass(frozen=True)
class Blueprint:
    """What is needed to build the network that a model file's tensors fill.

    Attributes:
        model: which network.
        classes: names of the classes, in the order of the logits.
        channels: colour channels of the input.
        size: height of the input in pixels.
    """

    model: ModelSpec
    classes: tuple[str, ...]
    channels: int
    size: int

    @classmethod
    def of(cls, spec: ModelSpec, task: Task) -> Blueprint:
        """The blueprint of a network for a task."""
        return cls(spec, task.classes, task.shape[0], task.shape[1])

    def require_channels(self, task: Task) -> None:
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

    def require(self, task: Task) -> None:
        """Refuse a task whose classes are not those that the network's logits stand for.

        Raises:
            ModelError: channels or classes differ.
        """
        self.require_channels(task)
        if self.classes != task.classes:
            raise ModelError(
                f"the network tells {len(self.classes)} classes apart ({_some(self.classes)}), "
                f"{task.name} has {len(task.classes)} ({_some(task.classes)})",
                hint="choose the task that the network was trained on",
            )

    def values(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "format": "dwlt-model",
            "version": 1,
            "model": self.model.model_dump(mode="json", exclude_none=True),
            "classes": list(self.classes),
            "channels": self.channels,
            "size": self.size,
            # The same weights mean another network when a user's own code changes.
            "code": code_digest(self.model.name),
        }


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def new_model(spec: ModelSpec, task: Task, *, seed: int) -> Model:
    """A freshly initialised network for a task.

    Its normaliser is set from the spec, else from published weights, else from the task's
    training pixels.

    Raises:
        ModelError: no such network, it does not take such images, or the images are not square.
    """
    channels, height, width = task.shape
    if height != width:
        raise ModelError(
            f"{task.name} has {height}x{width} images, and networks here take square ones",
            hint=f"set the task's `size`, e.g. size = {min(height, width)}",
        )
    model = build_model(
        spec,
        num_classes=len(task.classes),
        channels=channels,
        image_size=height,
        mean=task.mean,
        std=task.std,
        seed=seed,
    )
    for name in ("mean", "std"):
        given = getattr(spec, name)
        if given is not None:
            own: torch.Tensor = getattr(model.normalise, name)
            if len(given) != len(own):
                raise ModelError(
                    f"model.{name} has {len(given)} values, the network takes {len(own)} channels"
                )
            own.copy_(torch.tensor(given))
    return model


def model_bytes(model: Model, blueprint: Blueprint) -> bytes:
    """A model file's bytes: same weights, same bytes."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in state_of(model).items()}
    text = json.dumps(blueprint.values(), sort_keys=True, separators=(",", ":"))
    return save(state, metadata={KEY: text})


def read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], Mapping[str, str]]:
    """All tensors of a safetensors file, and its metadata.

    Raises:
        FormatError: not a safetensors file, or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise FormatError(
            f"{path} cannot be read as safetensors: {error}",
            hint="give a .safetensors model file or a run folder",
        ) from error


def read_model(path: Path) -> tuple[Model, Blueprint]:
    """Rebuild the network in a model file that dwlt wrote.

    Raises:
        FormatError: the file is damaged or does not say which network it holds.
        ModelError: its tensors do not fit that network.
    """
    tensors, meta = read_tensors(path)
    blueprint = blueprint_of(path, meta)
    # Published weights must not be fetched again just to be overwritten.
    bare = blueprint.model.model_copy(update={"weights": None})
    ones = (1.0,) * blueprint.channels
    model = build_model(
        bare,
        num_classes=len(blueprint.classes),
        channels=blueprint.channels,
        image_size=blueprint.size,
        mean=ones,
        std=ones,
        seed=0,
    )
    load_state(model, tensors)
    return model, blueprint


def blueprint_of(path: Path, meta: Mapping[str, str]) -> Blueprint:
    """What a model file's metadata says of its network.

    Raises:
        FormatError: it says nothing.
        ModelError: the network is the user's own, and its code has changed since.
    """
    if KEY not in meta:
        raise FormatError(
            f"{path} does not say which network it holds (no {KEY!r} in its metadata)",
            hint="`dwlt prune --weights` takes such a file, with the network named in a config",
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
    )


def adopt(path: Path, spec: ModelSpec, task: Task) -> tuple[ModelSpec, bytes | None]:
    """Which network a file holds; and a plain checkpoint as a model file's bytes.

    The bytes are None where the file is a model file already, which then says itself what it
    holds.

    Tensors must have the network's ordinary parameter names. A file without ``normalise.mean``
    and ``normalise.std`` gets them from the spec.

    Raises:
        FormatError: the file is damaged.
        ModelError: a tensor does not fit, or nothing says how pixels are normalised.
    """
    tensors, meta = read_tensors(path)
    if KEY in meta:
        return blueprint_of(path, meta).model, None
    model = new_model(spec.model_copy(update={"weights": None}), task, seed=0)
    own = state_of(model)
    for name in ("mean", "std"):
        if f"normalise.{name}" not in tensors:
            if getattr(spec, name) is None:
                raise ModelError(
                    f"{path} does not say how its images were normalised",
                    hint="set model.mean and model.std, in units of pixels in [0, 1]",
                )
            tensors[f"normalise.{name}"] = own[f"normalise.{name}"]
    load_state(model, tensors)
    return spec, model_bytes(model, Blueprint.of(spec, task))


def digest(path: Path) -> str:
    """The digest that names a model file's tensors, whatever their order in the file."""
    return _core.digest_file(str(path))


def digest_of(model: Model) -> str:
    """The same digest, of a model in memory.

    Buffers that count batches are integers; every type that safetensors writes is understood.
    """
    state = state_of(model)
    parts = []
    for name, tensor in state.items():
        plain = tensor.detach().cpu().contiguous()
        data = plain.flatten().view(torch.uint8).numpy()
        parts.append((name, DTYPES[plain.dtype], list(plain.shape), data))
    return _core.digest_tensors(parts)


def load_into(model: Model, path: Path) -> None:
    """Put a model file's tensors into a model that was built for them.

    Raises:
        FormatError: the file is damaged.
        ModelError: a tensor does not fit.
    """
    tensors, _ = read_tensors(path)
    load_state(model, tensors)


def find_model(path: Path) -> Path:
    """The model file meant by a path: the file itself, or the one in a run folder.

    Raises:
        UserError: the folder holds none or several.
    """
    if path.is_file():
        return path
    names = (layout.MODEL, layout.best("sa"), layout.best("ra"))
    found = [path / name for name in names if (path / name).is_file()]
    if len(found) != 1:
        several = ", ".join(file.name for file in found)
        raise UserError(
            f"{path} holds {'several model files' if found else 'no model file'}",
            hint=f"name one of them: {several}" if found else "give a .safetensors file",
        )
    return found[0]
