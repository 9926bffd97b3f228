"""Running statistics of a step whose batch passes through the network in several pieces."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class RunningStatistics:
    """Moves a network's buffers once per step, by the mean of what its pieces would do alone.

    Every piece begins with the buffers as they were when the step began, so that an attack in
    evaluation mode meets the same network whichever piece it belongs to, and whichever device
    computes it. Afterwards floating-point buffers hold the mean of what the pieces have left,
    weighted by their images. Of BatchNorm that is one update with its momentum towards the mean
    of the pieces' statistics. Other buffers, such as BatchNorm's count of updates, are left as
    one piece leaves them.

    Args:
        model: the network; its buffers are changed in place.
        total: adds up a tensor over all devices, in place.
    """

    def __init__(self, model: nn.Module, total: Callable[[Tensor], None]) -> None:
        self._buffers = list(dict.fromkeys(model.buffers()))
        self._total = total
        self._before: list[Tensor] = []
        self._moved: list[Tensor] = []

    @torch.no_grad()
    def begin(self) -> None:
        """Called before the first piece of a step."""
        self._before = [buffer.clone() for buffer in self._buffers]
        self._moved = [
            torch.zeros_like(buffer) for buffer in self._buffers if buffer.is_floating_point()
        ]

    @torch.no_grad()
    def restore(self) -> None:
        """Called before every other piece: the buffers as the step found them."""
        for buffer, before in zip(self._buffers, self._before, strict=True):
            buffer.copy_(before)

    @torch.no_grad()
    def add(self, weight: float) -> None:
        """Called after a piece."""
        for moved, buffer, before in zip(self._moved, *self._floating(), strict=True):
            moved.add_(buffer - before, alpha=weight)

    @torch.no_grad()
    def end(self) -> None:
        """Called after the last piece."""
        if not self._moved:
            return
        # One sum over all devices, not one for each layer.
        flat = torch.cat([moved.flatten().float() for moved in self._moved])
        self._total(flat)
        low = 0
        for buffer, before in zip(*self._floating(), strict=True):
            high = low + buffer.numel()
            # From the start and not as a plain mean: a buffer that does not move keeps its bits.
            buffer.copy_(before + flat[low:high].view_as(buffer))
            low = high

    def _floating(self) -> tuple[list[Tensor], list[Tensor]]:
        kept = [i for i, buffer in enumerate(self._buffers) if buffer.is_floating_point()]
        return [self._buffers[i] for i in kept], [self._before[i] for i in kept]
