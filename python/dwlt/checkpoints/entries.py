"""Where in a checkpoint the state dicts are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

_DEPTH = 4
"""Wrappers within wrappers. Published files have two at most ("last", "state_dict")."""


@dataclass(frozen=True)
class Entry:
    """One mapping of names to tensors inside a file.

    Attributes:
        label: how it is reached, "state_dict" or "last.state_dict"; "" is the file itself.
        tensors: by the names that the file gives them.
        beside: what else lies in the file on the way to it and in it, and is left out.
    """

    label: str
    tensors: dict[str, Tensor]
    beside: tuple[str, ...]

    @property
    def averaged(self) -> bool:
        """Whether these are averages over training (timm's ``state_dict_ema``, ``model_ema``)."""
        return "ema" in self.label.lower().replace(".", "_").split("_")

    def __str__(self) -> str:
        return f"entry {self.label!r}" if self.label else "the file itself"


def entries_of(value: Any) -> list[Entry]:
    """All entries of a file's value, outermost first."""
    return list(_walk(value, "", (), _DEPTH))


def _walk(value: Any, label: str, around: tuple[str, ...], depth: int) -> Iterator[Entry]:
    if not isinstance(value, Mapping) or depth == 0:
        return
    named = {key: one for key, one in value.items() if isinstance(key, str)}
    # A parameter is a tensor too; what is wanted is its numbers alone.
    tensors = {key: one.detach() for key, one in named.items() if isinstance(one, Tensor)}
    if tensors:
        yield Entry(label, tensors, (*around, *(key for key in named if key not in tensors)))
    for key, one in named.items():
        others = (*around, *(other for other in named if other != key))
        yield from _walk(one, f"{label}.{key}".lstrip("."), others, depth - 1)
