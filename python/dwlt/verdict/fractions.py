"""Data efficiency: the four numbers and the extreme sparsity by share of the training data.

Only where a pre-training's tickets were transferred with two or more fractions of one task. The
fractions' subsets are nested, and the test images are the same.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dwlt.results import RunRef
from dwlt.results.names import pretrain_names, rewind_text
from dwlt.units import sparsity_text
from dwlt.verdict.groups import Group
from dwlt.verdict.judge import TicketVerdict
from dwlt.verdict.outcomes import Measured, Number
from dwlt.verdict.together import GroupJudged

PLACES = (0.8**6, 0.8**10)
"""Densities of the tickets that are drawn: of the sparsities that the paper names, 73.79% and
89.26%, which are six and ten rounds of 20%."""


@dataclass(frozen=True, slots=True)
class Point:
    """One network at one fraction; ``ticket`` is None for the dense network."""

    fraction: float
    numbers: Mapping[Number, Measured]
    ticket: TicketVerdict | None

    @property
    def state(self) -> str:
        """The verdict in a word."""
        return "dense" if self.ticket is None else self.ticket.verdict.value

    @property
    def seeds(self) -> int:
        """The fewest seeds behind one of the numbers."""
        return min((len(found.seeds) for found in self.numbers.values()), default=0)


@dataclass(frozen=True, slots=True)
class Series:
    """One network over rising fractions."""

    round: int
    kept: int
    total: int
    points: tuple[Point, ...]

    @property
    def name(self) -> str:
        """ "dense", or the sparsity."""
        return sparsity_text(self.kept, self.total) if self.round else "dense"


@dataclass(frozen=True, slots=True)
class FractionCurve:
    """One pre-training: its groups by rising fraction, its dense network and chosen tickets."""

    pretrain: RunRef
    name: str
    groups: tuple[GroupJudged, ...]
    series: tuple[Series, ...]


@dataclass(frozen=True, slots=True)
class EfficiencyTable:
    """All pre-trainings on one task, each with the tickets of one search."""

    title: str
    task: str
    attack: str | None
    fractions: tuple[float, ...]
    curves: tuple[FractionCurve, ...]


def efficiency_tables(groups: Sequence[GroupJudged]) -> tuple[EfficiencyTable, ...]:
    """One table per task where two or more fractions were transferred.

    Where a pre-training has several searches there is one per way of searching.
    """
    found: defaultdict[tuple[object, ...], list[GroupJudged]] = defaultdict(list)
    for verdict in groups:
        if not verdict.group.prune.control:
            found[_place(verdict.group)].append(verdict)
    tables = [table for alike in found.values() for table in _tables(alike)]
    return tuple(sorted(tables, key=lambda table: table.title))


def _place(group: Group) -> tuple[object, ...]:
    way = group.way
    # Not the data's digest: another share of the training images has another.
    return (group.task.name, way.classes, way.sa_n, way.ra_n, way.attack_spec)


def _tables(groups: Sequence[GroupJudged]) -> Iterator[EfficiencyTable]:
    """The tables of one task, measured in one way."""
    by_search: defaultdict[tuple[str, str], list[GroupJudged]] = defaultdict(list)
    for verdict in groups:
        by_search[(verdict.group.pretrain.id, verdict.group.prune.id)].append(verdict)
    several = [
        sorted(alike, key=lambda v: v.group.fraction)
        for alike in by_search.values()
        if len({v.group.fraction for v in alike}) > 1
    ]
    task = groups[0].group.task.name
    if len({alike[0].group.pretrain.id for alike in several}) == len(several):
        if several:
            yield _table(several, task)
        return
    by_way: defaultdict[str, list[list[GroupJudged]]] = defaultdict(list)
    for alike in several:
        by_way[_way(alike[0].group)].append(alike)
    for way in sorted(by_way):
        yield _table(by_way[way], f"{task}: tickets of the {way}")


def _way(group: Group) -> str:
    search = group.prune
    where = f" on {search.task}" if search.task == group.task.name else ""
    rewound = rewind_text(search.rewind)
    return f"{search.regime} search{where}{', ' if rewound else ''}{rewound}"


def _table(several: Sequence[Sequence[GroupJudged]], title: str) -> EfficiencyTable:
    names = pretrain_names(alike[0].group.pretrain for alike in several)
    curves = sorted((_curve(alike, names) for alike in several), key=_curve_order)
    group = several[0][0].group
    return EfficiencyTable(
        title=title,
        task=group.task.name,
        attack=group.attack,
        fractions=tuple(sorted({v.group.fraction for alike in several for v in alike})),
        curves=tuple(curves),
    )


def _curve_order(curve: FractionCurve) -> tuple[tuple[int, str], str]:
    return curve.pretrain.rank, curve.name


def _curve(groups: Sequence[GroupJudged], names: Mapping[str, str]) -> FractionCurve:
    pretrain = groups[0].group.pretrain
    counts: defaultdict[tuple[int, int, int], int] = defaultdict(int)
    for verdict in groups:
        for ticket in verdict.tickets:
            counts[_net(ticket)] += 1
    shared = [net for net, count in counts.items() if count > 1]
    series = [_dense(groups), *(_tickets(groups, net) for net in choose(shared))]
    drawn = tuple(one for one in series if one is not None)
    return FractionCurve(pretrain, names[pretrain.id], tuple(groups), drawn)


def choose(networks: Iterable[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Of (round, kept, total), those nearest to PLACES on the scale of rounds; each once."""
    known = sorted(networks)
    chosen = {
        min(known, key=lambda net: abs(math.log(max(net[1], 0.5) / net[2]) - math.log(place)))
        for place in PLACES
        if known
    }
    return sorted(chosen)


def _dense(groups: Sequence[GroupJudged]) -> Series | None:
    points = [
        Point(v.group.fraction, v.dense_numbers(), None)
        for v in groups
        if v.group.dense is not None
    ]
    if not points:
        return None
    total = next(v.group.dense.total for v in groups if v.group.dense is not None)
    return Series(0, total, total, tuple(points))


def _tickets(groups: Sequence[GroupJudged], net: tuple[int, int, int]) -> Series:
    points = [
        Point(verdict.group.fraction, ticket.ticket.numbers, ticket)
        for verdict in groups
        for ticket in verdict.tickets
        if _net(ticket) == net
    ]
    return Series(*net, tuple(points))


def _net(ticket: TicketVerdict) -> tuple[int, int, int]:
    return ticket.ticket.round, ticket.ticket.kept, ticket.ticket.total
