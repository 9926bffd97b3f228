"""The one training loop, for every stage and regime, and what it saves."""

from dwlt.training.job import TrainJob
from dwlt.training.loop import train
from dwlt.training.objectives import Objective, objective_of
from dwlt.training.records import BestEpoch, EpochRecord, TrainOutcome
from dwlt.training.schedule import SCHEDULES, lr_at
from dwlt.training.slot import CheckpointSlot

__all__ = [
    "SCHEDULES",
    "BestEpoch",
    "CheckpointSlot",
    "EpochRecord",
    "Objective",
    "TrainJob",
    "TrainOutcome",
    "lr_at",
    "objective_of",
    "train",
]
