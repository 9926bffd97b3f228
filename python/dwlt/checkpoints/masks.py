"""Masks in a checkpoint as PyTorch's pruning leaves them: ``NAME_mask`` beside ``NAME_orig``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dwlt import _core
from dwlt.checkpoints.entries import Entry, entries_of
from dwlt.checkpoints.read import read_checkpoint
from dwlt.errors import FormatError, MaskError

_MASK, _ORIG = "_mask", "_orig"

_WRAPPERS = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module")
"""What ``torch.compile``, FSDP, activation checkpointing and Fabric put between a network's names,
wherever a part is wrapped. No network of anybody's own has such names."""

_PARALLEL = "module."
"""What ``DataParallel`` puts before all of a network's names."""


@dataclass(frozen=True)
class FoundMasks:
    """The masks of a file.

    Attributes:
        masks: by the plain names of their weights.
        notes: what was taken and what was not, a line each.
    """

    masks: _core.MaskSet
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _MaskNames:
    """Of one entry, the names of masks by the names of their weights, and what was not taken."""

    entry: Entry
    names: dict[str, str]
    left: tuple[str, ...]
    alone: bool
    plain: tuple[str, ...]


def read_masks(path: Path, *, entry: str | None = None, prefix: str | None = None) -> FoundMasks:
    """The masks in a file that ``dwlt import`` opens, without running code from it.

    A tensor is a mask if it is called ``NAME_mask`` and its weight stands beside it: ``NAME_orig``,
    as PyTorch's pruning calls it, or ``NAME`` in the same shape. Others of that name (a
    transformer's ``attn_mask``) are left out and named. A file of nothing but ``NAME_mask`` is
    taken whole.

    Args:
        path: what ``torch.save`` wrote, safetensors, or an index of several.
        entry: which state dict inside the file; None finds it.
        prefix: what stands before the network's names. None takes off what PyTorch's own wrappers
            add: ``module.``, ``_orig_mod.`` and the like.

    Raises:
        FormatError: the file is damaged, of another kind, or would have to run code.
        MaskError: it has no masks, several sets that differ, or values other than 0 and 1.
    """
    value, _ = read_checkpoint(path)
    if not isinstance(value, Mapping):
        raise FormatError(f"{path} holds {type(value).__name__}, not tensors by name")
    entries = entries_of(value)
    if entry is not None:
        entries = [one for one in entries if one.label == entry]
        if not entries:
            raise MaskError(f"{path} has no entry {entry!r}", hint="leave --entry out")
    picks = [_mask_names(one, prefix or "") for one in entries]
    found = [pick for pick in picks if pick.names]
    if not found:
        raise _none(path, picks, prefix)
    sets = [_masks(path, pick, prefix) for pick in found]
    if any(one != sets[0] for one in sets[1:]):
        labels = ", ".join(repr(pick.entry.label) for pick in found)
        raise MaskError(
            f"{path} holds several sets of masks that differ: {labels}",
            hint=f"choose one: --entry {found[0].entry.label}",
        )
    return FoundMasks(sets[0], tuple(_notes(found[0], sets[0])))


def _mask_names(entry: Entry, prefix: str) -> _MaskNames:
    there = set(entry.names)
    candidates = [name for name in entry.names if name.endswith(_MASK) and name != _MASK]
    alone = len(candidates) == len(entry.names)
    names: dict[str, str] = {}
    left: list[str] = []
    plain: list[str] = []
    for name in candidates:
        base = name.removesuffix(_MASK)
        if not name.startswith(prefix):
            left.append(f"{name!r} (not behind {prefix!r})")
        elif alone or base + _ORIG in there:
            names[base] = name
        elif base in there and _same_shape(entry, base, name):
            names[base] = name
            plain.append(base)
        else:
            left.append(f"{name!r} (no {base + _ORIG!r} beside it)")
    return _MaskNames(entry, names, tuple(left), alone, tuple(plain))


def _same_shape(entry: Entry, one: str, other: str) -> bool:
    found = entry.tensors.get(one), entry.tensors.get(other)
    return found[0] is not None and found[1] is not None and found[0].shape == found[1].shape


def _masks(path: Path, pick: _MaskNames, prefix: str | None) -> _core.MaskSet:
    tensors = pick.entry.tensors
    arrays: dict[str, NDArray[np.bool_]] = {}
    for base, own in zip(pick.names, _own_names(list(pick.names), prefix), strict=True):
        name = pick.names[base]
        if name in pick.entry.unreadable:
            raise MaskError(f"{path}: {name!r} {pick.entry.unreadable[name]}")
        weight = tensors.get(base + _ORIG)
        if weight is not None and weight.shape != tensors[name].shape:
            raise MaskError(
                f"{path}: {name!r} has shape {list(tensors[name].shape)}, its weight "
                f"{base + _ORIG!r} has {list(weight.shape)}"
            )
        array = _bools(path, name, tensors[name])
        if own in arrays and not np.array_equal(arrays[own], array):
            raise MaskError(
                f"{path} has two masks of {own!r} that differ: {name!r} is the second",
                hint="say which with --prefix, as in --prefix module.model.",
            )
        arrays[own] = array
    return _core.MaskSet.from_bools(arrays)


def _bools(path: Path, name: str, mask: Tensor) -> NDArray[np.bool_]:
    if mask.dtype.is_floating_point and mask.dtype.itemsize == 1:
        mask = mask.to(torch.float32)  # 8-bit floats cannot be compared
    bools = mask != 0
    if not torch.equal(bools.to(mask.dtype), mask):
        raise MaskError(f"{path}: {name!r}: a mask holds 0 and 1 alone, this one has other values")
    found: NDArray[np.bool_] = bools.numpy()
    return found


def _own_names(names: list[str], prefix: str | None) -> list[str]:
    """Names without what stands before the network's own."""
    if prefix is not None:
        return [name.removeprefix(prefix) for name in names]
    while True:
        names = [".".join(p for p in name.split(".") if p not in _WRAPPERS) for name in names]
        if not all(name.startswith(_PARALLEL) for name in names):
            return names
        names = [name.removeprefix(_PARALLEL) for name in names]


def _none(path: Path, picks: Sequence[_MaskNames], prefix: str | None) -> MaskError:
    left = [one for pick in picks for one in pick.left]
    why = f": not taken are {_few(left)}" if left else ""
    behind = f" behind {prefix!r}" if prefix else ""
    return MaskError(
        f"{path} has no masks{behind}{why}",
        hint="PyTorch's pruning calls them NAME_mask, beside NAME_orig",
    )


def _notes(pick: _MaskNames, masks: _core.MaskSet) -> Iterator[str]:
    yield f"{pick.entry}: {len(pick.names)} masks"
    if pick.alone:
        yield "without weights beside them: the file holds masks alone"
    if pick.plain:
        plain = [repr(name) for name in pick.plain]
        yield f"beside weights of their plain name instead of NAME_orig: {_few(plain)}"
    if pick.left:
        yield f"not taken: {_few(pick.left)}"
    if list(pick.names) != masks.names:
        first = next(iter(pick.names))
        own = masks.names[0]
        yield f"names without what wraps the network: {first!r} is {own!r}"
    shared = {name.partition(".")[0] for name in masks.names}
    if len(shared) == 1 and len(masks) > 1:
        word = f"{shared.pop()}."
        yield f"all names begin with {word!r}: where that is a wrapper, --prefix takes it off"


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
