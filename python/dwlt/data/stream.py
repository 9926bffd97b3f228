"""Large sets: worker processes decode images ahead of their use.

Workers only decode and cut. Which samples a batch holds and which part of an image is wanted
follows from seed, epoch and sample, so the batches are the same whatever the number of workers, and
the same as a resident set's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils import data as torch_data

from dwlt.data import crop
from dwlt.data.order import Ints
from dwlt.data.source import ImageSource
from dwlt.data.types import Split
from dwlt.data.view import CommonShape
from dwlt.errors import DataError

MOST_WORKERS = 16
"""Of ``workers`` = None; more rarely help one device, and each is a process."""

_PIECE = 64
"""Images that a worker decodes at a time. A batch is several pieces, so that all workers are at one
batch and its first images need not wait for the last."""

_AHEAD = 512 * 1024**2
"""Bytes of decoded images that wait for their use, beside one piece for each worker: workers decode
ahead, and memory stays bounded whatever the batch."""


class StreamSplit(Split):
    """A split whose images are decoded when they are needed.

    Args:
        workers: processes that decode ahead; 0 decodes in this process, None is one less than this
            process may use cores, at least one where there are two, at most ``MOST_WORKERS``.
    """

    def __init__(
        self, source: ImageSource, view: CommonShape, *, workers: int | None, **description: Any
    ) -> None:
        super().__init__(**description)
        self._source = source
        self._view = view
        # More processes than cores only get in each other's way, and torch warns of it.
        self._workers = auto_workers() if workers is None else min(workers, _cores())

    def _fetch(
        self, plan: Sequence[Ints], device: torch.device, crops: int | None
    ) -> Iterator[Tensor]:
        pin = device.type == "cuda"
        pieces = [
            self.ids[where[start : start + _PIECE]]
            for where in plan
            for start in range(0, len(where), _PIECE)
        ]
        bytes_of_piece = _PIECE * int(np.prod(self._view.shape))
        per_worker = max(1, _AHEAD // bytes_of_piece // max(1, self._workers))
        loader = torch_data.DataLoader(
            _Decoder(self._source, self._view, crops),
            batch_size=None,
            sampler=pieces,
            num_workers=self._workers,
            prefetch_factor=min(per_worker, 16) if self._workers else None,
            pin_memory=pin,
            # Given only because the loader would otherwise draw from the global generator.
            generator=torch.Generator(),
        )
        arrived = iter(loader)
        for where in plan:
            batch = torch.empty((len(where), *self._view.shape), dtype=torch.uint8, device=device)
            for start in range(0, len(where), _PIECE):
                piece = self._next(arrived)
                batch[start : start + len(piece)].copy_(piece, non_blocking=pin)
            yield batch

    def _next(self, arrived: Iterator[Any]) -> Tensor:
        try:
            piece = next(arrived)
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            # The system ends processes when memory, or the shared memory of a container, is full.
            raise DataError(
                f"a process that decodes images was ended ({str(error).splitlines()[0]})",
                hint="give it more (shared) memory, or decode with fewer processes: --workers 0",
            ) from error
        if isinstance(piece, _Failure):
            raise DataError(piece.message, hint=piece.hint)
        assert isinstance(piece, Tensor)
        return piece


def auto_workers() -> int:
    """How many processes decode where the user does not say."""
    # Several trainings of one launcher share the machine's cores.
    share = _cores() // max(1, int(os.environ.get("LOCAL_WORLD_SIZE", "1") or 1))
    return max(0, min(MOST_WORKERS, share - 1))


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
    """Maps ids to their pixels: (B, C, H, W) uint8."""

    def __init__(self, source: ImageSource, view: CommonShape, crops: int | None) -> None:
        self._source = source
        self._view = view
        self._crops = crops

    def __getitem__(self, ids: Ints) -> Tensor | _Failure:  # type: ignore[override]
        out = np.empty((len(ids), *self._view.shape), dtype=np.uint8)
        # Once for all of them: a row of numbers each, which the size of an image makes a part of.
        draws = None if self._crops is None else crop.draws_of(ids, self._crops)
        try:
            for position, load in enumerate(self._source.loaders(ids)):
                sample = int(ids[position])
                where = self._source.where(sample)
                if draws is None:
                    out[position] = self._view.fit(load(), where)
                else:
                    choose = partial(crop.box, draws=draws[position])
                    out[position] = self._view.fit_crop(load, choose, where)
        except DataError as error:
            return _Failure(error)
        return torch.from_numpy(out)
