"""Signs that a robust accuracy is too high because the attack could not see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise

from dwlt.scoring.accuracy import Accuracy, Flag

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
        yield Flag(
            code="probabilities",
            text="the model's outputs sum to 1: they look like probabilities, not logits, "
            "which hides gradients from attacks and can make RA too high",
        )
    if blind:
        yield Flag(
            code="zero-gradient",
            text=f"the attack met a gradient of exactly zero on {blind} of {n} samples and "
            "could not search there: RA may be too high",
        )
    if wavering:
        yield Flag(
            code="unsteady",
            text=f"{wavering} of {n} samples changed sides when their final example was scored "
            "again, and count as fooled: the model is random, or they sit on the boundary",
        )


def masking_flags(fooled: Mapping[str, int], n: int) -> Iterator[Flag]:
    """A black-box attack that catches what gradients did not; one sample may be luck.

    Args:
        fooled: samples that each attack fooled after those before it.
    """
    square = fooled.get("square", 0)
    if any(name in fooled for name in GRADIENT_BASED) and square > max(1, SQUARE_SHARE * n):
        yield Flag(
            code="square-stronger",
            text=f"Square, which uses no gradients, fooled {square} of {n} samples that the "
            "gradient attacks had not: gradients may be masked, and RA too high even so",
        )


def sweep_flags(curve: Sequence[tuple[str, Accuracy]], *, whole: str) -> Iterator[Flag]:
    """An RA that does not fall as eps grows.

    Args:
        curve: RA by eps, from small to large.
        whole: the eps at which every image is within reach.
    """
    for (small, before), (large, after) in pairwise(curve):
        # One sample in a hundred may be luck of a start; more is a search that fails.
        if after.correct - before.correct > max(1, 0.01 * after.n):
            yield Flag(
                code="ra-rises",
                text=f"RA rises from {before.value:.1%} at eps {small} to {after.value:.1%} at "
                f"eps {large}: the attack fails at the larger radius, and RA is too high",
            )
            break
    last, ra = curve[-1]
    if Fraction(last) >= Fraction(whole) and ra.value > FULL_RANGE_RA:
        yield Flag(
            code="robust-at-any-eps",
            text=f"RA is {ra.value:.1%} at eps {last}, where every image is within reach: the "
            "attack does not find what must be there, and RA is too high at every eps",
        )
