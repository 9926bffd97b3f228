"""The few statistics of a verdict: mean, spread, binomial error, error of a difference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dwlt.report.records import Accuracy


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


def _squares(values: Level) -> float:
    """Sum of squared deviations from the mean."""
    mean = values.mean
    return sum((a.value - mean) ** 2 for a in values.accuracies)
