"""What a training leaves behind: a record per epoch, the best epochs, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dwlt.results import Flag
from dwlt.results.base import jsonable
from dwlt.scoring import Scored
from dwlt.training.probe import OverfittingProbe


@dataclass(frozen=True)
class EpochRecord:
    """One line of ``metrics.jsonl``.

    Attributes:
        epoch: from 1: the number of epochs trained when this was written.
        lr: learning rate of the epoch's last step.
        loss: mean training loss over the epoch's samples, on the images trained on.
        train_accuracy: share of them that were classified correctly, while training.
        seconds: wall time of the epoch, scoring included.
        validation: score object (see result files), or None in epochs that are not scored.
        probe: see ``dwlt.training.probe``; None where the regime needs none.
        flags: warnings of this epoch.
    """

    epoch: int
    lr: float
    loss: float
    train_accuracy: float
    seconds: float
    validation: dict[str, Any] | None = None
    probe: dict[str, Any] | None = None
    flags: tuple[Flag, ...] = ()

    @classmethod
    def measured(
        cls,
        epoch: int,
        lr: float,
        loss: float,
        train_accuracy: float,
        seconds: float,
        score: Scored | None,
        probe: OverfittingProbe | None,
    ) -> EpochRecord:
        """The record of an epoch from what was measured in it."""
        warning = None if probe is None else probe.flag(epoch)
        return cls(
            epoch=epoch,
            lr=lr,
            loss=loss,
            train_accuracy=train_accuracy,
            seconds=round(seconds, 3),
            validation=None if score is None else score.values(),
            probe=None if probe is None else probe.values(),
            flags=(*(score.flags if score else ()), *((warning,) if warning else ())),
        )

    def values(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**vars(self), "flags": [jsonable(flag) for flag in self.flags]}

    @classmethod
    def of(cls, values: dict[str, Any]) -> EpochRecord:
        """The inverse of ``values``."""
        return cls(**{**values, "flags": tuple(Flag(**flag) for flag in values["flags"])})


@dataclass(frozen=True)
class BestEpoch:
    """The best epoch so far by one measure, ties going to the earlier one.

    Attributes:
        epoch: as in ``EpochRecord``.
        validation: that epoch's score object.
        file: name of the snapshot beside the checkpoint.
    """

    epoch: int
    validation: dict[str, Any]
    file: str

    def values(self) -> dict[str, Any]:
        """JSON-ready."""
        return dict(vars(self))


@dataclass(frozen=True)
class TrainOutcome:
    """How a training ended.

    Attributes:
        epochs: complete and saved.
        interrupted: ``stop`` asked for it; running again goes on after the last step.
        records: of every epoch, those before a resume included.
        best: by measure, "sa" and "ra"; empty where snapshots were not asked for.
        images: digest of the images that it was trained on.
        steps: of the epoch in progress, saved too; 0 between epochs.
    """

    epochs: int
    interrupted: bool
    records: tuple[EpochRecord, ...] = ()
    best: dict[str, BestEpoch] = field(default_factory=dict)
    images: str | None = None
    steps: int = 0

    @property
    def flags(self) -> tuple[Flag, ...]:
        """The warnings of all epochs, the latest of each code: it says how things ended."""
        latest = {flag.code: flag for record in self.records for flag in record.flags}
        return tuple(latest.values())
