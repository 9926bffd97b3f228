"""Can a number carry a verdict at all? Not where the dense network has nothing to lose.

A network at the floor (SA at guessing, RA at zero) is matched by anything. More: where the dense
network is above the floor by no more than the margin, a network *at* the floor would match it, so
matching says nothing. Trials of non-inferiority ask the same of a drug: the comparator's effect
over a placebo must be larger than the margin ("assay sensitivity", ICH E10, 2000). So a number
counts only where the dense network is shown to be above floor + margin: by the exact binomial
test of its mean count of correct images.

There is no rule for ceilings. A dense network near 100% is matched only by one that is near 100%
too, which says something; that such networks do not vary is seen to in ``noninferiority``.
"""

from __future__ import annotations

from dataclasses import dataclass

from dwlt.verdict.outcomes import Measured, Number


@dataclass(frozen=True, slots=True)
class Floor:
    """Where one number of the dense network stands to its floor.

    Attributes:
        number: which.
        floor: share of correct images that needs no network: 1 / classes for SA, 0 for RA.
        needed: floor + margin.
        level: the dense network's mean.
        p: p-value of "the dense network is no better than ``needed``".
        carries: whether the number can carry a verdict.
    """

    number: Number
    floor: float
    needed: float
    level: float
    p: float
    carries: bool


def check_floor(
    number: Number, dense: Measured, classes: int, margin: float, confidence: float = 0.95
) -> Floor:
    """Test one number of the dense network against its floor.

    Args:
        classes: of the downstream task; guessing gets 1 / classes of the images.
        margin: as a share.
        confidence: one-sided, of "the dense network is above floor + margin".

    Raises:
        ValueError: fewer than two classes.
    """
    from scipy.special import bdtrc

    if classes < 2:
        raise ValueError(f"a task has two classes or more, not {classes}")
    floor = 1 / classes if number.kind == "sa" else 0.0
    needed = floor + margin
    # Seeds share their images, so they are not counted as so many more: n stays n.
    correct = int(dense.mean * dense.n + 1e-9)
    possible = needed < 1 and correct > 0
    p = float(bdtrc(correct - 1, dense.n, needed)) if possible else 1.0
    return Floor(number, floor, needed, dense.mean, p, p < 1 - confidence)
