"""Sums over an epoch that stay on the device: reading one number per step would stall a GPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

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
        sizes: images of each of its steps.
        replays: optimiser steps on each batch, one after another.
        total: adds up a tensor over all devices, in place.
    """

    def __init__(
        self,
        epoch: int,
        sizes: Sequence[int],
        replays: int,
        device: torch.device,
        total: Callable[[Tensor], None],
    ) -> None:
        self._epoch = epoch
        self._replays = replays
        self._sizes = torch.tensor(sizes, dtype=torch.float64).repeat_interleave(replays)
        self._losses = torch.zeros(len(self._sizes), device=device)
        self._correct = torch.zeros((), dtype=torch.int64, device=device)
        self._total = total
        self._steps = 0
        self._checked = 0

    def add(
        self, step: int, replay: int, weight: float, loss: Tensor, logits: Tensor, labels: Tensor
    ) -> None:
        """The mean loss and the logits of one piece, and its share of the step's images."""
        self._losses[step * self._replays + replay] += loss.detach() * weight
        if weight:
            self._correct += (logits.detach().argmax(1) == labels).sum()

    def end_step(self) -> None:
        """Called after each step, replays included.

        Raises:
            TrainingError: a loss among the latest steps is not finite.
        """
        self._steps += 1
        if self._steps - self._checked >= CHECK_EVERY:
            self.check()

    def check(self) -> None:
        """Check the losses since the last check, of all devices.

        Raises:
            TrainingError: one is not finite; the message names epoch and step.
        """
        fresh = self._losses[self._checked * self._replays : self._steps * self._replays].clone()
        self._total(fresh)
        bad = (~fresh.isfinite()).nonzero()
        if len(bad):
            step = self._checked + int(bad[0]) // self._replays
            raise TrainingError(
                f"the loss became {float(fresh[int(bad[0])])} in epoch {self._epoch}, "
                f"step {step + 1}",
                hint="lower lr, add warm-up epochs, or train with precision = 'fp32'; each is "
                "another run, this one would come to the same point again",
            )
        self._checked = self._steps

    def totals(self) -> tuple[float, float]:
        """Mean loss and accuracy over the epoch's samples.

        Raises:
            TrainingError: as ``check``.
        """
        self.check()
        found = self.state_dict()
        sizes = self._sizes[: self._steps * self._replays]
        count = float(sizes.sum())
        losses = found["losses"].double().cpu()
        return float((losses * sizes).sum()) / count, int(found["correct"]) / count

    def state_dict(self) -> dict[str, Tensor]:
        """What the steps so far came to, on all devices together."""
        losses = self._losses[: self._steps * self._replays].clone()
        correct = self._correct.clone()
        self._total(losses)
        self._total(correct)
        return {"losses": losses, "correct": correct}

    def load_state_dict(self, steps: int, state: Mapping[str, Tensor], *, counts: bool) -> None:
        """Go on after some steps.

        Args:
            steps: of this epoch that are done.
            counts: whether this device is the one that counts them; the others add nothing.
        """
        self._steps = self._checked = steps
        if counts:
            self._losses[: steps * self._replays] = state["losses"].to(self._losses.device)
            self._correct.copy_(state["correct"])
