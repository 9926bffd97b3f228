"""Masks without PyTorch: pruning of arrays, tensors and checkpoints by magnitude or at random.

These are the functions that ``import dwlt`` offers. Counting, selecting and reading are the
core's; this file checks and converts their arguments.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from os import PathLike
from pathlib import Path
from typing import Any

from dwlt import _core
from dwlt.errors import MaskError
from dwlt.masks.arrays import Array, for_core
from dwlt.masks.counts import Criterion, Keep, Scope, count_to_keep, is_pattern, wanted_count
from dwlt.masks.densities import erk_counts

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
    keep, scope = _shared_out(
        {name: given.shape for name, given, _ in tensors}, keep, within, scope
    )
    return _core.select_magnitude(tensors, keep=keep, within=within, scope=scope)


def _shared_out(
    shapes: Mapping[str, Sequence[int]],
    keep: int | list[int],
    within: _core.MaskSet | None,
    scope: Scope,
) -> tuple[int | list[int], Scope]:
    """A count and a scope as the core knows them: "erk" is a count for each tensor."""
    if scope != "erk" or not isinstance(keep, int):
        return keep, scope
    available = None if within is None else {name: kept for name, kept, _ in within.layers()}
    given = {name: tuple(shape) for name, shape in shapes.items()}
    return erk_counts(given, keep, available), "tensor"


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
    count, scope = _shared_out(shapes, count, within, scope)
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
        if count is not None:
            count, scope = _shared_out(shapes, count, chosen, scope)
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
    return sum(math.prod(shape) * (_core.dtype_bits(dtype) or 8) for _, dtype, shape in found) // 8


def _shape_of(given: Sequence[int] | Array) -> tuple[int, ...]:
    shape: Sequence[int] = given if isinstance(given, Sequence) else given.shape
    return tuple(int(size) for size in shape)
