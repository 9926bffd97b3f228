"""Sort transfer results into groups whose numbers may be compared with each other.

A group is one pre-training run, one prune run (method and regime), one downstream task, one
data fraction, measured in one way (test images and attack). Inside a group, each transfer
regime has one training recipe, each round one mask, and each (network, regime, seed) one run.
What does not fit is shown apart or left out, and named: nothing is mixed silently.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dwlt.results import (
    Layer,
    Notice,
    PruneRound,
    RunRef,
    SearchRef,
    TaskInfo,
    TransferResult,
    notice,
)
from dwlt.units import share as share  # offered here to the report
from dwlt.verdict.comparable import (
    Measure,
    by,
    keep_most_common,
    measures,
    names,
    newest,
    order,
    recipe,
)

REGIMES = ("standard", "adversarial")
"""The two transfer regimes of the verdict, in the order of the columns."""

Cells = Mapping[str, tuple[TransferResult, ...]]


@dataclass(frozen=True, slots=True)
class Network:
    """The dense network or one ticket, with its transfers per regime in the order of seeds.

    ``total`` counts the prunable weights, ``parameters`` all of the network; None where the results
    do not say.
    """

    round: int
    kept: int
    total: int
    layers: tuple[Layer, ...]
    cells: Cells
    parameters: int | None = None

    @property
    def kept_of_all(self) -> float | None:
        """Share of all parameters that the ticket has, those that are never pruned among them."""
        if self.parameters is None:
            return None
        return (self.parameters - self.total + self.kept) / self.parameters

    def seeds(self, regime: str) -> tuple[int, ...]:
        """The seeds transferred under a regime, ascending."""
        return tuple(cell.seed for cell in self.cells[regime])


@dataclass(frozen=True, slots=True)
class Group:
    """What one verdict is about. ``dense`` is None when round 0 was never transferred.

    ``way`` is how the numbers were measured, ``recipes`` the training settings by transfer regime:
    only groups that agree on both may be compared with each other.
    """

    pretrain: RunRef
    prune: SearchRef
    task: TaskInfo
    fraction: float
    attack: str | None
    attack_spec: Mapping[str, object]
    way: Measure
    recipes: Mapping[str, str]
    dense: Network | None
    tickets: tuple[Network, ...]

    @property
    def label(self) -> str:
        """One line that names the group for a reader."""
        return (
            f"{self.pretrain.regime} pre-training ({self.pretrain.label}), "
            f"{self.prune.how}/{self.prune.regime} pruning "
            f"({self.prune.label}), {self.task.name}"
            + (f", {share(self.fraction)} of the training data" if self.fraction < 1 else "")
        )

    @property
    def networks(self) -> tuple[Network, ...]:
        """The dense network first, where there is one."""
        return self.tickets if self.dense is None else (self.dense, *self.tickets)

    @property
    def cells(self) -> tuple[TransferResult, ...]:
        """Every transfer of the group."""
        return tuple(
            cell for net in self.networks for regime in REGIMES for cell in net.cells[regime]
        )

    @property
    def environments(self) -> tuple[Mapping[str, str], ...]:
        """The distinct environments (versions, machine) of the transfers, in a fixed order."""
        found = {tuple(sorted(cell.run.environment.texts().items())) for cell in self.cells}
        return tuple(dict(items) for items in sorted(found))


def form_groups(
    cells: Iterable[TransferResult], rounds: Iterable[PruneRound] = ()
) -> tuple[tuple[Group, ...], tuple[Notice, ...]]:
    """Sort transfers into groups.

    Args:
        cells: the transfers.
        rounds: results of prune runs, where there are any: they say more than a transfer does
            about how a ticket was found, and which dense network its search began with.

    Returns:
        The groups by pre-training run, prune run, task and falling fraction; and a notice for
        everything that was kept apart or left out, naming the runs.
    """
    notices: list[Notice] = []
    known = _Known(rounds)
    scopes: defaultdict[tuple[str, str, float], list[TransferResult]] = defaultdict(list)
    for cell in known.shared(list(cells)):
        if cell.regime in REGIMES:
            scopes[(cell.pretrain.id, cell.run.task.name, cell.fraction)].append(cell)
        else:
            notices.append(notice(cell.run.label, "other-regime", regime=cell.regime))
    groups: list[Group] = []
    for scope in sorted(scopes):
        groups += _scope(scopes[scope], known, notices)
    groups.sort(
        key=lambda g: (
            g.pretrain.rank,
            g.pretrain.name,
            g.pretrain.id,
            # The method that this is about comes before its controls.
            g.prune.control,
            g.prune.method,
            g.prune.how,
            g.prune.rank,
            g.prune.name,
            g.prune.id,
            g.task.name,
            -g.fraction,
            g.attack or "",
        )
    )
    return tuple(groups), tuple(sorted(set(notices)))


class _Known:
    """What the prune runs themselves say of a search."""

    def __init__(self, rounds: Iterable[PruneRound]) -> None:
        self._searches: dict[str, SearchRef] = {}
        self._origins: dict[str, str] = {}
        self._makers: defaultdict[tuple[str, str], list[SearchRef]] = defaultdict(list)
        for result in rounds:
            if result.round > 0:
                self._makers[(result.weights, result.mask)].append(result.prune)
            self._searches[result.prune.id] = result.prune
            if result.round == 0:
                self._origins[result.prune.id] = result.weights

    def search(self, named: SearchRef) -> SearchRef:
        """A search as its own results describe it, or as a transfer names it."""
        return self._searches.get(named.id, named)

    def shared(self, cells: Sequence[TransferResult]) -> Iterator[TransferResult]:
        """The transfers, and those of a ticket that several searches came to once for each.

        A transfer is named by weights and mask alone: the first round of `oneshot` is that of
        `imp`, and is transferred once. Searches that nothing was transferred from stay out,
        unless they are the tickets' own.
        """
        moved = {cell.prune.id for cell in cells}
        for cell in cells:
            yield cell
            for search in self._makers[(cell.weights, cell.mask)] if cell.round > 0 else ():
                if search.id != cell.prune.id and (search.id in moved or not search.control):
                    yield cell.model_copy(update={"prune": search})

    def dense_for(
        self, tickets: Sequence[TransferResult], dense: Sequence[TransferResult]
    ) -> list[TransferResult]:
        """The round-0 transfers that the tickets of one search are held against.

        Those of the weights that the search began with, whichever prune run made them. Where
        that is not on record: those of the tickets' own weights; or else (re-initialised and
        late-rewound tickets have other weights) of the same search, or of the one that a control
        was made from; or else of the pre-training, when that is only one network.
        """
        search = self.search(tickets[0].prune)
        begun = self._origins.get(search.id)
        own = {cell.weights for cell in tickets}
        made = {search.id} | ({search.of.id} if search.of is not None else set())
        rest = list(dense) if len({cell.weights for cell in dense}) == 1 else []
        return (
            [cell for cell in dense if cell.weights == begun]
            or [cell for cell in dense if cell.weights in own]
            or [cell for cell in dense if cell.prune.id in made]
            or rest
        )


def _scope(cells: Sequence[TransferResult], known: _Known, notices: list[Notice]) -> list[Group]:
    """The groups of one pre-training run, task and fraction."""
    ways = by(cells, measures(cells))
    if len(ways) > 1:
        first = cells[0]
        listed = "; ".join(f"{way.text}: {names(ways[way])}" for way in sorted(ways, key=order))
        notices.append(
            notice(
                f"{first.pretrain.label} on {first.run.task.name}",
                "split-measure",
                ways=len(ways),
                listed=listed,
            )
        )
    return [
        group for way in sorted(ways, key=order) for group in _way(way, ways[way], known, notices)
    ]


def _way(
    way: Measure, cells: Sequence[TransferResult], known: _Known, notices: list[Notice]
) -> list[Group]:
    """The groups of one pre-training run, task and fraction that were measured alike."""
    dense = [cell for cell in cells if cell.round == 0]
    found = by([cell for cell in cells if cell.round > 0], lambda cell: cell.prune.id)
    groups = [
        _group(way, tickets, known.dense_for(tickets, dense), known, notices)
        for _, tickets in sorted(found.items())
    ]
    if not found:
        for _, alone in sorted(by(dense, lambda cell: cell.weights).items()):
            groups.append(_group(way, [], alone, known, notices))
    return groups


def _group(
    way: Measure,
    tickets: Sequence[TransferResult],
    dense: Sequence[TransferResult],
    known: _Known,
    notices: list[Notice],
) -> Group:
    first = (tickets or dense)[0]
    kept: list[TransferResult] = []
    for regime in REGIMES:
        here = [cell for cell in (*dense, *tickets) if cell.regime == regime]
        kept += keep_most_common(
            here, recipe, f"{regime} transfer with other training settings", notices
        )
    networks = []
    for _, cells in sorted(by(kept, lambda cell: cell.round).items()):
        alike = keep_most_common(
            cells,
            lambda cell: f"{cell.mask} {cell.weights}",
            "another ticket of its round",
            notices,
        )
        networks.append(_network(alike, notices))
    return Group(
        pretrain=first.pretrain,
        prune=known.search(first.prune),
        task=first.run.task,
        fraction=first.fraction,
        attack=way.attack,
        attack_spec=json.loads(way.attack_spec),
        way=way,
        recipes={cell.regime: recipe(cell) for cell in kept},
        dense=next((net for net in networks if net.round == 0), None),
        tickets=tuple(net for net in networks if net.round > 0),
    )


def _network(cells: Sequence[TransferResult], notices: list[Notice]) -> Network:
    by_regime: dict[str, tuple[TransferResult, ...]] = {}
    for regime in REGIMES:
        here = by([c for c in cells if c.regime == regime], lambda cell: cell.seed)
        by_regime[regime] = tuple(newest(here[seed], notices) for seed in sorted(here))
    first = cells[0]
    return Network(first.round, first.kept, first.total, first.layers, by_regime, first.parameters)
