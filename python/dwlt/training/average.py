"""An exponential moving average of the weights, which then stands for what was trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """The average of a network's state over the steps: weights and running statistics.

    After step t (from 1) it keeps the share min(decay, (1 + t) / (10 + t)) of itself, so that it
    forgets the weights that training began with (as TensorFlow's ExponentialMovingAverage does
    when it is told the step). Whole numbers, such as BatchNorm's count of batches, are the
    network's own.
    Robust networks gain from it (Rebuffi et al., arXiv 2103.01946, section 4).

    Args:
        model: with the weights that training begins with, masked ones at zero; they stay so.
        decay: below 1.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._model = model
        self._decay = decay
        self._average = {name: value.clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        """Take in the weights after an optimiser step.

        Args:
            step: of the whole training, from 0.
        """
        keep = min(self._decay, (2 + step) / (11 + step))
        for name, value in self._model.state_dict().items():
            mine = self._average[name]
            if mine.is_floating_point():
                mine.lerp_(value, 1 - keep)
            else:
                mine.copy_(value)

    def state_dict(self) -> dict[str, Tensor]:
        """The averaged state, by the names of the network's own."""
        return self._average

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take back what ``state_dict`` gave."""
        for name, value in self._average.items():
            value.copy_(state[name])

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The network has the averaged weights inside, and its own again afterwards."""
        own = {name: value.clone() for name, value in self._model.state_dict().items()}
        self.install()
        try:
            yield
        finally:
            self._put(own)

    def install(self) -> None:
        """Give the network the averaged weights for good."""
        self._put(self._average)

    @torch.no_grad()
    def _put(self, state: Mapping[str, Tensor]) -> None:
        for name, value in self._model.state_dict().items():
            value.copy_(state[name])
