"""One optimiser step."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from dwlt.masks.tensors import Enforcer
from dwlt.ranks import Group
from dwlt.training.compiled import CompiledForward
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
        pieces: that this device computes of the step.
        seed: of what is random in the objective: one for the step, since draws belong to images.
    """

    epoch: int
    step: int
    replay: int
    pieces: int
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
        group: Group,
        clip: float | None = None,
    ) -> None:
        self._model = model
        self._devices = group.size
        on = precision.compiles and not objective.second_order
        self._compiled = CompiledForward(model, on=on)
        self._loss = group.averaging(_Loss(model, objective))
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
            with self._together(last=number == place.pieces - 1), self._compiled:
                with self._precision.autocast():
                    loss, logits = self._loss(batch, place.seed)
                torch.autograd.backward(self._weighed(loss, piece.weight))
            self._objective.after_backward(self._model)
            if self._statistics is not None:
                self._statistics.add(piece.weight)
            meter.add(place.step, place.replay, piece.weight, loss, logits, batch.labels)
        if self._statistics is not None:
            self._statistics.end()
        if self._clip is not None:
            self._enforcer.zero_gradients()
            clip_gradients(self._optimizer, self._clip)
        self._optimizer.step()
        self._enforcer.after_step(self._optimizer)

    def _weighed(self, loss: Tensor, weight: float) -> Tensor:
        # The gradients of several devices are averaged, and here they are to be added up.
        factor = weight * self._devices
        return loss if factor == 1 else loss * factor

    def _together(self, *, last: bool) -> AbstractContextManager[None]:
        """Around a piece: gradients are shared between devices with the last one of each."""
        if last or not isinstance(self._loss, DistributedDataParallel):
            return nullcontext()
        return self._loss.no_sync()


class _Loss(nn.Module):
    """The objective as a module, so that DDP wraps one pass of it.

    Whatever passes through the network inside, such as the steps of an attack, is then no business
    of DDP's and shares no gradients.
    """

    def __init__(self, model: nn.Module, objective: Objective) -> None:
        super().__init__()
        self.model = model
        self._objective = objective

    def forward(self, batch: Batch, seed: int) -> tuple[Tensor, Tensor]:
        return self._objective.loss(self.model, batch, seed)
