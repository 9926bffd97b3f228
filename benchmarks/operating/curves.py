"""The estimated extreme sparsity on simulated networks: does its interval hold the truth?"""

from __future__ import annotations

import numpy as np

from benchmarks.operating.scenes import Scene
from benchmarks.operating.tickets import Sequence
from dwlt.verdict.curve import estimate_curves
from dwlt.verdict.outcomes import NUMBERS

ROUNDS = tuple(range(1, 21))
TRUE = 10.0
"""The round at which the first number reaches its margin."""

DRAWS = 300


def coverage(scene: Scene, seeds: int, repetitions: int, seed: int) -> dict[str, float]:
    """Twenty rounds whose deficits grow smoothly and reach the margin at round 10.

    Returns:
        ``coverage`` of the 95% interval, and how often it lies wholly ``above`` or ``below`` the
        truth; ``width`` in rounds; ``bias`` of the estimate in rounds.
    """
    rng = np.random.default_rng(seed)
    deficits = {round_: (round_ / TRUE) ** 4 for round_ in ROUNDS}
    margins = {number: scene.margin(place) for place, number in enumerate(NUMBERS)}
    above = below = 0
    widths, points = [], []
    for _ in range(repetitions):
        tickets = Sequence.draw(scene, seeds, deficits, rng)
        networks = [tickets.network(round_) for round_ in ROUNDS]
        found = estimate_curves(tickets.network(0), networks, margins, draws=DRAWS)
        assert found is not None
        low = found.joint.low if found.joint.low is not None else ROUNDS[-1]
        high = found.joint.high if found.joint.high is not None else np.inf
        above += low > TRUE
        below += high < TRUE
        widths.append(min(high, ROUNDS[-1]) - low)
        points.append(ROUNDS[-1] if found.joint.round is None else found.joint.round)
    return {
        "coverage": round(1 - (above + below) / repetitions, 4),
        "above": round(above / repetitions, 4),
        "below": round(below / repetitions, 4),
        "width": round(float(np.mean(widths)), 2),
        "bias": round(float(np.mean(points)) - TRUE, 2),
    }
