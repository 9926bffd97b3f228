"""The one training loop, for every stage and regime, and what it saves."""

from dwlt.engine.loop import train
from dwlt.engine.objectives import OBJECTIVES, Objective
from dwlt.engine.records import Best, EpochRecord, TrainOutcome
from dwlt.engine.schedule import SCHEDULES, lr_at
from dwlt.engine.slot import CheckpointSlot

__all__ = [
    "OBJECTIVES",
    "SCHEDULES",
    "Best",
    "CheckpointSlot",
    "EpochRecord",
    "Objective",
    "TrainOutcome",
    "lr_at",
    "train",
]
