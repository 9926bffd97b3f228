"""Signs that a robust accuracy is too high: the attack's gradients led nowhere (masking)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise

from dwlt.results import Accuracy, Flag, flag

SQUARE_SHARE = 0.002
"""Share of samples beyond which a catch of Square's own is flagged; the reference's value."""

FULL_RANGE_RA = 0.01
"""With eps = 1 every image is within reach: more RA than this and the search has failed."""

GRADIENT_BASED = ("apgd-ce", "apgd-t", "fab-t")


def standard_flags(n: int, *, shares: bool, blind: int, wavering: int) -> Iterator[Flag]:
    """What every scoring can raise.

    Args:
        n: samples scored.
        shares: all rows of logits could be probabilities.
        blind: samples at which the gradient was exactly zero.
        wavering: samples that changed sides when their final example was scored again.
    """
    if shares:
        yield flag("probabilities")
    if blind:
        yield flag("zero-gradient", blind=blind, n=n)
    if wavering:
        yield flag("unsteady", wavering=wavering, n=n)


def masking_flags(fooled: Mapping[str, int], n: int) -> Iterator[Flag]:
    """A black-box attack that catches what gradients did not; one sample may be luck.

    Args:
        fooled: samples that each attack fooled after those before it.
    """
    square = fooled.get("square", 0)
    if any(name in fooled for name in GRADIENT_BASED) and square > max(1, SQUARE_SHARE * n):
        yield flag("square-stronger", fooled=square, n=n)


def sweep_flags(curve: Sequence[tuple[str, Accuracy]], *, whole: str) -> Iterator[Flag]:
    """An RA that does not fall as eps grows.

    Args:
        curve: RA by eps, from small to large.
        whole: the eps at which every image is within reach.
    """
    for (small, before), (large, after) in pairwise(curve):
        # One sample in a hundred may be luck of a start; more is a search that fails.
        if after.correct - before.correct > max(1, 0.01 * after.n):
            yield flag("ra-rises", small=small, before=before.value, large=large, after=after.value)
            break
    last, ra = curve[-1]
    if Fraction(last) >= Fraction(whole) and ra.value > FULL_RANGE_RA:
        yield flag("robust-at-any-eps", ra=ra.value, eps=last)
