"""The few statistics of a verdict: mean, spread, binomial error, error of a difference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dwlt.results import Accuracy


def binomial_error(accuracy: Accuracy) -> float:
    """Standard error sqrt(p (1 - p) / n) of one measured share."""
    p = accuracy.value
    return math.sqrt(p * (1 - p) / accuracy.n)


@dataclass(frozen=True, slots=True)
class Level:
    """One number (SA or RA) of one network over its seeds, in the order of the seeds.

    All accuracies were measured on the same ``n`` images.
    """

    accuracies: tuple[Accuracy, ...]

    @property
    def seeds(self) -> int:
        """How many seeds."""
        return len(self.accuracies)

    @property
    def n(self) -> int:
        """How many test images."""
        return self.accuracies[0].n

    @property
    def mean(self) -> float:
        """Mean over the seeds, from the integer counts."""
        return sum(a.correct for a in self.accuracies) / (self.n * self.seeds)

    @property
    def deviation(self) -> float | None:
        """Sample standard deviation (divisor seeds - 1); None with a single seed."""
        if self.seeds < 2:
            return None
        return math.sqrt(_squares(self) / (self.seeds - 1))

    @property
    def spread(self) -> float:
        """What stands behind ±: the deviation over seeds, or the binomial error of one seed."""
        deviation = self.deviation
        return binomial_error(self.accuracies[0]) if deviation is None else deviation


def level(accuracies: Sequence[Accuracy | None]) -> Level | None:
    """A level, or None where nothing was measured, or not for every seed."""
    known = tuple(a for a in accuracies if a is not None)
    return Level(known) if known and len(known) == len(accuracies) else None


def difference_error(dense: Level, ticket: Level) -> float:
    """Standard error of the difference of two means.

    With two or more seeds on both sides: sqrt(v (1/a + 1/b)), where v is the variance pooled
    over both networks and a, b are the numbers of seeds. Otherwise the binomial errors of the
    two, added in quadrature. The networks see the same test images, so the latter is on the
    large side: "undecided" becomes more likely, a wrong "not" less so.
    """
    if dense.seeds > 1 and ticket.seeds > 1:
        freedom = dense.seeds + ticket.seeds - 2
        variance = (_squares(dense) + _squares(ticket)) / freedom
        return math.sqrt(variance * (1 / dense.seeds + 1 / ticket.seeds))
    return math.sqrt(
        sum(
            sum(binomial_error(a) ** 2 for a in side.accuracies) / side.seeds**2
            for side in (dense, ticket)
        )
    )


NORMAL = 1.959963984540054
"""Errors that a two-sided 95% interval reaches to each side: the normal's 97.5% quantile."""

STUDENT = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
"""The same of Student's t with 1, 2, ... 30 degrees of freedom; beyond, the normal will do."""


def quantile(dense: Level, ticket: Level) -> float:
    """How many errors the 95% interval of a difference reaches to each side.

    Student's t where the error was estimated from a few seeds, with seeds - 1 degrees of freedom
    from either side: three seeds each give 2.776, and the normal's 1.96 would call a ticket short
    three times as often as it should. The normal where the error is binomial.
    """
    if dense.seeds > 1 and ticket.seeds > 1:
        freedom = dense.seeds + ticket.seeds - 2
        return STUDENT[freedom - 1] if freedom <= len(STUDENT) else NORMAL
    return NORMAL


def _squares(values: Level) -> float:
    """Sum of squared deviations from the mean."""
    mean = values.mean
    return sum((a.value - mean) ** 2 for a in values.accuracies)
