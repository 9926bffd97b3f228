"""The result of ``dwlt frontier``."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from dwlt.results.base import NARROW, Count, Integer, Positive, Share, Text, Truth
from dwlt.results.refs import RunRef, SearchRef
from dwlt.results.run import RunResult


@dataclass(frozen=True, slots=True, config=NARROW)
class FrontierStep:
    """What was asked for in one step: a network under one regime.

    Attributes:
        round: 0 is the dense network.
        seeds: of the transfers that this step asked for.
        phase: "locate" or "confirm".
        reason: why, in words.
        runs: the transfers by seed, as their folders are called.
    """

    round: Count
    regime: Literal["standard", "adversarial"]
    seeds: tuple[Integer, ...]
    phase: Literal["locate", "confirm"]
    reason: Text
    runs: tuple[Text, ...]


@dataclass(frozen=True, slots=True, config=NARROW)
class FrontierProbe:
    """What the location found of a round.

    ``worst`` is how far its worst number lies below the dense network, in margins; None where no
    number could be compared.
    """

    round: Positive
    promising: Truth
    worst: Annotated[float, Field(allow_inf_nan=False)] | None


@dataclass(frozen=True, slots=True, config=NARROW)
class FrontierAttempt:
    """A round's confirmation: how many seeds decided it, at which confidence, and how."""

    round: Positive
    seeds: Positive
    confidence: Share
    decision: Text


@dataclass(frozen=True, slots=True, config=NARROW)
class Spent:
    """Epochs of training, by stage. A pre-training that was given costs none."""

    pretrain: Count
    prune: Count
    transfer: Count

    @property
    def total(self) -> int:
        """Of all stages."""
        return self.pretrain + self.prune + self.transfer


class FrontierResult(RunResult):
    """A search for the extreme sparsity that has ended.

    Attributes:
        weights: digest of the pre-trained weights.
        fraction: of the downstream training images.
        declared: the rounds among which it was looked for.
        extreme: the sparsest round that was confirmed, or None.
        kept, total: weights of that round; None where there is none.
        confidence: one-sided, of "the extreme sparsity is at least that of this round".
        reason: why it ended, in words.
        attack: label of the attack behind RA; None where RA was not measured.
        path: what was run, in order.
        probes, attempts: what was decided, in order.
        spent: epochs that the path stands for, whether they were trained for it or found done.
        full: epochs of every round of the search under both regimes with the config's seeds.
    """

    STAGE: ClassVar[str] = "frontier"

    weights: Text
    pretrain: RunRef
    prune: SearchRef
    fraction: Share
    declared: tuple[Positive, ...]
    extreme: Positive | None
    kept: Count | None
    total: Count | None
    confidence: Share
    reason: Text
    attack: Text | None
    path: tuple[FrontierStep, ...]
    probes: tuple[FrontierProbe, ...]
    attempts: tuple[FrontierAttempt, ...]
    spent: Spent
    full: Spent
