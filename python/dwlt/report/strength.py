"""A weak attack that fools more than a strong one: a sign that the strong one does not work.

Attacks are compared on the same weights, data and number of images, whether an evaluation or a
transfer's own test measured them. An attack is taken to be stronger than another in the same norm
when its radius is no smaller and its search goes no less far (FGSM, then PGD by steps, with as
many restarts or more, then AutoAttack), and one of these is more.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import permutations
from pathlib import PurePosixPath

from dwlt.results.records import Accuracy, Notice, ReportData, TaskInfo
from dwlt.runs import layout
from dwlt.verdict.stats import NORMAL, binomial_error

_LABEL = re.compile(
    r"(?P<kind>fgsm|pgd-(?P<steps>[0-9]+)|(?:\S+\+)?autoattack)(?: x(?P<times>[0-9]+))?"
    r" (?P<norm>\S+) (?P<eps>[0-9.]+(?:/[0-9.]+)?)"
)


@dataclass(frozen=True, slots=True)
class Strength:
    """How far an attack goes, from its label. ``steps`` is infinite for AutoAttack."""

    norm: str
    eps: Fraction
    steps: float
    restarts: int

    def exceeds(self, other: Strength) -> bool:
        """Whether this attack is stronger for sure."""
        at_least = (
            self.norm == other.norm
            and self.eps >= other.eps
            and self.steps >= other.steps
            and self.restarts >= other.restarts
        )
        return at_least and self != other


def strength(label: str) -> Strength | None:
    """An attack's strength by its label ("pgd-20 x5 linf 8/255"), or None for one not known."""
    match = _LABEL.fullmatch(label.lower())
    if match is None:
        return None
    top, _, bottom = match["eps"].partition("/")
    try:
        eps = Fraction(top) / Fraction(bottom or 1)
    except (ValueError, ZeroDivisionError):
        return None
    kind = match["kind"]
    steps = 1.0 if kind == "fgsm" else float(match["steps"] or math.inf)
    restarts = int(match["times"] or (1 if math.isfinite(steps) else 10**9))
    return Strength(match["norm"], eps, steps, restarts)


@dataclass(frozen=True, slots=True)
class _Measured:
    run: str
    attack: str
    strength: Strength
    ra: Accuracy
    robust: Mapping[int, bool]


def strength_flags(data: ReportData) -> Iterator[Notice]:
    """Pairs of attacks on one network of which the weaker fools more, beyond noise."""
    for measured in _by_network(data).values():
        for weak, strong in permutations(measured, 2):
            if strong.strength.exceeds(weak.strength) and _beyond_noise(weak, strong):
                yield Notice(
                    strong.run,
                    "weak-attack-stronger",
                    f"RA {_percent(strong.ra)} under {strong.attack} is above "
                    f"{_percent(weak.ra)} under the weaker {weak.attack} ({weak.run}), n = "
                    f"{weak.ra.n}: the stronger attack does not work on this network",
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

    def add(network: str, task: TaskInfo, run: str, measured: _Score) -> None:
        attack, ra, robust = measured
        known = None if attack is None else strength(attack)
        if ra is not None and attack is not None and known is not None:
            key = (digests.get(network, network), task.name, task.fingerprint, ra.n)
            found[key].append(_Measured(run, attack, known, ra, robust))

    for result in data.evaluate:
        network = f"{result.weights or _place(result.model)} {result.laid_on or ''}".rstrip()
        test = (result.test.attack, result.test.ra, result.robust)
        add(network, result.run.task, result.run.label, test)
    for cell in data.transfer:
        bests = (("sa", cell.best_sa), ("ra", cell.best_ra))
        for kind, best in bests:
            if best is not None:
                network = f"{cell.run.folder}/{layout.best(kind)}"
                # A transfer's test keeps no outcomes of single images.
                test = (best.test.attack, best.test.ra, dict[int, bool]())
                add(network, cell.run.task, cell.run.label, test)
    return found


_Score = tuple[str | None, Accuracy | None, Mapping[int, bool]]


def _place(model: str) -> str:
    """The last parts of a model file's path: stage, run folder, file."""
    return "/".join(PurePosixPath(model.replace("\\", "/")).parts[-3:])


def _beyond_noise(weak: _Measured, strong: _Measured) -> bool:
    """Whether the weak attack fools more images than chance explains.

    Image by image where outcomes are at hand (McNemar: of the images that one attack alone fools,
    the excess against its error), else from the two shares, which is less sharp.
    """
    if weak.ra.correct >= strong.ra.correct:
        return False
    if weak.robust and weak.robust.keys() == strong.robust.keys():
        apart = [weak.robust[k] for k in weak.robust if weak.robust[k] != strong.robust[k]]
        only_weak = sum(1 for held in apart if not held)
        return 2 * only_weak - len(apart) > NORMAL * math.sqrt(len(apart))
    error = math.hypot(binomial_error(weak.ra), binomial_error(strong.ra))
    return strong.ra.value - weak.ra.value > NORMAL * error


def _percent(accuracy: Accuracy) -> str:
    return f"{100 * accuracy.value:.2f}%"
