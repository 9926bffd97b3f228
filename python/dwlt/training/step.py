"""One optimiser step, and the optimiser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from dwlt.spec import TrainSpec
from dwlt.training.meter import Meter
from dwlt.training.objectives import Objective
from dwlt.training.precision import Precision

if TYPE_CHECKING:
    from dwlt.data import Batch


def sgd(model: nn.Module, spec: TrainSpec) -> torch.optim.SGD:
    """SGD over every parameter that trains, its momentum present from the start.

    Momentum that begins at zero gives the same first step as one that begins empty, and a
    checkpoint need not tell the two apart.
    """
    params = [param for param in model.parameters() if param.requires_grad]
    optimizer = torch.optim.SGD(
        params,
        lr=spec.lr,
        momentum=spec.momentum,
        weight_decay=spec.weight_decay,
        nesterov=spec.nesterov,
        # One kernel for all weights, on the CPU too: half the time of the loop over tensors.
        fused=True,
    )
    if spec.momentum:
        for param in params:
            optimizer.state[param]["momentum_buffer"] = torch.zeros_like(param)
    return optimizer


class Stepper:
    """Lose, learn, count: what happens to each batch."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.SGD,
        objective: Objective,
        precision: Precision,
    ) -> None:
        self._model = model
        self._optimizer = optimizer
        self._objective = objective
        self._precision = precision

    def __call__(self, batch: Batch, lr: float, seed: int, meter: Meter) -> None:
        """Take one step.

        Args:
            batch: clean images; the objective decides what the loss is taken on.
            lr: of this step.
            seed: of what is random in the objective.
            meter: is told of loss and logits.

        Raises:
            TrainingError: a recent loss is not finite.
        """
        for group in self._optimizer.param_groups:
            group["lr"] = lr
        self._optimizer.zero_grad(set_to_none=True)
        self._objective.start_step()
        batch = self._precision.lay_out(batch)
        with self._precision.autocast():
            loss, logits = self._objective.loss(self._model, batch, seed)
        torch.autograd.backward(loss)
        self._objective.after_backward(self._model)
        self._optimizer.step()
        meter.add(loss, logits, batch.labels)
