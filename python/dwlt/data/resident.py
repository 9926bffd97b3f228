"""Small sets: all pixels in memory as uint8, moved once to the device that asks for them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dwlt.data.order import Ints
from dwlt.data.pixels import Pixels
from dwlt.data.source import ImageSource, Loader
from dwlt.data.types import Split
from dwlt.data.view import CommonShape

_CHUNK = 256


class ResidentSplit(Split):
    """A split whose images are one (n, C, H, W) uint8 tensor."""

    def __init__(self, pixels: Tensor, **description: Any) -> None:
        super().__init__(**description)
        self.pixels = pixels
        self._on_device: dict[torch.device, Tensor] = {pixels.device: pixels}

    def _fetch(self, plan: Sequence[Ints], device: torch.device) -> Iterator[Tensor]:
        if device not in self._on_device:
            self._on_device[device] = self.pixels.to(device)
        pixels = self._on_device[device]
        for where in plan:
            yield pixels[torch.from_numpy(where).to(device)]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_on_device": {self.pixels.device: self.pixels}}


def _threads(view: CommonShape) -> int:
    """How many threads decode. Pillow decodes without the interpreter's lock, but of a small image
    most of the time goes to the Python code around that.

    Measured on 2 cores: 10,000 JPEGs of 32x32 take 1.0 s in one thread and 1.1 s in two.
    """
    small = view.size is None and view.shape[1] * view.shape[2] < 64 * 64
    return 1 if small else min(8, os.cpu_count() or 1)


def decode_all(source: ImageSource, indices: Ints, view: CommonShape) -> Tensor:
    """Decode samples with several threads into one (n, C, H, W) uint8 tensor.

    Raises:
        DataError: the first sample, in order, that cannot be read or does not fit.
    """
    out: Pixels = np.empty((len(indices), *view.shape), dtype=np.uint8)

    def work(start: int, loaders: list[Loader]) -> None:
        for offset, load in enumerate(loaders):
            position = start + offset
            out[position] = view.fit(load(), source.where(int(indices[position])))

    threads = _threads(view)
    waiting: deque[Future[None]] = deque()
    loaders = source.loaders(indices)
    with ThreadPoolExecutor(threads) as pool:
        try:
            for start in range(0, len(indices), _CHUNK):
                waiting.append(pool.submit(work, start, list(islice(loaders, _CHUNK))))
                if len(waiting) > 2 * threads:  # bounds the encoded bytes that are held
                    waiting.popleft().result()
            while waiting:
                waiting.popleft().result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return torch.from_numpy(out)
