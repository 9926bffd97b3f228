"""Is a ticket no more than a margin worse than the dense network, on one number?

The difference is ticket mean - dense mean, over seeds and test images. It has two sources of
error: another seed gives another training, and other test images give another accuracy. Seeds
are nested in the network (dense and ticket share seed numbers, but their trainings diverge from
the first step, so nothing is gained by pairing them; were they correlated after all, the error
would come out too large and never too small). Images are crossed with both: the two networks see
the same ones, which makes most of the images' own difficulty cancel.

That is the design of a multi-reader multi-case study with readers nested in the test: a network
is the test, a seed the reader, an image the case. The estimator is the analysis of variance of
Dorfman, Berbaum and Metz (Investigative Radiology 27, 1992) with the changes of Hillis
("A comparison of denominator degrees of freedom methods for multiple observer ROC analysis",
Statistics in Medicine 26, 2007; "A marginal-mean ANOVA approach for analyzing multireader
multicase radiological imaging data", Statistics in Medicine 33, 2014): the images' component is
cut off at zero, and degrees of freedom follow Satterthwaite. As the two networks may spread
differently, their mean squares are not pooled; the degrees of freedom are then those of Welch
(Biometrika 34, 1947). With S seeds of a network, N images, and x for the bits:

    seeds     variance of the seeds' means / S, one term for each network. It holds the
              interaction of seeds and images too; where it is smaller than the interaction alone
              (a spread that is small by chance), the interaction takes its place, so that equal
              counts by luck are no proof of stability
    images    variance over images of (ticket's mean over seeds - dense's) / N, less the two
              interactions, not below zero, plus 1 / N^2: half an image added to each of the two
              discordant cells (Agresti and Min, Statistics in Medicine 24, 2005), so that equal
              bits are no proof of equality either
    error^2   the sum of the three terms

Where there are no bits, images are treated as if each network had seen its own (unpaired
binomial, with one success and one failure added to each side: Agresti and Caffo, The American
Statistician 54, 2000). That is on the safe side and needs wider margins. With a single seed the
error is that of the images alone, and the result says so.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from dwlt.verdict.outcomes import Measured, Number


class Match(StrEnum):
    """The state of one number of a ticket."""

    MATCHES = "matches"
    SHORT = "falls short"
    UNCLEAR = "unclear"
    MISSING = "missing"


class Basis(StrEnum):
    """What an error was estimated from."""

    BITS = "images paired"
    COUNTS = "counts only"


@dataclass(frozen=True, slots=True)
class Estimate:
    """A difference between two networks with its error. Shares in [0, 1], not points.

    Attributes:
        difference: ticket mean - dense mean.
        error: standard error of the difference.
        freedom: degrees of freedom of Student's t.
        seeds: the part of error^2 that is due to seeds; None where it is not covered.
        images: the part of error^2 that is due to images.
        basis: whether images were paired.
    """

    difference: float
    error: float
    freedom: float
    seeds: float | None
    images: float
    basis: Basis

    @property
    def covers_seeds(self) -> bool:
        """Whether another seed is part of the error. With one seed it is not."""
        return self.seeds is not None

    def tail(self, bound: float) -> float:
        """One-sided p-value of "the true difference is at most ``bound``"."""
        from scipy.special import stdtr

        if self.error == 0:
            return 0.0 if self.difference > bound else 1.0
        return float(stdtr(self.freedom, -(self.difference - bound) / self.error))

    def reach(self, confidence: float) -> float:
        """How far a one-sided interval at this confidence reaches from the difference."""
        from scipy.special import stdtrit

        return float(stdtrit(self.freedom, confidence)) * self.error


@dataclass(frozen=True, slots=True)
class Comparison:
    """One number of a ticket, held against the dense network.

    Attributes:
        number: which.
        dense, ticket: what was measured, None where it is missing.
        estimate: the difference and its error, None where a side is missing.
        margin: as a share in [0, 1].
        confidence: of each of the two one-sided bounds.
        match: what follows.
    """

    number: Number
    dense: Measured | None
    ticket: Measured | None
    estimate: Estimate | None
    margin: float
    confidence: float
    match: Match

    @property
    def low(self) -> float | None:
        """Lower one-sided confidence bound of the difference."""
        found = self.estimate
        return None if found is None else found.difference - found.reach(self.confidence)

    @property
    def high(self) -> float | None:
        """Upper one-sided confidence bound of the difference."""
        found = self.estimate
        return None if found is None else found.difference + found.reach(self.confidence)

    @property
    def p(self) -> float:
        """p-value of "worse by the margin or more"; 1 where a side is missing."""
        return 1.0 if self.estimate is None else self.estimate.tail(-self.margin)


def estimate(dense: Measured, ticket: Measured) -> Estimate:
    """The difference ticket - dense and its error (the estimator is in the module's text).

    Bits are paired where both networks have them for the same images; else counts decide.
    """
    if (
        dense.bits is not None
        and ticket.bits is not None
        and dense.n == ticket.n
        and dense.images == ticket.images
    ):
        return _paired(dense, ticket)
    return _unpaired(dense, ticket)


def compare(
    number: Number,
    dense: Measured | None,
    ticket: Measured | None,
    margin: float,
    confidence: float = 0.95,
) -> Comparison:
    """The state of one number.

    Args:
        margin: how much worse still matches, as a share: 0.01 is one point.
        confidence: one-sided. The ticket matches where the lower bound of the difference lies
            above -margin, falls short where the upper bound lies below it, and is unclear else.
    """
    if dense is None or ticket is None:
        return Comparison(number, dense, ticket, None, margin, confidence, Match.MISSING)
    found = estimate(dense, ticket)
    reach = found.reach(confidence)
    if found.difference - reach > -margin:
        match = Match.MATCHES
    elif found.difference + reach < -margin:
        match = Match.SHORT
    else:
        match = Match.UNCLEAR
    return Comparison(number, dense, ticket, found, margin, confidence, match)


@dataclass(frozen=True, slots=True)
class _Side:
    """Mean over seeds per image, and the two mean squares of one network, as variances of its
    mean: of the seeds' means, and of the interaction of seeds and images."""

    by_image: np.ndarray
    between: float
    interaction: float


def _side(measured: Measured) -> _Side:
    bits = measured.bits
    assert bits is not None
    seeds, n = bits.shape
    by_image = bits.mean(axis=0)
    if seeds < 2:
        return _Side(by_image, 0.0, 0.0)
    mean = measured.mean
    by_seed = np.asarray(measured.correct) / n
    among_seeds = float(((by_seed - mean) ** 2).sum())
    among_images = float(((by_image - mean) ** 2).sum())
    # Bits: their sum of squares about the mean follows from the mean alone.
    rest = seeds * n * mean * (1 - mean) - n * among_seeds - seeds * among_images
    interaction = max(rest, 0.0) / ((seeds - 1) * max(n - 1, 1))
    return _Side(by_image, among_seeds / (seeds - 1) / seeds, interaction / (seeds * n))


def _paired(dense: Measured, ticket: Measured) -> Estimate:
    d, t = _side(dense), _side(ticket)
    n = dense.n
    difference = ticket.mean - dense.mean
    discordance = 1 / n**2
    spread = float(np.var(t.by_image - d.by_image, ddof=1)) / n if n > 1 else 0.0
    if min(len(dense.seeds), len(ticket.seeds)) < 2:
        images = spread + discordance
        return Estimate(difference, math.sqrt(images), max(n - 1, 1), None, images, Basis.BITS)
    images = max(spread - d.interaction - t.interaction, 0.0) + discordance
    terms = (
        (max(d.between, d.interaction), len(dense.seeds) - 1),
        (max(t.between, t.interaction), len(ticket.seeds) - 1),
        (images, max(n - 1, 1)),
    )
    return _together(difference, terms, Basis.BITS)


def _unpaired(dense: Measured, ticket: Measured) -> Estimate:
    difference = ticket.mean - dense.mean
    images = binomial_variance(dense) + binomial_variance(ticket)
    freedom = max(min(dense.n, ticket.n) - 1, 1)
    spreads = (dense.deviation, ticket.deviation)
    if spreads[0] is None or spreads[1] is None:
        return Estimate(difference, math.sqrt(images), freedom, None, images, Basis.COUNTS)
    terms = (
        (spreads[0] ** 2 / len(dense.seeds), len(dense.seeds) - 1),
        (spreads[1] ** 2 / len(ticket.seeds), len(ticket.seeds) - 1),
        (images, freedom),
    )
    return _together(difference, terms, Basis.COUNTS)


def binomial_variance(measured: Measured) -> float:
    """Variance of a share of n images, with one success and one failure added."""
    n = measured.n + 2
    share = (measured.mean * measured.n + 1) / n
    return share * (1 - share) / n


def _together(difference: float, terms: tuple[tuple[float, int], ...], basis: Basis) -> Estimate:
    """Sum of independent variances, each with its degrees of freedom (Satterthwaite 1946)."""
    total = sum(variance for variance, _ in terms)
    freedom = total**2 / sum(variance**2 / degrees for variance, degrees in terms)
    images = terms[-1][0]
    return Estimate(difference, math.sqrt(total), freedom, total - images, images, basis)
