"""Flags that only the report can raise, because they are about several runs together."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from dwlt.report.strength import strength_flags
from dwlt.results import (
    Layer,
    Notice,
    ReportData,
    RunResult,
    Score,
    TransferResult,
    notice,
    sparsity,
)
from dwlt.results.flags import texts
from dwlt.verdict.groups import REGIMES, Group, Network
from dwlt.verdict.stats import level

FEW_SEEDS = 3
"""Below this many seeds a spread says little (and with one there is none)."""


def report_flags(data: ReportData, groups: Iterable[Group]) -> Iterator[Notice]:
    """Few seeds, a dense network at the floor, RA above SA, a weak attack that fools more than a
    strong one, and collapsed layers, each with the run or group it is about."""
    floors: set[tuple[str, ...]] = set()
    for group in groups:
        yield from _few_seeds(group)
        # Every search from the same weights shares their dense network, and one word is enough.
        dense = () if group.dense is None else tuple(cell.run.id for cell in _cells(group.dense))
        if dense not in floors:
            yield from _at_the_floor(group)
        floors.add(dense)
    for run, score, what in _scores(data):
        if score.ra is not None and score.ra.value > score.sa.value:
            yield notice(run.label, "ra-above-sa", what=what, ra=score.ra.value, sa=score.sa.value)
    yield from strength_flags(data)
    for result in data.prune:
        where = result.run.label
        yield from _collapsed(where, result.round, result.kept, result.total, result.layers)
    pruned = {(result.run.id, result.round) for result in data.prune}
    for cell in data.transfer:
        if (cell.prune.id, cell.round) not in pruned:
            where = f"{cell.prune.name}-{cell.prune.id}"
            yield from _collapsed(where, cell.round, cell.kept, cell.total, cell.layers)


def _cells(network: Network) -> Iterator[TransferResult]:
    for regime in REGIMES:
        yield from network.cells[regime]


def _few_seeds(group: Group) -> Iterator[Notice]:
    few = {
        net.round: count
        for net in group.networks
        if 0 < (count := min(len(net.seeds(r)) for r in REGIMES if net.cells[r])) < FEW_SEEDS
    }
    if few:
        yield notice(
            group.label,
            "few-seeds",
            rounds=texts(tuple(few)),
            fewest=min(few.values()),
            wanted=FEW_SEEDS,
        )


def _at_the_floor(group: Group) -> Iterator[Notice]:
    """Dense numbers so low that matching them says nothing."""
    if group.dense is None:
        return
    guess = 1 / len(group.task.classes)
    for regime in REGIMES:
        for kind, floor in (("sa", guess), ("ra", 0.0)):
            found = level([cell.accuracy(kind) for cell in group.dense.cells[regime]])
            if found is None:
                continue
            # The error of guessing itself; an RA of 0 has none, so there the measured share's.
            share = floor or found.mean
            error = math.sqrt(share * (1 - share) / found.n)
            if found.mean <= floor + 3 * error:
                yield notice(
                    group.label,
                    "dense-at-floor",
                    number=kind.upper(),
                    regime=regime,
                    mean=found.mean,
                    floor="guessing" if kind == "sa" else "0",
                )


def _scores(data: ReportData) -> Iterator[tuple[RunResult, Score, str]]:
    for result in data.pretrain:
        yield result.run, result.validation, "validation"
        yield result.run, result.test, "test"
    for step in data.prune:
        if step.validation is not None:
            yield step.run, step.validation, f"round {step.round}, validation"
    for cell in data.transfer:
        yield cell.run, cell.best_sa.test, "best-SA checkpoint, test"
        if cell.best_ra is not None:
            yield cell.run, cell.best_ra.test, "best-RA checkpoint, test"
    for evaluation in data.evaluate:
        yield evaluation.run, evaluation.test, "test"


def _collapsed(
    where: str, number: int, kept: int, total: int, layers: Iterable[Layer]
) -> Iterator[Notice]:
    names = [layer.name for layer in layers if layer.total and not layer.kept]
    if names:
        yield notice(
            where,
            "collapsed-layer",
            round=number,
            sparsity=sparsity(kept, total),
            layers=texts(names),
        )
