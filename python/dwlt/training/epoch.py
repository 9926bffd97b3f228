"""The steps of one epoch: from its first one or from where a checkpoint left off, to its last."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch

from dwlt.ranks import Group
from dwlt.training.average import WeightAverage
from dwlt.training.job import TrainJob
from dwlt.training.layers import LayerDraws
from dwlt.training.meter import Meter
from dwlt.training.objectives import Objective
from dwlt.training.pace import Pace, Wish
from dwlt.training.pieces import Cuts, Piece
from dwlt.training.schedule import lr_at
from dwlt.training.slot import Partial
from dwlt.training.state import TrainingState
from dwlt.training.step import Place, Stepper
from dwlt.units import derive_seed

if TYPE_CHECKING:
    from dwlt.data import Batch


class EpochSteps:
    """One epoch of a training.

    Args:
        epoch: from 0.
        cuts: the pieces of its steps, and those that this device computes.
        average: of the weights, where the training keeps one.
        group: the devices.
    """

    def __init__(
        self,
        job: TrainJob,
        epoch: int,
        cuts: Cuts,
        objective: Objective,
        stepper: Stepper,
        layers: LayerDraws,
        group: Group,
        average: WeightAverage | None = None,
    ) -> None:
        self._job = job
        self._epoch = epoch
        self._cuts = cuts
        self._replays = objective.replays
        self._stepper = stepper
        self._layers = layers
        self.meter = Meter(
            epoch + 1, cuts.sizes, objective.replays, torch.device(job.device), group.total
        )
        self._counts = group.leads
        self._average = average
        self._first = 0
        self._began = time.perf_counter()

    @property
    def seconds(self) -> float:
        """That it has taken so far, before a stop too."""
        return time.perf_counter() - self._began

    def begin(self, partial: Partial | None) -> None:
        """Called first.

        Args:
            partial: what is done of this epoch.
        """
        self._layers.begin_epoch(self._epoch)
        if partial is not None:
            self._first = partial.steps
            self._began -= partial.seconds
            self.meter.load_state_dict(partial.steps, partial.part("meter"), counts=self._counts)
            self._layers.load_state_dict(partial.part("layers"))

    def run(self, state: TrainingState, pace: Pace) -> bool:
        """Take the steps that are left; checkpoints are written into ``state``.

        Returns:
            Whether all were taken; False where the user asked to stop.

        Raises:
            TrainingError: a loss is not finite.
        """
        batches = self._batches()
        for step in range(self._first, len(self._cuts) + 1):
            wish = pace.poll()
            if wish is not Wish.GO_ON:
                if step > self._first:
                    state.suspend(self._partial(step))
                pace.saved()
            if wish is Wish.STOP:
                return False
            if step < len(self._cuts):
                self._take(step, batches)
        return True

    def rate(self, step: int) -> float:
        """The learning rate of a step of this epoch."""
        steps = len(self._cuts)
        return lr_at(self._job.spec, self._epoch * steps + step, steps)

    def _batches(self) -> Iterator[Batch]:
        job = self._job

        def parts(step: int) -> list[tuple[int, int]]:
            return [(piece.low, piece.high) for piece in self._cuts.mine(step)]

        return job.split.train_batches(
            batch_size=job.spec.batch_size,
            seed=job.seed,
            epoch=self._epoch,
            augment=job.augment,
            device=job.device,
            first=self._first,
            parts=parts,
        )

    def _take(self, step: int, batches: Iterator[Batch]) -> None:
        # Pieces first: zip must not ask for a batch where no piece is left.
        mine = self._cuts.mine(step)
        pieces: Iterator[tuple[Piece, Batch]] = zip(mine, batches, strict=False)
        held = list(pieces) if self._replays > 1 else pieces
        for replay in range(self._replays):
            # The first replay's seed is that of a training without replays.
            more = (replay,) if replay else ()
            seed = derive_seed(self._job.seed, "attack", self._epoch, step, *more)
            place = Place(self._epoch, step, replay, len(mine), seed)
            self._stepper(held, place, self.rate(step), self.meter)
        if self._average is not None:
            self._average.after_step(self._epoch * len(self._cuts) + step)
        self.meter.end_step()

    def _partial(self, step: int) -> Partial:
        parts = {"meter": self.meter.state_dict(), "layers": self._layers.state_dict()}
        return Partial.of(step, self.seconds, parts)
