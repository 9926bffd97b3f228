"""Masks without PyTorch: pruning of arrays, tensors and checkpoints by magnitude or at random.

These are the functions that ``import dwlt`` offers. Counting, selecting and reading are the
core's; this file checks and converts their arguments.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from os import PathLike
from pathlib import Path
from typing import Any, Literal, TypeAlias

from dwlt import _core
from dwlt.errors import MaskError
from dwlt.masks.arrays import Array, for_core
from dwlt.masks.densities import erk_counts

Scope: TypeAlias = Literal["global", "tensor", "erk"] | str
"""What competes with what: all weights ("global"); those of a tensor, which keeps its share of the
count ("tensor") or the share that the Erdős-Rényi-Kernel rule gives it ("erk"); or those of a
group, as "2:4", which says the count as well."""
Criterion: TypeAlias = Literal["magnitude", "lamp", "random"]
Keep: TypeAlias = int | Mapping[str, int]

_FLOATS = {"F64", "F32", "F16", "BF16"}


def prune_magnitude(
    weights: Mapping[str, Array],
    *,
    rate: float | None = None,
    sparsity: float | None = None,
    keep: Keep | None = None,
    within: _core.MaskSet | None = None,
    scope: Scope = "global",
    criterion: Criterion = "magnitude",
    seed: int = 0,
) -> _core.MaskSet:
    """Keep the weights of largest magnitude, exactly as many as asked for.

    Exactly one of ``rate``, ``sparsity`` and ``keep`` is given; none with a pattern, which says
    the count itself.

    Args:
        weights: tensors or arrays by name, in the order that breaks ties. CPU tensors and arrays
            in row-major order are not copied; from other devices about a megabyte at a time is.
        rate: share of the weights that still compete to remove, rounded half to even.
        sparsity: share of all weights to be without in the end, rounded half to even.
        keep: number of weights to keep, or one number for each tensor.
        within: only weights kept there compete; nothing removed comes back.
        scope: "tensor" gives each tensor its proportional share instead of comparing all, "erk"
            the share of the Erdős-Rényi-Kernel rule; "2:4" keeps at most 2 of every 4 inputs.
        criterion: "lamp" compares layer-adaptive magnitudes; "random" draws, as ``prune_random``.
        seed: of what is drawn.

    Raises:
        MaskError: a weight is NaN, a count cannot be met, or ``within`` does not fit.
    """
    if criterion == "random":
        return prune_random(
            weights,
            rate=rate,
            sparsity=sparsity,
            keep=keep,
            within=within,
            scope=scope,
            seed=seed,
        )
    tensors = [(name, *for_core(name, array)) for name, array in weights.items()]
    shapes = {name: tuple(given.shape) for name, given, _ in tensors}
    count = wanted_count(
        shapes, scope, rate=rate, sparsity=sparsity, keep=keep, within=within, criterion=criterion
    )
    if criterion == "lamp":
        scores = _core.lamp_scores(tensors, within=within)
        tensors = [
            (name, one.reshape(shapes[name]), "float64")
            for (name, _, _), one in zip(tensors, scores, strict=True)
        ]
    return select(tensors, keep=count, within=within, scope=scope)


def is_pattern(scope: str) -> bool:
    """Whether a scope is a pattern such as "2:4"."""
    return ":" in scope


def select(
    tensors: Sequence[tuple[str, Any, str]],
    *,
    keep: int | list[int] | None,
    within: _core.MaskSet | None,
    scope: Scope,
) -> _core.MaskSet:
    """The core's selection in any scope.

    Args:
        tensors: as ``_core.select_magnitude`` takes them.
        keep: number of weights to keep, in all or of each; None with a pattern.
        within, scope: as in ``prune_magnitude``.

    Raises:
        MaskError: as ``prune_magnitude``.
    """
    if is_pattern(scope):
        return _core.select_structured(tensors, pattern=scope, within=within)
    assert keep is not None
    if scope == "erk" and isinstance(keep, int):
        shapes = {name: tuple(given.shape) for name, given, _ in tensors}
        keep, scope = erk_counts(shapes, keep, _available(within)), "tensor"
    return _core.select_magnitude(tensors, keep=keep, within=within, scope=scope)


def _available(within: _core.MaskSet | None) -> dict[str, int] | None:
    return None if within is None else {name: kept for name, kept, _ in within.layers()}


def wanted_count(
    shapes: Mapping[str, Sequence[int]],
    scope: Scope,
    *,
    rate: float | None,
    sparsity: float | None,
    keep: Keep | None,
    within: _core.MaskSet | None,
    criterion: Criterion = "magnitude",
) -> int | list[int] | None:
    """As ``count_to_keep``; None with a pattern, which nothing may be given beside.

    Raises:
        MaskError: as ``count_to_keep``; a count or another criterion beside a pattern.
    """
    if not is_pattern(scope):
        return count_to_keep(shapes, rate=rate, sparsity=sparsity, keep=keep, within=within)
    if [rate, sparsity, keep] != [None, None, None]:
        raise MaskError(f"{scope} says itself how many weights are kept: leave the count out")
    if criterion != "magnitude":
        raise MaskError(f"{scope} compares magnitudes, not {criterion}")
    return None


def prune_random(
    weights: Mapping[str, Sequence[int] | Array],
    *,
    rate: float | None = None,
    sparsity: float | None = None,
    keep: Keep | None = None,
    within: _core.MaskSet | None = None,
    scope: Scope = "global",
    seed: int,
) -> _core.MaskSet:
    """Keep weights at random, exactly as many as asked for.

    Whether a weight is kept is a function of the seed, its tensor's name, its index and the
    counts, and not of what was drawn before. With
    ``keep={name: kept for name, kept, _ in masks.layers()}`` the result is a shuffled control of
    ``masks``.

    Args:
        weights: shapes, or tensors or arrays, by name.
        rate, sparsity, keep, within, scope: as in ``prune_magnitude``.
        seed: at least 0 and below 2^64.

    Raises:
        MaskError: a count cannot be met, or ``within`` does not fit.
    """
    if is_pattern(scope):
        raise MaskError(f"{scope} is a pattern of magnitudes, and nothing is drawn by one")
    shapes = {name: _shape_of(given) for name, given in weights.items()}
    count = count_to_keep(shapes, rate=rate, sparsity=sparsity, keep=keep, within=within)
    if scope == "erk" and isinstance(count, int):
        count, scope = erk_counts(shapes, count, _available(within)), "tensor"
    return _core.select_random(
        list(shapes.items()), keep=count, seed=seed, within=within, scope=scope
    )


def prune_checkpoint(
    path: str | PathLike[str],
    *,
    rate: float | None = None,
    sparsity: float | None = None,
    keep: Keep | None = None,
    within: _core.MaskSet | None = None,
    scope: Scope = "global",
    criterion: Criterion = "magnitude",
    seed: int = 0,
    only: Sequence[str] | None = None,
    progress: _core.Progress | None = None,
) -> _core.MaskSet:
    """As ``prune_magnitude`` for weights on disk, which may be larger than memory.

    Ties go to the tensor whose name sorts first, so the result does not depend on how the
    tensors are spread over files.

    Args:
        path: a safetensors file, an index (``*.safetensors.index.json``), or a folder of such.
        rate, sparsity, keep, within, scope, criterion, seed: as in ``prune_magnitude``. LAMP
            takes 8 bytes of memory per weight; for a random draw the weights are not read.
        only: patterns (``*``, ``?``) of the names to prune. By default those of ``within``, or
            else every floating-point tensor of two dimensions or more. Given with ``within``, they
            choose among its tensors: those chosen are pruned further, and ``rate``, ``sparsity``
            and ``keep`` count their weights alone; the others keep their masks.
        progress: grows by the bytes of the weights that were looked at.

    Raises:
        FormatError: a file is damaged, or an index and its files disagree.
        MaskError: as ``prune_magnitude``, or no tensor fits ``only``.
    """
    found = _core.checkpoint_tensors(path)
    shapes = {
        name: tuple(shape)
        for name, dtype, shape in found
        if _is_wanted(name, dtype, shape, within, only)
    }
    if not shapes:
        outside = only and within is not None and any(_fits(name, only) for name, *_ in found)
        raise MaskError(
            "the masks within which to prune cover no tensor that `only` names"
            if outside
            else f"{path} has no tensor to prune",
            hint="`only` patterns are compared with whole names, as in '*.weight'",
        )
    chosen = within
    if within is not None and only:
        there = {name for name, *_ in found}
        absent = next((name for name in within if name not in there), None)
        if absent is not None:
            raise MaskError(f"{path} has no tensor {absent!r}, which the masks cover")
        chosen = _core.MaskSet.from_bools({name: within[name] for name in within if name in shapes})
    counts: dict[str, Any] = {"rate": rate, "sparsity": sparsity, "keep": keep}
    if criterion == "random":
        masks = prune_random(shapes, **counts, within=chosen, scope=scope, seed=seed)
    else:
        count = wanted_count(shapes, scope, **counts, within=chosen, criterion=criterion)
        if scope == "erk" and isinstance(count, int):
            count, scope = erk_counts(shapes, count, _available(chosen)), "tensor"
        pattern = scope if is_pattern(scope) else None
        masks = _core.select_checkpoint(
            path,
            list(shapes),
            keep=count,
            within=chosen,
            scope="global" if pattern else scope,
            progress=progress,
            criterion=criterion,
            pattern=pattern,
        )
    if within is None or chosen is within:
        return masks
    # The others stay as they are.
    return _core.MaskSet.from_bools(
        {name: (masks if name in masks else within)[name] for name in within}
    )


def unranked(path: str | PathLike[str]) -> dict[str, int]:
    """How many tensors are not pruned by default because their type has no order here, by type.

    These are floating-point weights of two dimensions or more in types of a byte or less.

    Args:
        path: as for ``prune_checkpoint``.

    Raises:
        FormatError: it cannot be read.
    """
    found = _core.checkpoint_tensors(path)
    types = [dtype for _, dtype, shape in found if len(shape) >= 2]
    return dict(Counter(t for t in types if t.startswith("F") and t not in _FLOATS))


def _is_wanted(
    name: str,
    dtype: str,
    shape: Sequence[int],
    within: _core.MaskSet | None,
    only: Sequence[str] | None,
) -> bool:
    if within is not None and name not in within:
        return False
    if only:
        return _fits(name, only)
    return within is not None or (dtype in _FLOATS and len(shape) >= 2)


def _fits(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def bytes_of(path: Path) -> int:
    """Size of a checkpoint's tensors in bytes.

    Args:
        path: a safetensors file, an index, or a folder of such.

    Raises:
        FormatError: it cannot be read.
    """
    found = _core.checkpoint_tensors(path)
    return sum(_numel(shape) * (_core.dtype_bits(dtype) or 8) for _, dtype, shape in found) // 8


def count_to_keep(
    shapes: Mapping[str, Sequence[int]],
    *,
    rate: float | None = None,
    sparsity: float | None = None,
    keep: Keep | None = None,
    within: _core.MaskSet | None = None,
) -> int | list[int]:
    """The number of weights to keep, or one for each tensor where ``keep`` is a mapping.

    Raises:
        MaskError: not exactly one of the three is given, it is out of range, or ``keep`` names
            other tensors.
    """
    if [rate, sparsity, keep].count(None) != 2:
        raise MaskError("give exactly one of rate, sparsity and keep")
    if isinstance(keep, Mapping):
        if keep.keys() != shapes.keys():
            name = min(keep.keys() ^ shapes.keys())
            raise MaskError(f"{name}: keep has it and the weights do not, or the reverse")
        return [_checked_count(keep[name]) for name in shapes]
    if keep is not None:
        return _checked_count(keep)
    total = sum(_numel(shape) for shape in shapes.values())
    if sparsity is not None:
        return total - _core.count_to_remove(total, sparsity)
    assert rate is not None
    remaining = total if within is None else within.kept
    return remaining - _core.count_to_remove(remaining, rate)


def _shape_of(given: Sequence[int] | Array) -> tuple[int, ...]:
    shape: Sequence[int] = given if isinstance(given, Sequence) else given.shape
    return tuple(int(size) for size in shape)


def _checked_count(count: int) -> int:
    if not 0 <= count < 2**64:
        raise MaskError(f"cannot keep {count} weights")
    return count


def _numel(shape: Sequence[int]) -> int:
    numel = 1
    for size in shape:
        numel *= size
    return numel
