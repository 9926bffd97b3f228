"""The settings that name a search for the frontier."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dwlt.spec.stages import StageSpec
from dwlt.spec.training import TrainSpec
from dwlt.spec.verdict import VerdictPart


class FrontierSpec(StageSpec):
    """Find the extreme sparsity with few transfers.

    Attributes:
        data: the downstream task.
        seed: the first transfer seed.
        standard, adversarial: how transfers train.
        rounds: those that could be transferred; ``verdict`` says which of them are declared.
        verdict: by which rule, and with how many seeds.
    """

    stage: Literal["frontier"] = "frontier"
    standard: TrainSpec
    adversarial: TrainSpec
    rounds: tuple[Annotated[int, Field(ge=1, le=1000)], ...]
    verdict: VerdictPart
