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

from dwlt.results import ReportData
from dwlt.verdict.contenders import contender
from dwlt.verdict.groups import Group
from dwlt.verdict.outcomes import Contender
from dwlt.verdict.together import GroupJudged
from dwlt.verdict.variance import Components, of_combinations

SEEDS = ("seed", "subset_seed")
"""Settings that replicates differ in, wherever they stand."""

Replicated = tuple[tuple[Group, tuple[Components, ...]], ...]
"""A group of each combination, and the combination's variance components."""


def replicate_variance(groups: Iterable[GroupJudged], data: ReportData) -> Replicated:
    """First group and variance components of every combination with three replicates or more."""
    known = _Settings(data)
    alike: defaultdict[str, list[GroupJudged]] = defaultdict(list)
    for verdict in groups:
        if not verdict.group.prune.control and verdict.group.dense is not None:
            alike[known.key(verdict.group)].append(verdict)
    found = of_combinations(_networks(alike))
    return tuple((alike[key][0].group, parts) for key, parts in found)


def _networks(
    alike: Mapping[str, list[GroupJudged]],
) -> Iterator[tuple[str, dict[int, Contender]]]:
    for key, verdicts in alike.items():
        runs = [cell.folder for verdict in verdicts for cell in verdict.group.cells]
        if len(set(runs)) < len(runs):
            continue
        for verdict in verdicts:
            strict = verdict.settings.strict
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
            [search.how, search.regime, search.rewind, search.task],
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
