"""Sort transfer results into groups whose numbers may be compared with each other.

A group is one pre-training run, one prune run (method and regime), one downstream task, one
data fraction, measured in one way (test images and attack). Inside a group, each transfer
regime has one training recipe, each round one mask, and each (network, regime, seed) one run.
What does not fit is shown apart or left out, and named: nothing is mixed silently.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from dwlt.report.records import Layer, Notice, RunRef, TaskInfo, TransferResult

REGIMES = ("standard", "adversarial")
"""The two transfer regimes of the verdict, in the order of the columns."""

Key = TypeVar("Key")
Cells = Mapping[str, tuple[TransferResult, ...]]


@dataclass(frozen=True, slots=True)
class Network:
    """The dense network or one ticket, with its transfers per regime in the order of seeds."""

    round: int
    kept: int
    total: int
    layers: tuple[Layer, ...]
    cells: Cells

    def seeds(self, regime: str) -> tuple[int, ...]:
        """The seeds transferred under a regime, ascending."""
        return tuple(cell.seed for cell in self.cells[regime])


@dataclass(frozen=True, slots=True)
class Group:
    """What one verdict is about. ``dense`` is None when round 0 was never transferred."""

    pretrain: RunRef
    prune: RunRef
    task: TaskInfo
    fraction: float
    attack: str | None
    attack_spec: Mapping[str, object]
    dense: Network | None
    tickets: tuple[Network, ...]

    @property
    def label(self) -> str:
        """One line that names the group for a reader."""
        return (
            f"{self.pretrain.regime} pre-training ({self.pretrain.name}-{self.pretrain.id}), "
            f"{self.prune.method}/{self.prune.regime} pruning "
            f"({self.prune.name}-{self.prune.id}), {self.task.name}"
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
        found = {tuple(sorted(cell.run.environment.items())) for cell in self.cells}
        return tuple(dict(items) for items in sorted(found))


@dataclass(frozen=True, slots=True)
class _Measure:
    """How a cell was measured; cells that differ in any of it are never averaged together."""

    classes: tuple[str, ...]
    fingerprint: str
    sa_n: int
    ra_n: int | None
    attack: str | None
    attack_spec: str

    @property
    def text(self) -> str:
        return f"{self.attack or 'no attack'}, n = {self.sa_n}, data {self.fingerprint[:16]}"


def share(fraction: float) -> str:
    """A data fraction as percent, without trailing zeros: 0.1 -> "10%"."""
    return f"{100 * fraction:.6g}%"


def form_groups(cells: Iterable[TransferResult]) -> tuple[tuple[Group, ...], tuple[Notice, ...]]:
    """Sort transfers into groups.

    Returns:
        The groups by pre-training run, prune run, task and falling fraction; and a notice for
        everything that was kept apart or left out, naming the runs.
    """
    notices: list[Notice] = []
    scopes: defaultdict[tuple[str, str, float], list[TransferResult]] = defaultdict(list)
    for cell in cells:
        if cell.regime in REGIMES:
            scopes[(cell.pretrain.id, cell.run.task.name, cell.fraction)].append(cell)
        else:
            notices.append(
                Notice(
                    cell.run.label,
                    "other-regime",
                    f"{cell.regime} transfer, which no verdict is about: left out",
                )
            )
    groups: list[Group] = []
    for scope in sorted(scopes):
        groups += _scope(scopes[scope], notices)
    groups.sort(
        key=lambda g: (
            g.pretrain.regime,
            g.pretrain.name,
            g.pretrain.id,
            # The method that this is about comes before its controls.
            g.prune.method != "imp",
            g.prune.method,
            g.prune.name,
            g.prune.id,
            g.task.name,
            -g.fraction,
            g.attack or "",
        )
    )
    return tuple(groups), tuple(sorted(set(notices)))


def _scope(cells: Sequence[TransferResult], notices: list[Notice]) -> list[Group]:
    """The groups of one pre-training run, task and fraction."""
    ways = _by(cells, _measures(cells))
    if len(ways) > 1:
        first = cells[0]
        listed = "; ".join(f"{way.text}: {_names(ways[way])}" for way in sorted(ways, key=_order))
        notices.append(
            Notice(
                f"{first.pretrain.name}-{first.pretrain.id} on {first.run.task.name}",
                "split-measure",
                f"measured in {len(ways)} ways that cannot be compared, shown apart ({listed})",
            )
        )
    return [group for way in sorted(ways, key=_order) for group in _way(way, ways[way], notices)]


def _way(way: _Measure, cells: Sequence[TransferResult], notices: list[Notice]) -> list[Group]:
    """The groups of one pre-training run, task and fraction that were measured alike."""
    dense = [cell for cell in cells if cell.round == 0]
    found = _by(
        [cell for cell in cells if cell.round > 0],
        lambda cell: (cell.prune.id, cell.weights),
    )
    groups = [
        _group(way, tickets, _dense_for(prune_id, weights, dense), notices)
        for (prune_id, weights), tickets in sorted(found.items())
    ]
    if not found:
        for _, alone in sorted(_by(dense, lambda cell: cell.weights).items()):
            groups.append(_group(way, [], alone, notices))
    return groups


def _dense_for(
    prune_id: str, weights: str, dense: Sequence[TransferResult]
) -> list[TransferResult]:
    """The round-0 transfers that a ticket is held against.

    Those of the ticket's own weights, whichever prune run made them. A ticket on other weights
    (a re-initialised or late-rewound control) is held against the dense network of its prune
    run, or else of its pre-training run when that is only one network.
    """
    own = [cell for cell in dense if cell.weights == weights]
    same_run = [cell for cell in dense if cell.prune.id == prune_id]
    rest = list(dense) if len({cell.weights for cell in dense}) == 1 else []
    return own or same_run or rest


def _group(
    way: _Measure,
    tickets: Sequence[TransferResult],
    dense: Sequence[TransferResult],
    notices: list[Notice],
) -> Group:
    first = (tickets or dense)[0]
    kept: list[TransferResult] = []
    for regime in REGIMES:
        here = [cell for cell in (*dense, *tickets) if cell.regime == regime]
        kept += _settle(here, _recipe, f"{regime} transfer with other training settings", notices)
    networks = []
    for _, cells in sorted(_by(kept, lambda cell: cell.round).items()):
        alike = _settle(cells, lambda cell: cell.mask, "another mask for the same round", notices)
        networks.append(_network(alike, notices))
    return Group(
        pretrain=first.pretrain,
        prune=first.prune,
        task=first.run.task,
        fraction=first.fraction,
        attack=way.attack,
        attack_spec=json.loads(way.attack_spec),
        dense=next((net for net in networks if net.round == 0), None),
        tickets=tuple(net for net in networks if net.round > 0),
    )


def _network(cells: Sequence[TransferResult], notices: list[Notice]) -> Network:
    by_regime: dict[str, tuple[TransferResult, ...]] = {}
    for regime in REGIMES:
        here = _by([c for c in cells if c.regime == regime], lambda cell: cell.seed)
        by_regime[regime] = tuple(_newest(here[seed], notices) for seed in sorted(here))
    first = cells[0]
    return Network(first.round, first.kept, first.total, first.layers, by_regime)


def _newest(cells: Sequence[TransferResult], notices: list[Notice]) -> TransferResult:
    """One run per seed: the latest, with a notice when the others say something else."""
    ordered = sorted(cells, key=lambda cell: (cell.run.finished, cell.run.id))
    chosen = ordered[-1]
    text = f"the same transfer as {chosen.run.label}, with another result: left out"
    notices += [
        Notice(cell.run.label, "repeated-cell", text)
        for cell in ordered[:-1]
        if (cell.best_sa.test, cell.best_ra) != (chosen.best_sa.test, chosen.best_ra)
    ]
    return chosen


def _settle(
    cells: Sequence[TransferResult],
    key: Callable[[TransferResult], str],
    what: str,
    notices: list[Notice],
) -> list[TransferResult]:
    """Keep the cells that agree on ``key``: the most, or of equally many the latest."""
    alike = _by(cells, key)
    if len(alike) < 2:
        return list(cells)
    best = max(alike, key=lambda k: (len(alike[k]), max(c.run.finished for c in alike[k]), k))
    text = f"{what} than {_names(alike[best])}: left out"
    notices += [
        Notice(_names(alike[other]), "mixed-settings", text)
        for other in sorted(alike)
        if other != best
    ]
    return alike[best]


def _measures(cells: Sequence[TransferResult]) -> Callable[[TransferResult], _Measure]:
    """How each cell was measured; one without RA joins the only way there is with RA."""
    own = {id(cell): _measure(cell) for cell in cells}

    def joined(cell: TransferResult) -> _Measure:
        mine = own[id(cell)]
        if mine.attack is not None:
            return mine
        hosts = {
            way
            for way in own.values()
            if way.attack is not None
            and replace(way, attack=None, attack_spec=mine.attack_spec, ra_n=None) == mine
        }
        return hosts.pop() if len(hosts) == 1 else mine

    return joined


def _measure(cell: TransferResult) -> _Measure:
    score = cell.run.spec.get("score")
    attack = score.get("attack") if isinstance(score, dict) else None
    attack = attack if isinstance(attack, dict) and cell.attack is not None else {}
    ra = cell.accuracy("ra")
    sa = cell.best_sa.test.sa
    task = cell.run.task
    return _Measure(
        classes=task.classes,
        fingerprint=task.fingerprint,
        sa_n=sa.n,
        ra_n=None if ra is None else ra.n,
        attack=cell.attack,
        attack_spec=_canonical(attack),
    )


def _recipe(cell: TransferResult) -> str:
    """All settings but those that may differ inside a group, or that _Measure is about."""
    apart = ("name", "seed", "round", "score")
    return _canonical({k: v for k, v in cell.run.spec.items() if k not in apart})


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def _order(way: _Measure) -> tuple[str, str, int, str]:
    return (way.attack or "", way.fingerprint, way.sa_n, way.attack_spec)


def _names(cells: Iterable[TransferResult]) -> str:
    return ", ".join(sorted({cell.run.label for cell in cells}))


def _by(
    cells: Iterable[TransferResult], key: Callable[[TransferResult], Key]
) -> dict[Key, list[TransferResult]]:
    found: defaultdict[Key, list[TransferResult]] = defaultdict(list)
    for cell in cells:
        found[key(cell)].append(cell)
    return dict(found)
