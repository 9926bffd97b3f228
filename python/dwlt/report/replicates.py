"""Where luck comes from: variance components of experiments that were drawn anew.

Replicates of one combination are told by their settings: groups whose pre-training, search and
transfers differ in nothing but seeds. Those that share a transfer are not independent draws, and
say nothing.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dwlt.report.names import search_titles
from dwlt.report.table import Column, Entry, Row, Table, Value
from dwlt.report.verdicts import GroupVerdict
from dwlt.results import ReportData
from dwlt.verdict.contenders import contender
from dwlt.verdict.groups import Group
from dwlt.verdict.outcomes import Contender
from dwlt.verdict.variance import HEAD, Components, of_combinations, table

SEEDS = ("seed", "subset_seed")
"""Settings that replicates differ in, wherever they stand."""

_KEYS = ("number", "replicate", "ticket", "seed", "replicates", "networks", "seeds")
_PARTS = ("variance", "share")

COLUMNS = (
    Column("combination", "Combination", left=True, first=True, look="wrap"),
    Column("number", HEAD[0].capitalize(), left=True),
    *(Column(_KEYS[at], HEAD[at].capitalize(), parts=_PARTS) for at in range(1, 4)),
    *(Column(_KEYS[at], HEAD[at].capitalize(), drop=1) for at in range(4, 7)),
)

Combinations = tuple[tuple[str, tuple[Components, ...]], ...]


def replicate_variance(groups: Iterable[GroupVerdict], data: ReportData) -> Combinations:
    """Label and variance components of every combination with three replicates or more."""
    known = _Settings(data)
    alike: defaultdict[str, list[GroupVerdict]] = defaultdict(list)
    for verdict in groups:
        if not verdict.group.prune.control and verdict.group.dense is not None:
            alike[known.key(verdict.group)].append(verdict)
    found = of_combinations(_networks(alike))
    firsts = {key: alike[key][0].group for key, _ in found}
    titles = dict(zip(firsts, search_titles(list(firsts.values())), strict=True))
    return tuple((titles[key], parts) for key, parts in found)


def _networks(
    alike: Mapping[str, list[GroupVerdict]],
) -> Iterator[tuple[str, dict[int, Contender]]]:
    for key, verdicts in alike.items():
        runs = [cell.folder for verdict in verdicts for cell in verdict.group.cells]
        if len(set(runs)) < len(runs):
            continue
        for verdict in verdicts:
            strict = verdict.judged.settings.strict
            networks = verdict.group.networks
            yield key, {net.round: contender(net, strict=strict) for net in networks}


class _Settings:
    """What says whether two groups are replicates of each other."""

    def __init__(self, data: ReportData) -> None:
        self._pretrain = {run.id: _without_seeds(run.spec) for run in data.pretrain}
        self._prune = {step.run.id: _without_seeds(step.run.spec) for step in data.prune}

    def key(self, group: Group) -> str:
        """Equal for groups whose settings differ in seeds alone.

        A pre-training whose settings are not at hand is equal to itself alone.
        """
        search, way = group.prune, group.way
        recipes = {
            regime: _without_seeds(json.loads(text)) for regime, text in group.recipes.items()
        }
        settings = [
            self._pretrain.get(group.pretrain.id, group.pretrain.id),
            group.pretrain.regime,
            self._prune.get(search.id, search.id),
            [search.method, search.regime, search.rewind, search.task],
            [group.task.name, group.fraction, way.classes, way.sa_n, way.ra_n, way.attack_spec],
            recipes,
        ]
        return json.dumps(settings, sort_keys=True)


def _without_seeds(value: Any, *, top: bool = True) -> Any:
    """Settings without seeds, and without the name that a run was given."""
    if isinstance(value, Mapping):
        apart = (*SEEDS, "name") if top else SEEDS
        return {k: _without_seeds(v, top=False) for k, v in value.items() if k not in apart}
    if isinstance(value, (list, tuple)):
        return [_without_seeds(one, top=False) for one in value]
    return value


def variance_table(found: Combinations) -> Table:
    """A row for each number of each combination; no rows where there are too few replicates."""
    rows = []
    for label, parts in found:
        for one, texts in zip(parts, table(parts), strict=True):
            cells: dict[str, Value] = dict(zip(_KEYS, texts, strict=True))
            shares = (one.replicate, one.ticket, one.seed)
            for key, variance, part in zip(_KEYS[1:4], shares, one.shares, strict=True):
                value = {"variance": variance, "share": part}
                cells[key] = Entry(cells[key], value)
            cells |= {"replicates": one.replicates, "networks": one.networks, "seeds": one.seeds}
            cells |= {"combination": label, "number": Entry(one.number.title, one.number.key)}
            rows.append(Row(cells))
    caption = (
        "Standard deviations in points, with their share of the variance. Replicate: "
        "pre-training, search and data subset, which move all networks of a replicate together. "
        "Ticket: the luck of a single network. Transfer seed: what a repeated transfer differs by."
    )
    return Table("variance", "Where luck comes from", COLUMNS, tuple(rows), caption)
