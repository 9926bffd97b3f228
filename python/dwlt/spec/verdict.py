"""``[verdict]``: by which rule tickets are judged. It names no run: no training depends on it."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from dwlt.spec.base import Spec

Points = Annotated[float, Field(gt=0, lt=100)]
Rule = Literal["margin", "paper"]

DECLARED = (3, 6, 8, 10, 12, 15)
"""Rounds that are tested where a config names none: 48.80%, 73.79%, 83.22%, 89.26%, 93.13% and
96.48% sparsity at a rate of 0.2, the range in which the paper finds its tickets."""


class VerdictPart(Spec):
    """How tickets are judged. Fix it before results are looked at; reasons in docs/protocol.md.

    Attributes:
        rule: which rule decides; the other one is shown beside it. "margin": shown to be no more
            than the margin worse than the dense network. "paper": mean no lower than the dense
            mean less one standard deviation.
        margin_sa, margin_ra: how much worse, in points, SA and RA may be and still match. None:
            what a test set of that size can resolve, see ``margin_points``.
        confidence: one-sided, of every match, and of the extreme sparsity as a whole.
        numbers: 4, or 3 as the paper's scripts measure (no RA after standard transfer).
        strict: SA and RA both of the checkpoint with the best validation RA. False: each of its
            own best checkpoint, the two that the published scripts keep. The other is shown beside
            it.
        rounds: rounds over which the extreme sparsity is tested, declared in advance; the fewer,
            the less their error rates cost. Empty: ``DECLARED``, or as many that were transferred.
        max_seeds: the most seeds that the frontier runs of one network: one to find the rounds
            worth testing, the others to test them.
    """

    rule: Rule = "margin"
    margin_sa: Points | None = None
    margin_ra: Points | None = None
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    numbers: Literal[3, 4] = 4
    strict: bool = False
    rounds: tuple[Annotated[int, Field(ge=1, le=1000)], ...] = ()
    max_seeds: Annotated[int, Field(ge=3, le=100)] = 9

    @model_validator(mode="after")
    def _rounds_ascend(self) -> Self:
        if list(self.rounds) != sorted(set(self.rounds)):
            raise ValueError("rounds are named once each, from dense to sparse")
        return self

    def margin(self, kind: Literal["sa", "ra"], n: int) -> float:
        """The margin of SA or RA as a share in [0, 1], on ``n`` test images."""
        given = self.margin_sa if kind == "sa" else self.margin_ra
        return (margin_points(n) if given is None else given) / 100

    def declared(self, transferred: tuple[int, ...]) -> tuple[int, ...]:
        """The rounds that the extreme sparsity is tested over, from dense to sparse.

        Args:
            transferred: rounds that were planned to be transferred, 0 among them or not.

        Returns:
            Those of the settings, whether they were transferred or not. Without any: all that
            were transferred where these are six or fewer; ``DECLARED`` where it is among them;
            else six, evenly spaced with both ends. No result is looked at.
        """
        if self.rounds:
            return self.rounds
        rounds = sorted(set(transferred) - {0})
        if len(rounds) <= len(DECLARED):
            return tuple(rounds)
        if set(DECLARED) <= set(rounds):
            return DECLARED
        steps = len(DECLARED) - 1
        places = [round(step * (len(rounds) - 1) / steps) for step in range(steps + 1)]
        return tuple(rounds[place] for place in places)


def margin_points(n: int) -> float:
    """The margin where none was given: 100 / sqrt(n) points, but no less than one.

    That is two standard errors of an accuracy of 50%: 1 point of 10,000 images, 3.16 of 1,000,
    6.68 of 224.
    """
    return max(1.0, 100 / math.sqrt(n))
