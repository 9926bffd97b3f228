"""Procedures that hold the family-wise error over the declared rounds, compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.operating.rules import SEEDS
from benchmarks.operating.scenes import Scene
from benchmarks.operating.tickets import PROFILES, deficits, place_of, truth
from benchmarks.operating.tickets import Sequence as Tickets
from dwlt.spec.verdict import DECLARED
from dwlt.verdict.families import PROCEDURES
from dwlt.verdict.judge import judge
from dwlt.verdict.sequential import plan_looks

ADDED = "fixed-sequence, 5 seeds then 10"
"""Seeds are added to a ticket before it stops the sequence, each look at its own level."""

LOOKS = plan_looks((5, 10))


def compared(scene: Scene, profile: str, repetitions: int, seed: int) -> dict[str, Any]:
    """What each procedure claims to be the extreme sparsity.

    Returns:
        By procedure and seeds: ``over``, the rate of claims that a ticket which is worse by the
        margin or more wins (the family-wise error); ``exact``, the rate of the right answer;
        ``lost``, how many of the declared rounds a claim stays behind the truth on average;
        ``trainings``, transfers of all networks under both regimes.
    """
    rng = np.random.default_rng(seed)
    claims: dict[tuple[str, str], list[tuple[bool, int]]] = {}
    spent: list[int] = []
    false = {r for r, d in deficits(profile).items() if d >= 1}
    for _ in range(repetitions):
        tickets = Tickets.draw(scene, max(SEEDS), deficits(profile), rng)
        networks = [tickets.network(round_) for round_ in DECLARED]
        p = {}
        for count in SEEDS:
            few = [net.only(range(count)) for net in networks]
            dense = tickets.network(0).only(range(count))
            judged = judge(dense, few, scene.classes, scene.settings, curves=False)
            p[count] = [ticket.p for ticket in judged.tickets]
            for name, procedure in PROCEDURES.items():
                wins = [r for r, q in zip(DECLARED, procedure(p[count]), strict=True) if q <= 0.05]
                claims.setdefault((name, str(count)), []).append(_claim(wins, false))
        wins, trainings = _with_added(p[5], p[10])
        claims.setdefault((ADDED, "5-10"), []).append(_claim(wins, false))
        spent.append(trainings)
    result: dict[str, Any] = {}
    for (name, looked), found in claims.items():
        places = np.array([place for _, place in found])
        cost = float(np.mean(spent)) if name == ADDED else 2.0 * int(looked) * (len(DECLARED) + 1)
        result.setdefault(name, {})[looked] = {
            "over": round(float(np.mean([over for over, _ in found])), 4),
            "exact": round(float(np.mean(places == truth(profile))), 4),
            "lost": round(float(np.mean(np.maximum(truth(profile) - places, 0))), 3),
            "trainings": round(cost, 1),
        }
    return result


def _claim(wins: Sequence[int], false: set[int]) -> tuple[bool, int]:
    return bool(false & set(wins)), place_of(max(wins, default=None))


def _with_added(early: Sequence[float], late: Sequence[float]) -> tuple[list[int], int]:
    """The fixed sequence, where a ticket that is not clear with 5 seeds gets 10."""
    wins, more = [], 0
    for round_, first, second in zip(DECLARED, early, late, strict=True):
        if first > LOOKS.levels[0]:
            more += 1
            if second > LOOKS.levels[1]:
                break
        wins.append(round_)
    tested = min(len(wins) + 1, len(DECLARED))
    dense = 10 if more else 5
    return wins, 2 * (dense + 5 * tested + 5 * more)


def names() -> tuple[str, ...]:
    """Every profile."""
    return tuple(PROFILES)
