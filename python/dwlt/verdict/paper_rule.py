"""The paper's rule: a ticket matches where its mean is no lower than the dense mean less a spread.

    tolerance  the sample standard deviation (divisor seeds - 1) of the dense network's runs;
               with a single seed the binomial standard error sqrt(p (1 - p) / n) of its value
    gap d      ticket mean - (dense mean - tolerance)
    error s    the standard error of the difference of the two means: pooled over both
               networks' seeds, or binomial with a single seed
    reach q    how many errors a 95% interval reaches to each side: Student's t for the seeds
               behind s (2.78 for three each), 1.96 where s is binomial

    d >= 0           the ticket matches
    d < -q s         it falls short beyond doubt: the gap's 95% interval lies below zero
    -q s <= d < 0    unclear

Kept beside the rule with a margin because the paper's numbers stand on it. An unstable dense
network makes it easier to match, which is why it does not decide by default; ``docs/protocol.md``
has its rates of error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from dwlt.verdict.noninferiority import Match
from dwlt.verdict.outcomes import Measured, Number

# Far below one image in any test set; forgives only the rounding of the subtraction itself.
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class PaperComparison:
    """One number of a ticket under the paper's rule; None where a side is missing.

    Attributes:
        gap: ticket mean - (dense mean - tolerance), as a share.
        error: standard error of the difference of the means.
        tolerance: how much lower still matches.
    """

    number: Number
    dense: Measured | None
    ticket: Measured | None
    gap: float | None
    error: float | None
    tolerance: float | None
    match: Match


def compare_as_paper(
    number: Number, dense: Measured | None, ticket: Measured | None
) -> PaperComparison:
    """One number under the paper's rule, which has no margin and no confidence to choose."""
    if dense is None or ticket is None:
        return PaperComparison(number, dense, ticket, None, None, None, Match.MISSING)
    allowed = tolerance(dense)
    gap = ticket.mean - (dense.mean - allowed)
    error, reach = difference_error(dense, ticket)
    if gap >= -_ROUNDING:
        match = Match.MATCHES
    elif gap < -reach * error - _ROUNDING:
        match = Match.SHORT
    else:
        match = Match.UNCLEAR
    return PaperComparison(number, dense, ticket, gap, error, allowed, match)


def tolerance(dense: Measured) -> float:
    """One standard deviation over the dense network's seeds; with one seed, binomial."""
    deviation = dense.deviation
    return _binomial_error(dense.correct[0], dense.n) if deviation is None else deviation


def difference_error(dense: Measured, ticket: Measured) -> tuple[float, float]:
    """The error of the difference of two means over seeds, as the paper's rule takes it.

    Returns:
        The standard error as a share (pooled over both networks' seeds, or binomial with a
        single seed), and how many of it a two-sided 95% interval reaches to each side.
    """
    from scipy.special import ndtri, stdtrit

    a, b = len(dense.seeds), len(ticket.seeds)
    if dense.deviation is not None and ticket.deviation is not None:
        freedom = a + b - 2
        squares = (a - 1) * dense.deviation**2 + (b - 1) * ticket.deviation**2
        error = math.sqrt(squares / freedom * (1 / a + 1 / b))
        return error, float(stdtrit(freedom, 0.975))
    squares = sum(
        sum(_binomial_error(count, side.n) ** 2 for count in side.correct) / len(side.seeds) ** 2
        for side in (dense, ticket)
    )
    return math.sqrt(squares), float(ndtri(0.975))


def _binomial_error(correct: int, n: int) -> float:
    share = correct / n
    return math.sqrt(share * (1 - share) / n)
