"""Large sets: worker processes decode batches ahead of their use.

Workers only decode. Which samples a batch holds and how they are augmented is decided outside,
so the batches are the same whatever the number of workers, and the same as a resident set's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils import data as torch_data

from dwlt.data.order import Ints
from dwlt.data.source import ImageSource
from dwlt.data.types import Split
from dwlt.data.view import CommonShape
from dwlt.errors import DataError


class StreamSplit(Split):
    """A split whose images are decoded when they are needed.

    ``workers`` processes decode whole batches, two ahead each; 0 decodes in this process.
    """

    def __init__(
        self, source: ImageSource, view: CommonShape, *, workers: int, **description: Any
    ) -> None:
        super().__init__(**description)
        self._decoder = _Decoder(source, view)
        # More processes than cores only get in each other's way, and torch warns of it.
        self._workers = min(workers, _cores())

    def _fetch(self, plan: Sequence[Ints], device: torch.device) -> Iterator[Tensor]:
        pin = device.type == "cuda"
        loader = torch_data.DataLoader(
            self._decoder,
            batch_size=None,
            sampler=[self.ids[where] for where in plan],
            num_workers=self._workers,
            pin_memory=pin,
            # Given only because the loader would otherwise draw from the global generator.
            generator=torch.Generator(),
        )
        for pixels in loader:
            if isinstance(pixels, _Failure):
                raise DataError(pixels.message, hint=pixels.hint)
            yield pixels.to(device, non_blocking=pin)


def _cores() -> int:
    """Cores this process may use; a container often allows fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Failure:
    """A DataError on its way out of a worker, which would turn it into a traceback's text."""

    def __init__(self, error: DataError) -> None:
        self.message = str(error)
        self.hint = error.hint


class _Decoder(torch_data.Dataset[Tensor]):
    """Maps the ids of a batch to its pixels: (B, C, H, W) uint8."""

    def __init__(self, source: ImageSource, view: CommonShape) -> None:
        self._source = source
        self._view = view

    def __getitem__(self, ids: Ints) -> Tensor | _Failure:  # type: ignore[override]
        out = np.empty((len(ids), *self._view.shape), dtype=np.uint8)
        try:
            for position, load in enumerate(self._source.loaders(ids)):
                out[position] = self._view.fit(load(), self._source.where(int(ids[position])))
        except DataError as error:
            return _Failure(error)
        return torch.from_numpy(out)
