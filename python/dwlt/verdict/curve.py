"""The extreme sparsity as an estimate: where a curve through all rounds crosses the margin.

A ticket's deficit is the dense mean less its own. Over the rounds deficits are taken to grow, and
the best growing curve (isotonic least squares) is laid through them, so that every round lends
strength to its neighbours; where it first reaches the margin lies the estimate, read between two
rounds on the scale of rounds (equal steps of log density). It is how a benchmark dose is found in
toxicology without choosing a dose-response model. For the double win the numbers' crossings are
joined: the first number to reach its margin decides.

The interval is a percentile interval of the bootstrap with both sources of error: seeds are drawn
within each network, images once for all of them (Owen, "The pigeonhole bootstrap", Annals of
Applied Statistics 1, 2007, which is on the safe side). Of S seeds S - 1 are drawn, so that the
variance is not too small for few of them (Rao and Wu, Journal of the American Statistical
Association 83, 1988). With one seed the interval is about images alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dwlt.verdict.noninferiority import binomial_variance
from dwlt.verdict.outcomes import Contender, Measured, Number

Array = NDArray[np.float64]

DRAWS = 1000
"""Bootstrap samples of a report."""

_BLOCK = 100
"""Draws at a time: their weights take 4 bytes for each image."""

SEED = 20220604
"""Of the bootstrap, the same for every report, so that the same results give the same page."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """Where a curve reaches the margin, in rounds; with an interval.

    Attributes:
        round: the estimate, between two rounds. None: it is not reached up to the last round.
        low, high: ends of the interval; None as for ``round``.
        confidence: two-sided, of the interval.
        last: the sparsest round the curve goes through.
        covers_seeds: False where some network had a single seed.
    """

    round: float | None
    low: float | None
    high: float | None
    confidence: float
    last: int
    covers_seeds: bool

    def sparsity(self, round_: float | None, density: Mapping[int, float]) -> float | None:
        """A place between rounds as a sparsity in [0, 1], on the scale of log density.

        Args:
            density: of every round that the curve goes through, and of round 0.
        """
        if round_ is None:
            return None
        places = sorted(density)
        logs = np.log([density[place] for place in places])
        return float(1 - np.exp(np.interp(round_, places, logs)))


@dataclass(frozen=True, slots=True)
class Curve:
    """Deficits of one number over the rounds, as shares, and the isotonic curve through them."""

    number: Number
    rounds: tuple[int, ...]
    deficits: tuple[float, ...]
    fitted: tuple[float, ...]
    crossing: Crossing


@dataclass(frozen=True, slots=True)
class Estimated:
    """The estimates of a group: per number, and for all of them together."""

    curves: tuple[Curve, ...]
    joint: Crossing


def isotonic(values: Array) -> Array:
    """Isotonic (never falling) least-squares fit along the last axis, equal weights.

    By the min-max formula (Robertson, Wright and Dykstra, Order Restricted Statistical Inference,
    1988, theorem 1.4.4), which fits a whole bootstrap at once: fit i is the largest, over starts
    up to i, of the smallest mean from there to any end from i on.

    Args:
        values: shape (..., K).
    """
    k = values.shape[-1]
    sums = np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values, axis=-1)], axis=-1)
    fit = np.full(values.shape, -np.inf)
    for start in range(k):
        lengths = np.arange(1, k - start + 1)
        means = (sums[..., start + 1 :] - sums[..., start : start + 1]) / lengths
        # Smallest mean over ends from i on, for every i from start on.
        least = np.minimum.accumulate(means[..., ::-1], axis=-1)[..., ::-1]
        fit[..., start:] = np.maximum(fit[..., start:], least)
    return fit


def crossings(rounds: Sequence[int], fitted: Array, margin: float) -> Array:
    """Where fitted curves first reach the margin, in rounds; inf where they never do.

    Args:
        rounds: ascending, above 0. The curve begins at round 0 with a deficit of 0.
        fitted: shape (..., K), growing along the last axis.
        margin: above 0, as a share.
    """
    x = np.concatenate([[0.0], np.asarray(rounds, dtype=float)])
    # Below 0 a curve says that tickets are better, and the way up to the margin begins at 0.
    y = np.concatenate([np.zeros((*fitted.shape[:-1], 1)), np.maximum(fitted, 0.0)], axis=-1)
    reached = y >= margin
    first = np.argmax(reached, axis=-1)
    before = np.maximum(first - 1, 0)
    y1 = np.take_along_axis(y, first[..., None], -1)[..., 0]
    y0 = np.take_along_axis(y, before[..., None], -1)[..., 0]
    share = (margin - y0) / np.where(y1 > y0, y1 - y0, 1.0)
    place = x[before] + share * (x[first] - x[before])
    return np.where(reached.any(axis=-1), place, np.inf)


def estimate_curves(
    dense: Contender,
    tickets: Sequence[Contender],
    margins: Mapping[Number, float],
    confidence: float = 0.95,
    draws: int = DRAWS,
) -> Estimated | None:
    """The crossings of a group's tickets.

    Args:
        tickets: in any order; those that lack one of the numbers are left out.
        margins: of the numbers that carry the verdict, as shares above 0.
        confidence: two-sided, of the intervals.

    Returns:
        None where there is no number, or no ticket that has them all.
    """
    numbers = [number for number in margins if number in dense.numbers]
    usable = sorted(
        (t for t in tickets if all(number in t.numbers for number in numbers)),
        key=lambda ticket: ticket.round,
    )
    if not numbers or not usable or len(numbers) < len(margins):
        return None
    rounds = tuple(ticket.round for ticket in usable)
    networks = (dense, *usable)
    covered = all(len(net.numbers[n].seeds) > 1 for net in networks for n in numbers)
    drawn = _draw(networks, numbers, draws)
    curves, joint_point, joint_draws = [], np.inf, np.full(draws, np.inf)
    for place, number in enumerate(numbers):
        levels = np.array([net.numbers[number].mean for net in networks])
        deficits = levels[0] - levels[1:]
        fitted = isotonic(deficits)
        point = float(crossings(rounds, fitted, margins[number]))
        sample = isotonic(drawn[place, :, :1] - drawn[place, :, 1:])
        places = crossings(rounds, sample, margins[number])
        joint_point = min(joint_point, point)
        joint_draws = np.minimum(joint_draws, places)
        curves.append(
            Curve(
                number,
                rounds,
                tuple(map(float, deficits)),
                tuple(map(float, fitted)),
                _interval(point, places, confidence, rounds[-1], covered),
            )
        )
    joint = _interval(joint_point, joint_draws, confidence, rounds[-1], covered)
    return Estimated(tuple(curves), joint)


def _interval(point: float, places: Array, confidence: float, last: int, covered: bool) -> Crossing:
    tail = (1 - confidence) / 2
    ends = np.sort(places)
    low = float(ends[int(np.floor(tail * (len(ends) - 1)))])
    high = float(ends[int(np.ceil((1 - tail) * (len(ends) - 1)))])

    def finite(value: float) -> float | None:
        return None if np.isinf(value) else value

    return Crossing(finite(point), finite(low), finite(high), confidence, last, covered)


def _draw(networks: Sequence[Contender], numbers: Sequence[Number], draws: int) -> Array:
    """Bootstrap means, shape (numbers, draws, networks).

    A seed draws all numbers of its regime together, an image all numbers of all networks, so
    that their correlation is kept. Numbers known by counts get their images' error from a normal
    of the binomial's variance instead, each network its own.
    """
    rng = np.random.default_rng(SEED)
    result = np.empty((len(numbers), draws, len(networks)))
    by_bits: list[tuple[int, int, Array, Measured]] = []
    paired = _paired(networks, numbers)
    for index, network in enumerate(networks):
        picks: dict[tuple[str, tuple[int, ...]], Array] = {}
        for place, number in enumerate(numbers):
            measured = network.numbers[number]
            key = (number.regime, measured.seeds)
            if key not in picks:
                picks[key] = _seed_shares(rng, len(measured.seeds), draws)
            if paired:
                by_bits.append((place, index, picks[key], measured))
            else:
                by_count = np.asarray(measured.correct) / measured.n
                noise = rng.standard_normal(draws) * np.sqrt(binomial_variance(measured))
                result[place, :, index] = picks[key] @ by_count + noise
    if paired:
        # All rows of bits in one product: image weights are then read once for all of them.
        stacked = np.concatenate([m.bits for *_, m in by_bits if m.bits is not None])
        right = np.ascontiguousarray(stacked.T, dtype=np.float32)
        ends = np.cumsum([len(measured.seeds) for *_, measured in by_bits])[:-1]
        for start in range(0, draws, _BLOCK):
            stop = min(start + _BLOCK, draws)
            images = _image_shares(rng, by_bits[0][3].n, stop - start)
            means = np.split(images @ right, ends, axis=1)
            for (place, index, shares, _), by_seed in zip(by_bits, means, strict=True):
                result[place, start:stop, index] = (shares[start:stop] * by_seed).sum(axis=1)
    return result


def _seed_shares(rng: np.random.Generator, seeds: int, draws: int) -> Array:
    """Weights of seeds in every draw, shape (draws, seeds); rows sum to 1."""
    taken = max(seeds - 1, 1)
    return rng.multinomial(taken, np.full(seeds, 1 / seeds), size=draws) / taken


def _image_shares(rng: np.random.Generator, n: int, draws: int) -> NDArray[np.float32]:
    """Weights of images in every draw, shape (draws, n); rows sum to 1."""
    weights = np.empty((draws, n), dtype=np.float32)
    for draw in range(draws):
        weights[draw] = np.bincount(rng.integers(0, n, n), minlength=n)
    weights /= n
    return weights


def _paired(networks: Sequence[Contender], numbers: Sequence[Number]) -> bool:
    """Whether every number of every network has bits of the same images."""
    every = [network.numbers[number] for network in networks for number in numbers]
    first = every[0]
    return all(m.bits is not None and (m.n, m.images) == (first.n, first.images) for m in every)
