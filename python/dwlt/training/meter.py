"""Sums over an epoch that stay on the device: reading one number per step would stall a GPU."""

from __future__ import annotations

import torch
from torch import Tensor

from dwlt.errors import TrainingError

CHECK_EVERY = 50
"""Steps between looks for a loss that is not finite: rare enough to cost nothing, often enough
that an epoch of hours does not run on in vain."""


class Meter:
    """Loss and accuracy of one epoch.

    Args:
        epoch: from 1, for messages.
        steps: of the epoch.
        lr: learning rate now, for messages.
    """

    def __init__(self, epoch: int, steps: int, device: torch.device) -> None:
        self._epoch = epoch
        self._losses = torch.zeros(steps, device=device)
        self._correct = torch.zeros((), dtype=torch.int64, device=device)
        self._sizes: list[int] = []
        self._checked = 0

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """One step's mean loss and logits.

        Raises:
            TrainingError: a loss among the latest steps is not finite.
        """
        self._losses[len(self._sizes)] = loss.detach()
        self._correct += (logits.detach().argmax(1) == labels).sum()
        self._sizes.append(len(labels))
        if len(self._sizes) - self._checked >= CHECK_EVERY:
            self.check()

    def check(self) -> None:
        """Check the losses since the last check.

        Raises:
            TrainingError: one is not finite; the message names epoch and step.
        """
        fresh = self._losses[self._checked : len(self._sizes)]
        bad = (~fresh.isfinite()).nonzero()
        if len(bad):
            step = self._checked + int(bad[0])
            raise TrainingError(
                f"the loss became {float(self._losses[step])} in epoch {self._epoch}, "
                f"step {step + 1}",
                hint="lower lr, add warm-up epochs, or train with precision = 'fp32'; each is "
                "another run, this one would come to the same point again",
            )
        self._checked = len(self._sizes)

    def totals(self) -> tuple[float, float]:
        """Mean loss and accuracy over the epoch's samples.

        Raises:
            TrainingError: as ``check``.
        """
        self.check()
        sizes = torch.tensor(self._sizes, dtype=torch.float64)
        losses = self._losses[: len(self._sizes)].double().cpu()
        count = float(sizes.sum())
        return float((losses * sizes).sum()) / count, int(self._correct) / count
