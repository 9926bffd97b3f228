"""One spec per stage: everything that decides a run's numbers, and nothing else.

Device, folders and worker counts are not here: they must not change a result's name.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from dwlt.spec.base import Spec, label
from dwlt.spec.parts import ModelSpec, ScoreSpec, TaskSpec, TrainSpec


class StageSpec(Spec):
    """What all stages have in common.

    Attributes:
        name: shown in the folder's name; not part of the run's identity.
        data: the task that is trained or scored on.
        seed: of everything random in this stage.
    """

    name: str = label("run")
    data: TaskSpec
    model: ModelSpec
    score: ScoreSpec
    seed: int = 0


class PretrainSpec(StageSpec):
    """Train the whole network on the source task.

    How it is scored on the way does not change the weights, so it does not name the run; the
    result says what it was scored with.
    """

    score: ScoreSpec = label(ScoreSpec())
    stage: Literal["pretrain"] = "pretrain"
    train: TrainSpec


class PruneSpec(StageSpec):
    """Find tickets: rounds of training, pruning by magnitude, and rewinding.

    Attributes:
        rate: share of the remaining convolution weights removed per round.
        method: how a round chooses what to remove.
        rounds: how far to go. Not part of the identity: round r does not depend on how many
            follow, so 10 rounds can be carried on to 20.
        score: not part of the identity either: it changes no mask.
    """

    score: ScoreSpec = label(ScoreSpec())

    stage: Literal["prune"] = "prune"
    train: TrainSpec
    method: Literal["imp"] = "imp"
    rate: Annotated[float, Field(gt=0, lt=1)] = 0.2
    rounds: Annotated[int, Field(ge=1, le=1000)] = label(20)


class TransferSpec(StageSpec):
    """Fine-tune one ticket (or the dense network, round 0) on a downstream task.

    What it starts from (weights and mask, by digest) is part of the identity; ``round`` only
    says where the mask was found.
    """

    stage: Literal["transfer"] = "transfer"
    train: TrainSpec
    round: Annotated[int, Field(ge=0)] = label(0)


class EvaluateSpec(StageSpec):
    """Score one model file on a task's test images."""

    stage: Literal["evaluate"] = "evaluate"
