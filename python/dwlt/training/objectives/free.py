"""Free adversarial training: every backward pass moves the weights and the perturbation at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from dwlt.spec import TrainSpec
from dwlt.spec.regimes import FreeOptions
from dwlt.training.objectives.base import Perturbing

if TYPE_CHECKING:
    from dwlt.data import Batch


class Free(Perturbing):
    """Each batch is replayed m times; the perturbation steps up with the gradient that the training
    pass yields anyway, and goes on to the next batch (Shafahi et al., arXiv 1904.12843,
    algorithm 1).

    It belongs to places in a batch, not to images, and begins at zero. The learning rate of a
    batch's replays is one. The perturbation is part of the checkpoint.
    """

    divides = False

    def __init__(self, spec: TrainSpec) -> None:
        super().__init__(spec)
        options = spec.regime_options
        assert isinstance(options, FreeOptions)
        self.replays = options.replays
        self._eps, self._step = self.attack.eps.value, self.attack.step.value
        self._noise: Tensor | None = None
        self._first = 0
        self._leaf: Tensor | None = None

    def start_step(self) -> None:
        self._first = 0

    def loss(self, model: nn.Module, batch: Batch, seed: int) -> tuple[Tensor, Tensor]:
        noise = self._rows(batch.images)
        self._leaf = noise.detach().clone().requires_grad_(True)
        logits = model((batch.images + self._leaf).clamp(0, 1)).float()
        return self.cross_entropy(logits, batch.labels), logits

    def after_backward(self, model: nn.Module) -> None:
        assert self._noise is not None
        assert self._leaf is not None
        assert self._leaf.grad is not None
        gradient = self._leaf.grad
        rows = self._noise[self._first : self._first + len(gradient)]
        rows.add_(gradient.sign(), alpha=self._step).clamp_(-self._eps, self._eps)
        self._first += len(gradient)
        self._leaf = None

    def state_dict(self) -> dict[str, Tensor]:
        return {} if self._noise is None else {"perturbation": self._noise}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self._noise = state.get("perturbation")

    def _rows(self, images: Tensor) -> Tensor:
        """The perturbation of a micro-batch's places; zero where none has been before."""
        last = self._first + len(images)
        if self._noise is None:
            self._noise = torch.zeros_like(images)
        self._noise = self._noise.to(images.device)
        if len(self._noise) < last:
            more = self._noise.new_zeros((last - len(self._noise), *images.shape[1:]))
            self._noise = torch.cat([self._noise, more])
        return self._noise[self._first : last]
