"""Where a device profits from half precision, another memory layout, or tuned kernels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import nn

from dwlt.spec import TrainSpec

if TYPE_CHECKING:
    from dwlt.data import Batch


class Precision:
    """How one training computes on one device.

    bf16 is a matter of autocast: weights, momentum, losses and checkpoints stay float32, and
    bf16 has float32's range, so no loss scaling is needed.
    """

    def __init__(self, spec: TrainSpec, device: torch.device) -> None:
        cuda = device.type == "cuda"
        self.device = device
        self.bf16 = spec.precision == "bf16" or (spec.precision == "auto" and cuda)
        self.compiles = cuda and spec.compile == "auto"
        self.channels_last = cuda if spec.channels_last == "auto" else spec.channels_last

    def autocast(self) -> torch.autocast:
        """Around every forward and attack of a training step."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16)

    def lay_out(self, batch: Batch) -> Batch:
        """The batch with its images in the layout that the weights have."""
        if not self.channels_last:
            return batch
        return replace(batch, images=batch.images.contiguous(memory_format=torch.channels_last))

    @contextmanager
    def prepared(self, model: nn.Module) -> Iterator[None]:
        """The model on the device and laid out, back in the ordinary layout afterwards."""
        model.to(self.device)
        benchmark = torch.backends.cudnn.benchmark
        try:
            if self.channels_last:
                model.to(memory_format=torch.channels_last)
            # Batches of one shape recur thousands of times: timing the kernels once pays.
            torch.backends.cudnn.benchmark = self.device.type == "cuda"
            yield
        finally:
            torch.backends.cudnn.benchmark = benchmark
            if self.channels_last:
                model.to(memory_format=torch.contiguous_format)
