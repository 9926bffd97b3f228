"""How many weights are to be kept: shares, numbers and patterns, checked and counted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from dwlt import _core
from dwlt.errors import MaskError

Scope: TypeAlias = Literal["global", "tensor", "erk"] | str
"""What competes with what: all weights ("global"); those of a tensor, which keeps its share of the
count ("tensor") or the share that the Erdős-Rényi-Kernel rule gives it ("erk"); or those of a
group, as "2:4", which says the count as well."""
Criterion: TypeAlias = Literal["magnitude", "lamp", "random"]
Keep: TypeAlias = int | Mapping[str, int]


def is_pattern(scope: str) -> bool:
    """Whether a scope is a pattern such as "2:4"."""
    return ":" in scope


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
    total = sum(math.prod(shape) for shape in shapes.values())
    if sparsity is not None:
        return total - _core.count_to_remove(total, sparsity)
    assert rate is not None
    remaining = total if within is None else within.kept
    return remaining - _core.count_to_remove(remaining, rate)


def _checked_count(count: int) -> int:
    if not 0 <= count < 2**64:
        raise MaskError(f"cannot keep {count} weights")
    return count
