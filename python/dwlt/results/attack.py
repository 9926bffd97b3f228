"""Which attack a robust accuracy was measured under, as values that can be compared."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal, Self

from pydantic import model_validator
from pydantic.dataclasses import dataclass

from dwlt.errors import SpecError
from dwlt.results.base import NARROW, Positive, Text, Truth, fault
from dwlt.spec import AttackSpec
from dwlt.spec.attack_label import attack_label, gradient_name
from dwlt.units import parse_fraction

CROSS_ENTROPY = "cross-entropy"
"""The loss that dwlt's own search climbs."""

STANDARD_SUITE = ("apgd-ce", "apgd-t", "fab-t", "square")
"""The attacks of the standard AutoAttack, in its order (Croce and Hein 2020)."""

APGD_CE_STEPS = 100
"""Steps of APGD on the cross-entropy in AutoAttack, from one random start."""

Key = tuple[object, ...]


@dataclass(frozen=True, slots=True, config=NARROW)
class AttackId:
    """An attack by its values. What an older file does not say is None, and equal to nothing.

    Attributes:
        kind: "gradient" for FGSM and PGD, "autoattack" for all or some of AutoAttack's attacks,
            "other" where only a name is known.
        norm, eps: the ball; eps as a fraction in text, in units of the pixel range [0, 1].
        step: length of a step of the gradient search, in the same units.
        steps: of the gradient search.
        restarts: independent tries.
        random_start: from a random point of the ball instead of the image.
        iterate: which point is judged: "last", or "any" on the way.
        loss: what the gradient search climbs.
        parts: AutoAttack's attacks in the order they were run.
        version: of the package that has AutoAttack.
        before: the gradient search that took images away before AutoAttack saw them.
        made_on: digest of the network that the points were made on, where it is not the one that
            they were shown to; "unknown" where a file does not say which.
        name: what a file calls an attack of kind "other".
    """

    kind: Literal["gradient", "autoattack", "other"]
    norm: Text | None = None
    eps: Text | None = None
    step: Text | None = None
    steps: Positive | None = None
    restarts: Positive | None = None
    random_start: Truth | None = None
    iterate: Literal["last", "any"] | None = None
    loss: Text | None = None
    parts: tuple[Text, ...] = ()
    version: Text | None = None
    before: AttackId | None = None
    made_on: Text | None = None
    name: Text | None = None

    @model_validator(mode="after")
    def _radii_are_numbers(self) -> Self:
        for key, value in (("eps", self.eps), ("step", self.step)):
            try:
                if value is not None:
                    parse_fraction(value)
            except SpecError:
                raise fault(f"{key} = {value!r} is not a number") from None
        named = {"gradient": self.steps, "autoattack": self.parts, "other": self.name}[self.kind]
        if not named or (self.kind != "other" and not (self.norm and self.eps)):
            raise fault(f"an attack of kind {self.kind!r} that lacks its name or its ball")
        return self

    @classmethod
    def of(cls, attack: AttackSpec, *, made_on: str | None = None) -> AttackId:
        """The identity of a gradient attack with these settings."""
        return cls(
            kind="gradient",
            norm=attack.norm,
            eps=str(attack.eps),
            step=str(attack.step),
            steps=attack.steps,
            restarts=attack.restarts,
            random_start=attack.random_start,
            iterate=attack.iterate,
            loss=CROSS_ENTROPY,
            made_on=made_on,
        )

    @property
    def label(self) -> str:
        """The name that reports show, with whatever differs from that name's own definition."""
        if self.kind == "other" or self.norm is None or self.eps is None:
            return str(self.name)
        if self.kind == "autoattack":
            what = "autoattack" if self.parts == STANDARD_SUITE else "+".join(self.parts)
            before, apart = "", ""
            if self.before is not None:
                first, *rest = self.before.label.split(", ")
                # A search that goes before AutoAttack judges any point: that is its definition.
                rest = [text for text in rest if text != "any iterate"]
                before = f"{first.split()[0]}+"
                apart = f", before it {', '.join(rest)}" if rest else ""
            return f"{before}{what} {self.norm} {self.eps}{apart}"
        assert self.steps is not None  # a gradient attack has them
        said = attack_label(
            self.norm,
            self.eps,
            steps=self.steps,
            step=self.step,
            restarts=self.restarts,
            random_start=self.random_start,
            iterate=self.iterate,
        )
        return said if self.made_on is None else f"{said}, transferred"

    @property
    def short(self) -> str:
        """The name alone: "pgd-20"."""
        if self.steps is None:
            return self.label
        return gradient_name(self.steps, self.random_start)

    @property
    def key(self) -> Key | None:
        """Equal for attacks that do the same; None where a value is not known."""
        if self.made_on == "unknown" or self.norm is None or self.eps is None:
            return None
        ball: Key = (self.kind, self.norm, _value(self.eps), self.made_on)
        if self.kind == "autoattack":
            before = None if self.before is None else self.before.key
            unsure = self.before is not None and before is None
            return (
                None
                if self.version is None or unsure
                else (*(*ball, self.parts, self.version, before),)
            )
        found = (self.steps, self.restarts, self.random_start, self.iterate, self.loss)
        if self.kind == "other" or self.step is None or None in found:
            return None
        return (*ball, _value(self.step), *found)

    def same_as(self, other: AttackId) -> bool:
        """Whether both are known to do the same."""
        return self.key is not None and self.key == other.key

    def exceeds(self, other: AttackId) -> bool:
        """Whether this attack is stronger for sure, so that it must not leave more images right.

        Only attacks in the same ball, made on the same network, have an order:

        - A gradient search that differs in more steps or restarts, or in judging any point, and
          in nothing else.
        - More than one step, which together can cross the ball, against the one step of FGSM.
        - AutoAttack with APGD on the cross-entropy, against a gradient search on the same loss
          with no more steps and restarts than that.
        - AutoAttack against fewer of its attacks, and against the search that went before it.
        """
        if other.key is None or not self._same_ball(other):
            return False
        if self.kind == "gradient" and other.kind == "gradient":
            return self.key is not None and self._searches_further(other)
        if self.kind != "autoattack":
            return False
        if other.kind == "gradient":
            if self.before is not None and (
                self.before.same_as(other) or self.before.exceeds(other)
            ):
                return True
            weak = (other.steps or 0) <= APGD_CE_STEPS and other.restarts == 1
            return weak and "apgd-ce" in self.parts and other.loss == CROSS_ENTROPY
        same = self.version is not None and self.version == other.version
        kept = other.before is None or (
            self.before is not None and self.before.same_as(other.before)
        )
        more = set(self.parts) > set(other.parts) or (
            set(self.parts) == set(other.parts) and self.before is not None and not other.before
        )
        return same and kept and more

    def _same_ball(self, other: AttackId) -> bool:
        if self.eps is None or other.eps is None:
            return False
        return (
            (self.norm, self.made_on) == (other.norm, other.made_on)
            and self.made_on != "unknown"
            and _value(self.eps) == _value(other.eps)
        )

    def _searches_further(self, other: AttackId) -> bool:
        """Both are gradient searches of which every value is known."""
        assert self.step is not None
        assert other.step is not None
        assert self.eps is not None
        steps, restarts = self.steps or 0, self.restarts or 0
        if self.loss != other.loss:
            return False
        if other.short == "fgsm" and steps > 1:
            whole = _value(self.eps)
            return _value(other.step) == whole and steps * _value(self.step) >= whole
        here = (steps, restarts, self.iterate == "any")
        there = (other.steps or 0, other.restarts or 0, other.iterate == "any")
        alike = (_value(self.step), self.random_start) == (_value(other.step), other.random_start)
        further = all(mine >= theirs for mine, theirs in zip(here, there, strict=True))
        return alike and further and here != there


def _value(radius: str) -> Fraction:
    return parse_fraction(radius)
