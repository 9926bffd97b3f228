"""The frontier's strategy on simulated networks: what it claims, and what it spends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.operating.scenes import Scene
from benchmarks.operating.tickets import Sequence, deficits, place_of, truth
from dwlt.spec.verdict import DECLARED
from dwlt.verdict.frontier import Found, SearchPlan, advance
from dwlt.verdict.outcomes import Contender

FULL_GRID = (20 + 1) * 3 * 2
"""Trainings of the grid it is held against: dense network and 20 rounds, 3 seeds, 2 regimes."""


def search(plan: SearchPlan, tickets: Sequence) -> tuple[Found, int]:
    """Run a search to its end; what it found, and how many trainings it took."""
    have: dict[int, dict[str, set[int]]] = {}
    trainings = 0
    while True:
        known = {round_: _part(tickets.network(round_), have[round_]) for round_ in have}
        said = advance(plan, known.get(0), known)
        if isinstance(said, Found):
            return said, trainings
        have.setdefault(said.round, {}).setdefault(said.regime, set()).update(said.seeds)
        trainings += len(said.seeds)


def _part(network: Contender, have: Mapping[str, set[int]]) -> Contender:
    parts = {
        number: measured.only(have.get(number.regime, set()))
        for number, measured in network.numbers.items()
    }
    numbers = {number: part for number, part in parts.items() if part is not None}
    return Contender(network.round, network.kept, network.total, numbers)


def spent(scene: Scene, profile: str, repetitions: int, seed: int) -> dict[str, Any]:
    """Claims and costs over repeated searches.

    Returns:
        ``over``: the rate of claims beyond the truth, which is the error. ``exact``: the rate of
        the right answer. ``near``: of that, or of the declared round before it. ``trainings``:
        mean; ``most``: of nine searches in ten no more.
    """
    rng = np.random.default_rng(seed)
    plan = SearchPlan.of(scene.settings, DECLARED, scene.classes)
    width = plan.locate + plan.looks[-1]
    places, costs = [], []
    for _ in range(repetitions):
        found, trainings = search(plan, Sequence.draw(scene, width, deficits(profile), rng))
        places.append(place_of(found.extreme))
        costs.append(trainings)
    claimed = np.array(places)
    right = truth(profile)
    return {
        "over": round(float(np.mean(claimed > right)), 4),
        "exact": round(float(np.mean(claimed == right)), 4),
        "near": round(float(np.mean((claimed == right) | (claimed == right - 1))), 4),
        "trainings": round(float(np.mean(costs)), 1),
        "most": int(np.quantile(costs, 0.9)),
    }
