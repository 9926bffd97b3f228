"""Networks made up for tests of verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from dwlt.verdict.outcomes import NUMBERS, Bits, Contender, Measured, Number

STANDARD_SA, STANDARD_RA, ADVERSARIAL_SA, ADVERSARIAL_RA = NUMBERS
LEVELS = (0.95, 0.40, 0.85, 0.60)


def bits(correct: Sequence[int], n: int, first: int = 0) -> dict[int, Bits]:
    """Per seed, the ``correct`` images from ``first`` on (around the end) are right."""
    rows = {}
    for seed, count in enumerate(correct):
        row = np.zeros(n, dtype=np.bool_)
        row[(first + np.arange(count)) % n] = True
        rows[seed] = row
    return rows


def network(
    round_: int = 0,
    *,
    seeds: int = 5,
    n: int = 10_000,
    levels: Sequence[float] = LEVELS,
    spread: int = 10,
    counts: bool = False,
    without: Sequence[Number] = (),
) -> Contender:
    """A network whose seeds lie ``spread`` images apart, evenly around each level."""
    numbers: dict[Number, Measured] = {}
    for number, level in zip(NUMBERS, levels, strict=True):
        steps = [spread * (2 * seed - seeds + 1) // 2 for seed in range(seeds)]
        correct = [min(max(round(level * n) + step, 0), n) for step in steps]
        if number in without:
            continue
        if counts:
            numbers[number] = Measured.of_counts(dict(enumerate(correct)), n)
        else:
            numbers[number] = Measured.of_bits(bits(correct, n))
    return Contender(round_, round(1_000_000 * 0.8**round_), 1_000_000, numbers)


def lower(points: Mapping[Number, float]) -> tuple[float, ...]:
    """LEVELS, some numbers lower by so many points."""
    return tuple(
        level - points.get(number, 0.0) / 100 for number, level in zip(NUMBERS, LEVELS, strict=True)
    )
