"""Flags that only the report can raise, because they are about several runs together.

A weak attack that fools more than a strong one is a sign that the strong one does not work.
Attacks are compared on the same weights, data and number of images, whether an evaluation or a
transfer's own test measured them, and only where their values say which is stronger
(``AttackId.exceeds``). Attacks whose values a file does not tell have no order.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations
from statistics import NormalDist

from dwlt.results import (
    Accuracy,
    AttackId,
    Layer,
    Notice,
    ReportData,
    RunResult,
    Score,
    TransferResult,
    notice,
)
from dwlt.results.flags import texts
from dwlt.units import sparsity_text
from dwlt.verdict.groups import REGIMES, Group, Network

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
            known = [cell.accuracy(kind) for cell in group.dense.cells[regime]]
            found = [accuracy for accuracy in known if accuracy is not None]
            if not found or len(found) < len(known):
                continue
            mean = sum(accuracy.value for accuracy in found) / len(found)
            # The error of guessing itself; an RA of 0 has none, so there the measured share's.
            share = floor or mean
            error = math.sqrt(share * (1 - share) / found[0].n)
            if mean <= floor + 3 * error:
                yield notice(
                    group.label,
                    "dense-at-floor",
                    number=kind.upper(),
                    regime=regime,
                    mean=mean,
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
            sparsity=sparsity_text(kept, total),
            layers=texts(names),
        )


LEVEL = 0.025
"""How often a pair of equally strong attacks is flagged by chance, at most."""


@dataclass(frozen=True, slots=True)
class _Measured:
    run: str
    attack: AttackId
    ra: Accuracy
    robust: Mapping[int, bool]


def strength_flags(data: ReportData) -> Iterator[Notice]:
    """Pairs of attacks on one network of which the weaker fools more, beyond noise."""
    for measured in _by_network(data).values():
        for weak, strong in permutations(measured, 2):
            if strong.attack.exceeds(weak.attack) and _beyond_noise(weak, strong):
                yield notice(
                    strong.run,
                    "weak-attack-stronger",
                    strong_ra=strong.ra.value,
                    strong=strong.attack.label,
                    weak_ra=weak.ra.value,
                    weak=weak.attack.label,
                    weak_run=weak.run,
                    n=weak.ra.n,
                )


def _by_network(data: ReportData) -> dict[tuple[object, ...], list[_Measured]]:
    """What was measured of each network on each set of test images.

    An evaluation names its weights by digest, a transfer its checkpoint by place: an evaluation
    of a file in a transfer's folder ties the two together.
    """
    digests: dict[str, str] = {}
    for result in data.evaluate:
        if result.weights is not None and result.laid_on is None:
            digests[result.place] = result.weights
    found: defaultdict[tuple[object, ...], list[_Measured]] = defaultdict(list)

    def add(network: str, run: RunResult, score: Score, robust: Mapping[int, bool]) -> None:
        if score.ra is not None and score.attack_id is not None:
            task = run.task
            key = (digests.get(network, network), task.name, task.fingerprint, score.ra.n)
            found[key].append(_Measured(run.label, score.attack_id, score.ra, robust))

    for result in data.evaluate:
        network = f"{result.weights or result.place} {result.laid_on or ''}".rstrip()
        add(network, result, result.test, result.robust)
    for cell in data.transfer:
        for kind, best in (("sa", cell.best_sa), ("ra", cell.best_ra)):
            if best is not None:
                add(cell.checkpoint(kind), cell, best.test, {})
    return found


def _beyond_noise(weak: _Measured, strong: _Measured) -> bool:
    """Whether the weak attack fools more images than chance explains.

    Image by image where outcomes are at hand, by McNemar's exact test: if both attacks were
    equally strong, each image that one alone fools would be either's with probability one half.
    Else from the two shares, which is less sharp.
    """
    if weak.ra.correct >= strong.ra.correct:
        return False
    if weak.robust and weak.robust.keys() == strong.robust.keys():
        # Late, because it takes longer to import than a report without such pairs to read.
        from scipy.stats import binomtest

        apart = [weak.robust[k] for k in weak.robust if weak.robust[k] != strong.robust[k]]
        only_weak = sum(1 for held in apart if not held)
        if not apart:
            return False
        return bool(binomtest(only_weak, len(apart), alternative="greater").pvalue < LEVEL)
    error = math.hypot(_error(weak.ra), _error(strong.ra))
    return strong.ra.value - weak.ra.value > NormalDist().inv_cdf(1 - LEVEL) * error


def _error(share: Accuracy) -> float:
    """Standard error sqrt(p (1 - p) / n) of one measured share."""
    return math.sqrt(share.value * (1 - share.value) / share.n)
