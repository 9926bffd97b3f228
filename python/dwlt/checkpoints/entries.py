"""Where in a checkpoint the state dicts are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from dwlt.checkpoints.opcodes import LeftOut
from dwlt.checkpoints.saved import QuantizedTensor, SavedTensor, UnreadableError

_DEPTH = 4
"""Wrappers within wrappers. Published files have two at most ("last", "state_dict")."""


@dataclass(frozen=True)
class Entry:
    """One mapping of names to tensors inside a file.

    Attributes:
        label: how it is reached, "state_dict" or "last.state_dict"; "" is the file itself.
        tensors: by the names that the file gives them.
        beside: what else lies in the file on the way to it and in it, and is left out.
        unreadable: tensors whose numbers cannot be had, and why, in words that follow the name.
        objects: what is neither a tensor nor a plain value, and the name of its class.
        dequantized: names of tensors that were quantised in the file.
    """

    label: str
    tensors: dict[str, Tensor]
    beside: tuple[str, ...]
    unreadable: dict[str, str] = field(default_factory=dict)
    objects: dict[str, str] = field(default_factory=dict)
    dequantized: frozenset[str] = frozenset()

    @property
    def averaged(self) -> bool:
        """Whether these are averages over training (timm's ``state_dict_ema``, ``model_ema``)."""
        return "ema" in self.label.lower().replace(".", "_").split("_")

    @property
    def names(self) -> list[str]:
        """Names of all tensors, readable or not, in the order of the file where that is known."""
        return [*self.tensors, *self.unreadable]

    def __str__(self) -> str:
        return f"entry {self.label!r}" if self.label else "the file itself"


def entries_of(value: Any) -> list[Entry]:
    """All entries of a file's value, outermost first. Their tensors are read from the file.

    Raises:
        FormatError: the file's bytes of a tensor are damaged.
    """
    return list(_walk(value, "", (), _DEPTH))


def _walk(value: Any, label: str, around: tuple[str, ...], depth: int) -> Iterator[Entry]:
    if not isinstance(value, Mapping) or depth == 0:
        return
    named = {key: one for key, one in value.items() if isinstance(key, str)}
    tensors: dict[str, Tensor] = {}
    unreadable: dict[str, str] = {}
    for key, one in named.items():
        if isinstance(one, Tensor):
            # A parameter is a tensor too; what is wanted is its numbers alone.
            tensors[key] = one.detach()
        elif isinstance(one, SavedTensor):
            try:
                tensors[key] = one.load()
            except UnreadableError as error:
                unreadable[key] = str(error)
    if tensors or unreadable:
        yield Entry(
            label,
            tensors,
            (*around, *(key for key in named if key not in tensors and key not in unreadable)),
            unreadable,
            {key: one.name for key, one in named.items() if isinstance(one, LeftOut)},
            frozenset(key for key, one in named.items() if isinstance(one, QuantizedTensor)),
        )
    for key, one in named.items():
        others = (*around, *(other for other in named if other != key))
        yield from _walk(one, f"{label}.{key}".lstrip("."), others, depth - 1)
