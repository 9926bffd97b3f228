"""Candidates for the error of a difference, written down on their own and compared.

All are moment estimators of the same crossed design; they differ in what they pool and subtract:

    unpooled   what ``dwlt.verdict.noninferiority`` does, taken from there
    pooled     one mean square for both networks' seeds (Hillis 2014, readers nested in the test)
    paired     seeds paired by their number (Dorfman, Berbaum and Metz 1992, readers crossed)
    no cut     the interaction is not subtracted, as a two-way bootstrap has it in expectation
               (Owen 2007)
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy.special import stdtr

from benchmarks.operating.rules import GOOD, SEEDS
from benchmarks.operating.scenes import Scene, World
from dwlt.verdict.noninferiority import estimate
from dwlt.verdict.outcomes import NUMBERS, Measured

NAMES = ("unpooled", "pooled", "paired", "no cut")
Candidates = dict[str, tuple[float, float]]
"""Standard error and degrees of freedom, by name."""


def candidates(dense: Measured, ticket: Measured) -> Candidates:
    """Every candidate on one number."""
    assert dense.bits is not None
    assert ticket.bits is not None
    n, seeds = dense.n, len(dense.seeds)
    chosen = estimate(dense, ticket)
    between, rest = [], []
    for bits in (dense.bits.astype(float), ticket.bits.astype(float)):
        by_seed, by_image = bits.mean(axis=1), bits.mean(axis=0)
        residual = bits - by_seed[:, None] - by_image + bits.mean()
        between.append(float(by_seed.var(ddof=1)) / seeds)
        rest.append(float((residual**2).sum()) / ((seeds - 1) * (n - 1)) / (seeds * n))
    apart = ticket.bits.mean(axis=0) - dense.bits.mean(axis=0)
    images = float(apart.var(ddof=1)) / n
    own = max(images - sum(rest), 0.0) + 1 / n**2
    pairs = (np.asarray(ticket.correct) - np.asarray(dense.correct)) / n
    paired = float(pairs.var(ddof=1)) / seeds
    return {
        "unpooled": (chosen.error, chosen.freedom),
        "pooled": _with(sum(between), own, 2 * (seeds - 1)),
        "paired": _with(paired, own, seeds - 1),
        "no cut": _with(sum(between), images + 1 / n**2, 2 * (seeds - 1)),
    }


def _with(seeds: float, images: float, freedom: int) -> tuple[float, float]:
    total = seeds + images
    return math.sqrt(total), total**2 / (seeds**2 / freedom + images**2 / 1e6)


def compared(scene: Scene, repetitions: int, seed: int) -> dict[str, Any]:
    """By candidate and number of seeds: error and power, of the number where each is worst."""
    worse = tuple(scene.margin(place) for place in range(len(NUMBERS)))
    hits = {(name, s): np.zeros((2, len(NUMBERS))) for name in NAMES for s in SEEDS}
    rng = np.random.default_rng(seed)
    for _ in range(repetitions):
        world = World(scene, rng)
        (dense,) = world.network(0, max(SEEDS), [GOOD])
        rows = world.network(1, max(SEEDS), [worse, GOOD])
        for count in SEEDS:
            for row, ticket in enumerate(rows):
                for place, number in enumerate(NUMBERS):
                    one, two = (side.numbers[number].only(range(count)) for side in (dense, ticket))
                    assert one is not None
                    assert two is not None
                    gap = two.mean - one.mean + scene.margin(place)
                    for name, (error, freedom) in candidates(one, two).items():
                        hits[name, count][row, place] += stdtr(freedom, -gap / error) <= 0.05
    return {
        name: {
            str(count): {
                "error": round(float(hits[name, count][0].max() / repetitions), 4),
                "power": round(float(hits[name, count][1].min() / repetitions), 4),
            }
            for count in SEEDS
        }
        for name in NAMES
    }
