"""A weak attack that fools more than a strong one: a sign that the strong one does not work.

Attacks are compared on the same weights, data and number of images, whether an evaluation or a
transfer's own test measured them, and only where their values say which is stronger
(``AttackId.exceeds``). Attacks whose values a file does not tell have no order.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations
from pathlib import PurePosixPath

from dwlt.results import Accuracy, AttackId, Notice, ReportData, RunResult, Score, notice
from dwlt.runs import layout
from dwlt.verdict.stats import NORMAL, binomial_error

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
            digests[_place(result.model)] = result.weights
    found: defaultdict[tuple[object, ...], list[_Measured]] = defaultdict(list)

    def add(network: str, run: RunResult, score: Score, robust: Mapping[int, bool]) -> None:
        if score.ra is not None and score.attack_id is not None:
            task = run.task
            key = (digests.get(network, network), task.name, task.fingerprint, score.ra.n)
            found[key].append(_Measured(run.label, score.attack_id, score.ra, robust))

    for result in data.evaluate:
        network = f"{result.weights or _place(result.model)} {result.laid_on or ''}".rstrip()
        add(network, result, result.test, result.robust)
    for cell in data.transfer:
        for kind, best in (("sa", cell.best_sa), ("ra", cell.best_ra)):
            if best is not None:
                add(f"{cell.folder}/{layout.best(kind)}", cell, best.test, {})
    return found


def _place(model: str) -> str:
    """The last parts of a model file's path: stage, run folder, file."""
    return "/".join(PurePosixPath(model.replace("\\", "/")).parts[-3:])


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
    error = math.hypot(binomial_error(weak.ra), binomial_error(strong.ra))
    return strong.ra.value - weak.ra.value > NORMAL * error
