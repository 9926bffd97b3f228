"""The headline: the extreme sparsity of every pre-training (rows) on every task (columns)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from dwlt.report.content import Report
from dwlt.report.names import pretrain_names, rewind_text, search_names
from dwlt.results import sparsity
from dwlt.verdict.groups import REGIMES, Group, regime_order, share
from dwlt.verdict.rule import GroupVerdict, Judged, Verdict


@dataclass(frozen=True, slots=True)
class Column:
    """A downstream task; what follows its name is there only where columns differ in it."""

    task: str
    details: tuple[str, ...]

    @property
    def title(self) -> str:
        """One line: "cifar10, 10% of data"."""
        return ", ".join([self.task, *self.details])


@dataclass(frozen=True, slots=True)
class Row:
    """One search of one pre-training; a cell is None where nothing was transferred."""

    pretrain: str
    search: str
    cells: tuple[GroupVerdict | None, ...]


@dataclass(frozen=True, slots=True)
class Headline:
    """The table. ``shared`` is what holds for every cell, for the caption.

    ``several`` says whether some pre-training has more than one search, so that rows need it.
    """

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    several: bool
    shared: tuple[str, ...]


def headline(report: Report) -> Headline:
    """Arrange the groups of iterative searches; controls have a table of their own."""
    groups = [verdict for verdict in report.groups if not verdict.group.prune.control]
    keys = sorted({_key(verdict.group) for verdict in groups}, key=_key_order)
    pretrains = pretrain_names(verdict.group.pretrain for verdict in groups)
    searches = search_names(verdict.group.prune for verdict in groups)
    found = {(v.group.pretrain.id, v.group.prune.id, _key(v.group)): v for v in groups}
    lines = sorted(
        {(v.group.pretrain.id, v.group.prune.id): v.group for v in groups}.items(),
        key=lambda item: _row_order(item[1]),
    )
    rows = tuple(
        Row(
            pretrains[pretrain],
            searches[prune],
            tuple(found.get((pretrain, prune, key)) for key in keys),
        )
        for (pretrain, prune), _ in lines
    )
    several = len({pretrain for (pretrain, _), _ in lines}) < len(lines)
    return Headline(_columns(groups, keys), rows, several, shared_facts(groups))


@dataclass(frozen=True, slots=True)
class _Key:
    """What the groups of one column share."""

    task: str
    fraction: float
    attack: str = field(compare=False)
    attack_spec: str
    n: int


def _key(group: Group) -> _Key:
    way = group.way
    return _Key(group.task.name, group.fraction, way.attack or "", way.attack_spec, way.sa_n)


def _key_order(key: _Key) -> tuple[str, str, str, int, float]:
    return (key.task, key.attack, key.attack_spec, key.n, -key.fraction)


def _row_order(group: Group) -> tuple[object, ...]:
    search = group.prune
    return (
        regime_order(group.pretrain.regime),
        group.pretrain.label,
        regime_order(search.regime),
        rewind_text(search.rewind),
        search.label,
    )


def _columns(groups: Sequence[GroupVerdict], keys: Sequence[_Key]) -> tuple[Column, ...]:
    attacks = len({key.attack_spec for key in keys}) > 1
    counts = len({(key.task, key.n) for key in keys}) > len({key.task for key in keys})
    columns = []
    for key in keys:
        details = []
        if key.fraction < 1:
            details.append(f"{share(key.fraction)} of data")
        if attacks:
            details.append(key.attack or "RA not measured")
        if counts:
            details.append(f"n = {key.n:,}")
        columns.append(Column(key.task, tuple(details)))
    return tuple(columns)


def shared_facts(groups: Sequence[GroupVerdict]) -> tuple[str, ...]:
    """Attack, number of test images and number of seeds, each where all groups agree on it."""
    facts = []
    attacks = {verdict.group.attack for verdict in groups}
    if len(attacks) == 1 and (attack := attacks.pop()):
        facts.append(f"RA: {attack}")
    if len(counts := {verdict.group.way.sa_n for verdict in groups}) == 1:
        facts.append(f"n = {counts.pop():,} test images")
    if len(seeds := {seeds_of(verdict) for verdict in groups}) == 1:
        facts.append(seeds_text(seeds.pop()))
    return tuple(facts)


def seeds_of(verdict: GroupVerdict) -> int:
    """How many seeds a cell of the headline stands on: the fewest of its networks' transfers."""
    ticket = verdict.extreme
    networks = verdict.group.networks if ticket is None else (ticket.network,)
    counts = [len(net.seeds(regime)) for net in networks for regime in REGIMES]
    return min((count for count in counts if count), default=0)


def seeds_text(seeds: int) -> str:
    """ "1 seed", "3 seeds"."""
    return f"{seeds} seed{'' if seeds == 1 else 's'}"


def extreme_text(judged: Judged) -> str:
    """An extreme sparsity, or why there is none."""
    if judged.extreme is not None:
        network = judged.extreme.network
        return sparsity(network.kept, network.total)
    return "none" if judged.tickets else "no ticket yet"


def undecided_beyond(judged: Judged) -> str | None:
    """The sparsity of the sparsest undecided ticket beyond the extreme one, where there is one."""
    extreme = judged.extreme
    least = None if extreme is None else extreme.network.kept
    beyond = [
        ticket.network
        for ticket in judged.tickets
        if ticket.verdict is Verdict.UNDECIDED and (least is None or ticket.network.kept < least)
    ]
    if not beyond:
        return None
    network = min(beyond, key=lambda net: net.kept)
    return sparsity(network.kept, network.total)
