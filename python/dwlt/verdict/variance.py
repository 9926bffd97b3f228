"""Where luck comes from: the variance of a number over replicates, tickets and transfer seeds.

An experiment that is drawn anew k times (``grid.replicates``) gives, of each round r of replicate
i, a number for each transfer seed. The model is that of a two-way classification with mixed
effects,

    y[i, r, s] = mean[r] + replicate[i] + ticket[i, r] + seed[i, r, s]

mean[r] is fixed: what sparsity does on average. ``replicate`` (pre-training, search and data
subset) moves all networks of a replicate together, the dense one among them; ``ticket`` moves one
network of it, so it is the luck of that ticket; ``seed`` is the transfer. Components are the
analysis-of-variance estimators: mean squares set equal to their expectations (Searle, Casella and
McCulloch, Variance Components, Wiley 1992, sections 4.3 and 4.7; with negative estimates set to 0,
section 4.4). The layout has to be balanced.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from dwlt.verdict.outcomes import NUMBERS, Contender, Number

Key = TypeVar("Key", bound=Hashable)

LEAST_REPLICATES = 3
"""Fewer say next to nothing about how replicates vary."""


@dataclass(frozen=True, slots=True)
class Components:
    """Variance components of one number, in squared points.

    Attributes:
        number: which.
        replicate, ticket, seed: the components; ``ticket`` and ``seed`` are None where there is
            one network, or one seed, so that they cannot be told apart from what is above them.
        replicates, networks, seeds: the layout that they were estimated from.
    """

    number: Number
    replicate: float
    ticket: float | None
    seed: float | None
    replicates: int
    networks: int
    seeds: int

    @property
    def shares(self) -> tuple[float, float | None, float | None]:
        """Replicate, ticket and seed as shares of their sum; all 0 where nothing varies."""
        parts = (self.replicate, self.ticket, self.seed)
        total = sum(part or 0.0 for part in parts)
        first, second, third = (
            None if part is None else part / total if total else 0.0 for part in parts
        )
        return first or 0.0, second, third


def components(replicates: Sequence[Mapping[int, Contender]]) -> tuple[Components, ...]:
    """The variance components of every number that all replicates have.

    Args:
        replicates: of each its networks by round, 0 the dense one. Rounds that one of them lacks
            are left out; of seeds, which have other values in each replicate, as many are taken as
            every network has, in ascending order.

    Returns:
        In the order of the numbers; nothing with fewer than ``LEAST_REPLICATES``.
    """
    if len(replicates) < LEAST_REPLICATES:
        return ()
    rounds = sorted(set.intersection(*(set(one) for one in replicates)))
    found = []
    for number in NUMBERS:
        shared = [r for r in rounds if all(number in one[r].numbers for one in replicates)]
        if shared:
            found.append(_estimate(number, _table(replicates, shared, number)))
    return tuple(found)


def of_combinations(
    replicates: Iterable[tuple[Key, Mapping[int, Contender]]],
) -> tuple[tuple[Key, tuple[Components, ...]], ...]:
    """The components of each combination of settings, from its replicates.

    Args:
        replicates: what is the same in all replicates of a combination, and the networks of one.

    Returns:
        In the order in which the combinations were met first, without those that have too few
        replicates, or no number that all of them have.
    """
    found: defaultdict[Key, list[Mapping[int, Contender]]] = defaultdict(list)
    for key, networks in replicates:
        found[key].append(networks)
    parts = ((key, components(alike)) for key, alike in found.items())
    return tuple((key, one) for key, one in parts if one)


def _table(
    replicates: Sequence[Mapping[int, Contender]], rounds: Iterable[int], number: Number
) -> NDArray[np.float64]:
    """(replicates, networks, seeds) in points."""
    measured = [[one[round_].numbers[number] for round_ in rounds] for one in replicates]
    seeds = min(len(cell.seeds) for row in measured for cell in row)
    return np.array(
        [
            [[100 * count / cell.n for count in cell.correct[:seeds]] for cell in row]
            for row in measured
        ]
    )


def _estimate(number: Number, y: NDArray[np.float64]) -> Components:
    k, a, n = y.shape
    of_cell = y.mean(axis=2)
    of_replicate = of_cell.mean(axis=1, keepdims=True)
    of_round = of_cell.mean(axis=0, keepdims=True)
    between = float(a * n * ((of_replicate - y.mean()) ** 2).sum() / (k - 1))
    seed = None
    if n > 1:
        seed = float(((y - of_cell[:, :, None]) ** 2).sum() / (k * a * (n - 1)))
    if a == 1:
        # The one network's luck is part of its replicate's.
        replicate = (between - (seed or 0.0)) / n
        return Components(number, max(0.0, replicate), None, seed, k, a, n)
    rest = of_cell - of_replicate - of_round + y.mean()
    mixed = float(n * (rest**2).sum() / ((k - 1) * (a - 1)))
    # With one seed, the transfer's luck is part of the ticket's.
    ticket = (mixed - (seed or 0.0)) / n
    replicate = (between - mixed) / (a * n)
    return Components(number, max(0.0, replicate), max(0.0, ticket), seed, k, a, n)


HEAD = ("number", "replicate", "ticket", "transfer seed", "replicates", "networks", "seeds")


def table(found: Iterable[Components]) -> tuple[tuple[str, ...], ...]:
    """Rows for ``HEAD``: standard deviations in points, each with its share of the variance."""
    rows = []
    for one in found:
        parts = zip((one.replicate, one.ticket, one.seed), one.shares, strict=True)
        cells = ["-" if v is None or s is None else f"{v**0.5:.2f} ({s:.0%})" for v, s in parts]
        layout = (str(one.replicates), str(one.networks), str(one.seeds))
        rows.append((one.number.title, *cells, *layout))
    return tuple(rows)
