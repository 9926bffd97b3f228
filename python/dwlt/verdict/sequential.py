"""Looking more than once: seeds added in batches fixed in advance, with the error held.

A cell that is looked at after every batch and stopped when it matches would match by chance more
often than its confidence says. So the number of seeds at each look is fixed in advance, and each
look gets its own, smaller level: the level's spending over the looks follows a function of Lan and
DeMets (Biometrika 70, 1983), the boundaries follow from the recursion of Armitage, McPherson and
Rowe (Journal of the Royal Statistical Society A 132, 1969). They are found for a normal statistic
with independent increments and applied to the p-values of Student's t (Jennison and Turnbull,
Group Sequential Methods with Applications to Clinical Trials, 2000, section 4.4). Test images are
the same at every look, which makes looks more alike than the recursion takes them to be, so the
error can only be lower.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from itertools import pairwise
from typing import Literal

import numpy as np

from dwlt.verdict.judge import Verdict

Spending = Literal["pocock", "obrien-fleming", "bonferroni"]

_GRID = 1001
"""Points of the numerical integration; the fifth digit of a level no longer depends on it."""


@dataclass(frozen=True, slots=True)
class Looks:
    """When a cell is looked at, and at which one-sided level each time.

    Attributes:
        seeds: how many seeds a network has at each look, ascending.
        levels: one-sided level of each look.
        alpha: the one-sided error over all looks.
        spending: how alpha is spent, by name.
    """

    seeds: tuple[int, ...]
    levels: tuple[float, ...]
    alpha: float
    spending: Spending

    def confidence(self, seeds: int) -> float:
        """One-sided confidence of the look at this number of seeds.

        Raises:
            ValueError: no look is planned there.
        """
        if seeds not in self.seeds:
            raise ValueError(f"no look is planned at {seeds} seeds, only at {self.seeds}")
        return 1 - self.levels[self.seeds.index(seeds)]


class Decision(StrEnum):
    """What a look says of a cell."""

    MATCHES = "matches"
    SHORT = "falls short"
    CONTINUE = "run more seeds"
    UNCLEAR = "unclear"


def spent(fraction: float, alpha: float, spending: Spending) -> float:
    """How much of alpha is spent when ``fraction`` of the seeds is in (Lan and DeMets 1983)."""
    from scipy.special import ndtr, ndtri

    if spending == "pocock":
        return alpha * math.log(1 + (math.e - 1) * fraction)
    if spending == "obrien-fleming":
        return float(2 * ndtr(ndtri(alpha / 2) / math.sqrt(fraction)))
    return alpha * fraction


def plan_looks(seeds: Sequence[int], alpha: float = 0.05, spending: Spending = "pocock") -> Looks:
    """Levels for looks at these numbers of seeds.

    Args:
        seeds: ascending, at least 2 at the first look (one seed has no spread).
        alpha: one-sided, over all looks.
        spending: "pocock" spends early, "obrien-fleming" late; "bonferroni" splits alpha evenly
            and takes no correlation into account.

    Raises:
        ValueError: seeds are not ascending numbers from 2 on, or alpha is not in (0, 0.5).
    """
    return _planned(tuple(seeds), alpha, spending)


@cache
def _planned(counts: tuple[int, ...], alpha: float, spending: Spending) -> Looks:
    if not counts or counts[0] < 2 or list(counts) != sorted(set(counts)):
        raise ValueError(f"looks need ascending numbers of seeds from 2 on, not {counts}")
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha is a one-sided level between 0 and 0.5, not {alpha}")
    if spending == "bonferroni":
        return Looks(counts, (alpha / len(counts),) * len(counts), alpha, spending)
    times = [count / counts[-1] for count in counts]
    total = [0.0, *(spent(time, alpha, spending) for time in times)]
    wanted = [after - before for before, after in pairwise(total)]
    return Looks(counts, tuple(_levels(times, wanted)), alpha, spending)


def _levels(times: Sequence[float], wanted: Sequence[float]) -> list[float]:
    """Nominal levels at which a Brownian motion, looked at at ``times``, first exceeds its
    boundary with the chances ``wanted``."""
    from scipy.special import ndtr, ndtri

    levels: list[float] = []
    grid = density = np.empty(0)
    for number, (time, chance) in enumerate(zip(times, wanted, strict=True)):
        if number == 0:
            bound = -float(ndtri(chance)) * math.sqrt(time)
        else:
            step = math.sqrt(time - times[number - 1])
            bound = _bound(grid, density, step, chance)
        levels.append(float(ndtr(-bound / math.sqrt(time))))
        # Density of the motion at this time, of those paths that have crossed no boundary yet.
        fresh = np.linspace(-8 * math.sqrt(time), bound, _GRID)
        if number == 0:
            density = np.exp(-(fresh**2) / (2 * time)) / math.sqrt(2 * math.pi * time)
        else:
            step = math.sqrt(time - times[number - 1])
            density = _carried(grid, density, fresh, step)
        grid = fresh
    return levels


def _bound(grid: np.ndarray, density: np.ndarray, step: float, chance: float) -> float:
    """The boundary that continuing paths exceed with this chance, by bisection."""
    from scipy.special import ndtr

    low, high = -10.0, 10.0
    for _ in range(60):
        middle = (low + high) / 2
        crossed = np.trapezoid(density * ndtr((grid - middle) / step), grid)
        low, high = (middle, high) if crossed > chance else (low, middle)
    return (low + high) / 2


def _carried(grid: np.ndarray, density: np.ndarray, fresh: np.ndarray, step: float) -> np.ndarray:
    """The density one look later, at the points ``fresh``."""
    result = np.empty_like(fresh)
    for start in range(0, len(fresh), 256):
        part = fresh[start : start + 256, None]
        kernel = np.exp(-((part - grid) ** 2) / (2 * step**2)) / (step * math.sqrt(2 * math.pi))
        result[start : start + 256] = np.trapezoid(kernel * density, grid, axis=1)
    return result


def decide(looks: Looks, seeds: int, verdict: Verdict) -> Decision:
    """What the look at ``seeds`` seeds says.

    Args:
        verdict: of the cell, judged at ``looks.confidence(seeds)``.

    Raises:
        ValueError: no look is planned at this number of seeds.
    """
    looks.confidence(seeds)
    if verdict is Verdict.DOUBLE_WIN:
        return Decision.MATCHES
    if verdict in (Verdict.NOT, Verdict.AT_FLOOR):
        return Decision.SHORT
    return Decision.UNCLEAR if seeds == looks.seeds[-1] else Decision.CONTINUE
