"""From an attack's name to what an evaluation runs, and what the result calls it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, get_args

from torch import nn

from dwlt.attacks.auto import SUITE, VERSION, suite_for
from dwlt.errors import SpecError
from dwlt.results import AttackId, Flag, flag
from dwlt.scoring import AutoAttackPart, Gradient, Threat, Transferred
from dwlt.spec import AttackSpec, EvaluateSpec
from dwlt.spec.stages import SuiteAttack
from dwlt.units import Eps, parse_fraction


@dataclass(frozen=True)
class Named:
    """What an attack's name asks for: AutoAttack's attacks, or settings of our own search."""

    suite: tuple[SuiteAttack, ...] = ()
    steps: int | None = None
    random_start: bool = True


def read_name(name: str) -> Named | None:
    """Read "pgd-K", "fgsm", "autoattack", "apgd-ce", "apgd-ce+square", ...; None for "none".

    Raises:
        SpecError: the name is none of these.
    """
    if name == "none":
        return None
    if name == "fgsm":
        return Named(steps=1, random_start=False)
    if name == "autoattack":
        return Named(suite=get_args(SuiteAttack))
    parts = name.split("+")
    if set(parts) <= set(SUITE) and len(set(parts)) == len(parts):
        return Named(suite=tuple(one for one in get_args(SuiteAttack) if one in parts))
    match = re.fullmatch(r"pgd-([1-9][0-9]*)", name)
    if match is None:
        raise SpecError(
            f"there is no attack {name!r}",
            hint=f"use pgd-20, pgd-50, fgsm, autoattack, {', '.join(SUITE)} or none",
        )
    return Named(steps=int(match[1]))


def ball_of(attack: AttackSpec) -> AttackSpec:
    """Norm and eps alone, as AutoAttack reads them, with the PGD-20 that a pre-filter runs."""
    return attack_at(attack.model_copy(update={"steps": 20, "restarts": 1}), str(attack.eps))


def attack_at(attack: AttackSpec, eps: str) -> AttackSpec:
    """The attack at another radius, judging any point; the step is a quarter of the radius."""
    step = parse_fraction(eps) / (4 if attack.steps > 1 else 1)
    return AttackSpec(
        norm=attack.norm,
        eps=Eps(eps),
        step=Eps(str(step)),
        steps=attack.steps,
        random_start=attack.random_start,
        restarts=attack.restarts,
        iterate="any",
    )


def sweep_radii(attack: AttackSpec, shape: tuple[int, int, int]) -> tuple[Eps, ...]:
    """Radii from a quarter of the attack's, doubling, to the one that reaches every image."""
    whole = covering_radius(attack.norm, shape)
    radius = parse_fraction(attack.eps) / 4
    found: list[Fraction] = []
    while 0 < radius < whole:
        found.append(radius)
        radius *= 2
    return tuple(Eps(str(one)) for one in (*found, whole))


def covering_radius(norm: str, shape: tuple[int, int, int]) -> Fraction:
    """A radius at which a ball holds every image: 1, or the diagonal of the cube, rounded up."""
    return Fraction(1 if norm == "linf" else math.ceil(math.sqrt(math.prod(shape))))


def threats(spec: EvaluateSpec, classes: int, source: nn.Module | None) -> list[Threat]:
    """The attacks of an evaluation, in order."""
    attack = spec.score.attack
    if attack is None:
        return []
    seed, limit = spec.score.seed, spec.score.batch_size
    own = AttackId.of(attack).short
    found: list[Threat] = []
    if source is not None:
        found.append(Transferred(own, attack, seed, source, limit))
    elif not spec.suite or spec.prefilter:
        found.append(Gradient(own, attack, seed, limit))
    suite = suite_for(spec.suite, classes)
    return [*found, *(AutoAttackPart(name, attack, seed, limit) for name in suite)]


def identity(spec: EvaluateSpec, classes: int, *, made_on: str | None) -> AttackId | None:
    """The attack of an evaluation by its values. Only the whole standard suite is "autoattack".

    Args:
        classes: how many the model tells apart; too few rule out one of AutoAttack's attacks.
        made_on: digest of the other model that the attack is made on, if any.
    """
    attack = spec.score.attack
    if attack is None:
        return None
    if not spec.suite:
        return AttackId.of(attack, made_on=made_on)
    return AttackId(
        kind="autoattack",
        norm=attack.norm,
        eps=str(attack.eps),
        parts=suite_for(spec.suite, classes),
        version=VERSION,
        before=AttackId.of(attack) if spec.prefilter else None,
    )


def protocol_flags(spec: EvaluateSpec, classes: int) -> list[Flag]:
    """What sets this evaluation apart from the standard one of its name."""
    flags = []
    names = suite_for(spec.suite, classes)
    if names != spec.suite:
        flags.append(flag("not-standard", classes=classes, attacks=names))
    if spec.prefilter:
        flags.append(flag("prefilter"))
    return flags


def values(attack: AttackSpec | None) -> dict[str, Any]:
    """An attack as the identity of finished steps spells it."""
    return {} if attack is None else attack.model_dump(mode="json")
