"""The state of a training between two steps: in memory, and the same in its slot."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from dwlt.ranks import ALONE, Group
from dwlt.scoring import Scored
from dwlt.training.average import WeightAverage
from dwlt.training.objectives import Objective
from dwlt.training.optimizers import state_tensors
from dwlt.training.records import BestEpoch, EpochRecord, TrainOutcome
from dwlt.training.slot import CheckpointSlot, Partial, Saved


class TrainingState:
    """Model, optimiser, objective and records, saved together."""

    def __init__(
        self,
        slot: CheckpointSlot,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        objective: Objective,
        images: str,
        average: WeightAverage | None,
        group: Group,
    ) -> None:
        self._slot = slot
        self._images = images
        self._group = group
        self._model = model
        self._optimizer = optimizer
        self._objective = objective
        self._average = average
        self._names = {param: name for name, param in model.named_parameters()}
        self._records: list[EpochRecord] = []
        self._best: dict[str, BestEpoch] = {}
        self.epochs = 0
        self.partial: Partial | None = None
        """The epoch in progress, as far as it is saved."""

    @classmethod
    def resume(
        cls,
        slot: CheckpointSlot,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        objective: Objective,
        images: str,
        average: WeightAverage | None = None,
        group: Group = ALONE,
    ) -> TrainingState:
        """What the slot holds, put into its owners; a fresh state for an empty slot.

        Args:
            images: digest of the images that are trained on.
            average: of the weights, where the training keeps one; it is what competes for the best.
            group: the devices that train together; what the first one's slot holds counts.

        Raises:
            LedgerError, FormatError: as ``CheckpointSlot.load``.
        """
        state = cls(slot, model, optimizer, objective, images, average, group)
        saved = group.first(slot.load)
        if saved is not None:
            model.load_state_dict(saved.model, strict=True)
            for name, value in state._remembered().items():
                # Copied into place: the buffer keeps its weight's device and memory layout.
                value.copy_(saved.momentum[name])
            if average is not None:
                average.load_state_dict(saved.average)
            objective.load_state_dict(saved.objective)
            state._records, state._best = saved.records, saved.best
            state.epochs, state.partial = saved.epochs, saved.partial
        return state

    def complete(self, record: EpochRecord, score: Scored | None) -> None:
        """Count an epoch as done and save it.

        Args:
            score: the epoch's score when it competes for the best; its snapshots are written
                before the checkpoint that counts on them.
        """
        self._records.append(record)
        self.epochs, self.partial = record.epoch, None
        if score is not None:
            for kind in ("sa", "ra"):
                self._compete(kind, record.epoch, score.values())
        self._save()

    def suspend(self, partial: Partial) -> None:
        """Save the epoch in progress, to be gone on with after its last step."""
        self.partial = partial
        self._save()

    def _save(self) -> None:
        if not self._group.leads:
            return
        self._slot.save(
            Saved(
                self.epochs,
                self._model.state_dict(),
                self._remembered(),
                self._records,
                self._best,
                self._objective.state_dict(),
                self.partial,
                {} if self._average is None else self._average.state_dict(),
            )
        )

    def outcome(self, *, interrupted: bool) -> TrainOutcome:
        """The outcome, for the caller of ``train``."""
        steps = 0 if self.partial is None else self.partial.steps
        records, best = tuple(self._records), dict(self._best)
        return TrainOutcome(self.epochs, interrupted, records, best, self._images, steps)

    def _compete(self, kind: str, epoch: int, found: dict[str, Any]) -> None:
        held = self._best.get(kind)
        if found[kind] is None:
            return
        if held is not None and found[kind]["value"] <= held.validation[kind]["value"]:
            return
        leads, best = self._group.leads, self._average or self._model
        file = self._slot.snapshot(kind, epoch, best.state_dict()) if leads else ""
        self._best[kind] = BestEpoch(epoch, found, file)

    def _remembered(self) -> dict[str, Tensor]:
        return state_tensors(self._optimizer, self._names)
