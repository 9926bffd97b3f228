"""Both rules on simulated networks: how often is a ticket called a double win?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.operating.scenes import Scene, World
from dwlt.verdict.noninferiority import Match, compare
from dwlt.verdict.outcomes import NUMBERS, Contender
from dwlt.verdict.paper_rule import compare_as_paper

SEEDS = (3, 5, 10)
GOOD = (0.0,) * len(NUMBERS)

Matcher = Callable[[Contender, Contender], list[bool]]
"""Which of the numbers match, in the order of NUMBERS."""


def by_margin(scene: Scene) -> Matcher:
    """The rule with a margin."""

    def match(dense: Contender, ticket: Contender) -> list[bool]:
        return [
            compare(n, dense.numbers[n], ticket.numbers[n], scene.margin(place)).match
            is Match.MATCHES
            for place, n in enumerate(NUMBERS)
        ]

    return match


def by_paper(dense: Contender, ticket: Contender) -> list[bool]:
    """The paper's rule."""
    return [
        compare_as_paper(n, dense.numbers[n], ticket.numbers[n]).match is Match.MATCHES
        for n in NUMBERS
    ]


def rates(scene: Scene, repetitions: int, seed: int) -> dict[str, Any]:
    """Power and error of both rules, for each number of seeds.

    Returns:
        By rule and seeds: ``power``, the rate of double wins of a ticket that is as good as the
        dense network; ``error``, the rate where one number is worse by exactly its margin, of the
        number with the highest; ``number``, the highest rate at which such a number matches, which
        no conjunction with other numbers can exceed.
    """
    worse = tuple(scene.margin(place) for place in range(len(NUMBERS)))
    rng = np.random.default_rng(seed)
    matchers: dict[str, Matcher] = {"margin": by_margin(scene), "paper": by_paper}
    good = {(rule, s): np.zeros((repetitions, 4), bool) for rule in matchers for s in SEEDS}
    bad = {key: value.copy() for key, value in good.items()}
    for turn in range(repetitions):
        world = World(scene, rng)
        (dense,) = world.network(0, max(SEEDS), [GOOD])
        same, short = world.network(1, max(SEEDS), [GOOD, worse])
        for count in SEEDS:
            one, two, three = (net.only(range(count)) for net in (dense, same, short))
            for rule, matcher in matchers.items():
                good[rule, count][turn] = matcher(one, two)
                bad[rule, count][turn] = matcher(one, three)
    return {
        rule: {str(count): _rates(good[rule, count], bad[rule, count]) for count in SEEDS}
        for rule in matchers
    }


def _rates(good: np.ndarray, bad: np.ndarray) -> dict[str, float]:
    """Swapping one number of the good ticket for its bad self gives the ticket that is short."""
    errors = []
    for place in range(good.shape[1]):
        swapped = good.copy()
        swapped[:, place] = bad[:, place]
        errors.append(swapped.all(axis=1).mean())
    return {
        "power": round(float(good.all(axis=1).mean()), 4),
        "error": round(float(max(errors)), 4),
        "number": round(float(bad.mean(axis=0).max()), 4),
    }


def power_by_seeds(
    scene: Scene, share: float, seeds: Sequence[int], repetitions: int, seed: int
) -> dict[str, float]:
    """Power of the rule where margins are ``share`` of the scene's, by number of seeds."""
    tight = replace(scene, margins=(scene.margins[0] * share, scene.margins[1] * share))
    matcher = by_margin(tight)
    wins = dict.fromkeys(seeds, 0)
    rng = np.random.default_rng(seed)
    for _ in range(repetitions):
        world = World(scene, rng)
        (dense,) = world.network(0, max(seeds), [GOOD])
        (same,) = world.network(1, max(seeds), [GOOD])
        for count in seeds:
            wins[count] += all(matcher(dense.only(range(count)), same.only(range(count))))
    return {str(count): round(won / repetitions, 4) for count, won in wins.items()}
