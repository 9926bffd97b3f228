"""One optimiser step."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from dwlt.masks.tensors import Enforcer
from dwlt.training.layers import LayerDraws
from dwlt.training.meter import Meter
from dwlt.training.objectives import Objective
from dwlt.training.optimizers import clip_gradients
from dwlt.training.pieces import Piece
from dwlt.training.precision import Precision
from dwlt.training.statistics import RunningStatistics

if TYPE_CHECKING:
    from dwlt.data import Batch


@dataclass(frozen=True)
class Place:
    """Where in a training a step is: epoch and step from 0, and which of the steps on its batch.

    Attributes:
        seed: of what is random in the objective: one for the step, since draws belong to images.
    """

    epoch: int
    step: int
    replay: int
    seed: int


class Stepper:
    """Lose, learn, count: what happens to each batch."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        objective: Objective,
        precision: Precision,
        enforcer: Enforcer,
        layers: LayerDraws,
        statistics: RunningStatistics | None,
        clip: float | None = None,
    ) -> None:
        self._model = model
        self._optimizer = optimizer
        self._objective = objective
        self._precision = precision
        self._enforcer = enforcer
        self._layers = layers
        self._statistics = statistics
        self._clip = clip

    def __call__(
        self, pieces: Iterable[tuple[Piece, Batch]], place: Place, lr: float, meter: Meter
    ) -> None:
        """Take one step.

        Args:
            pieces: of the step's batch; the objective decides what the loss is taken on.
            place: of the step in the training.
            lr: of this step.
            meter: is told of losses and logits.
        """
        for group in self._optimizer.param_groups:
            group["lr"] = lr
        self._optimizer.zero_grad(set_to_none=True)
        self._objective.start_step()
        if self._statistics is not None:
            self._statistics.begin()
        for number, (piece, batch) in enumerate(pieces):
            if self._statistics is not None and number:
                self._statistics.restore()
            self._layers.begin_piece(place.epoch, place.step, place.replay, piece.index)
            batch = self._precision.lay_out(batch)
            with self._precision.autocast():
                loss, logits = self._objective.loss(self._model, batch, place.seed)
            torch.autograd.backward(loss if piece.weight == 1 else loss * piece.weight)
            self._objective.after_backward(self._model)
            if self._statistics is not None:
                self._statistics.add(piece.weight)
            meter.add(place.step, place.replay, piece.index, loss, logits, batch.labels)
        if self._statistics is not None:
            self._statistics.end()
        if self._clip is not None:
            self._enforcer.zero_gradients()
            clip_gradients(self._optimizer, self._clip)
        self._optimizer.step()
        self._enforcer.after_step(self._optimizer)
