"""Small sets: all pixels in memory as uint8, moved once to the device that asks for them."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dwlt.data import crop, resample
from dwlt.data.order import Ints
from dwlt.data.pixels import Pixels
from dwlt.data.source import ImageSource, Loader
from dwlt.data.types import Split
from dwlt.data.view import PROBE, CommonShape
from dwlt.errors import DataError

_CHUNK = 256


class ResidentSplit(Split):
    """A split whose images are one (n, C, h, w) uint8 tensor.

    They may be smaller than the task's images; then they are enlarged where they are used, to the
    pixels that an image enlarged before would have.
    """

    def __init__(self, pixels: Tensor, **description: Any) -> None:
        super().__init__(**description)
        self.pixels = pixels
        self._on_device: dict[torch.device, Tensor] = {pixels.device: pixels}

    def _fetch(
        self, plan: Sequence[Ints], device: torch.device, crops: int | None
    ) -> Iterator[Tensor]:
        _, height, width = self.shape
        own_height, own_width = self.pixels.shape[2:]
        if device not in self._on_device:
            self._on_device[device] = self.pixels.to(device)
        pixels = self._on_device[device]
        for where in plan:
            some = pixels[torch.from_numpy(where).to(device)]
            if crops is not None:
                sides = np.full(len(where), own_height), np.full(len(where), own_width)
                boxes = crop.draw(*sides, self.ids[where], crops)
                yield resample.cut(some, boxes, height, width)
            elif (own_height, own_width) == (height, width):
                yield some
            else:
                yield resample.enlarge(some, height)

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


def at_own_size(source: ImageSource, indices: Ints, view: CommonShape, limit: int) -> Tensor | None:
    """Images that are all of one size, no larger than the task's, as (n, C, h, w) uint8.

    CIFAR at 224 pixels takes a 49th of what its enlarged images would.

    Returns:
        None where the images are larger, of several sizes, cannot be read, or take more than
        ``limit`` bytes; they are then to be decoded, and complained of, one by one.
    """
    try:
        looked = [load() for load in source.loaders(indices[:PROBE])]
    except DataError:
        return None
    sizes = {one.shape[:2] for one in looked}
    channels, height, width = view.shape
    # Grey is made of colour after resizing, and the order would show in the last bit.
    coloured = channels == 1 and any(one.ndim == 3 for one in looked)
    own = (channels, *looked[0].shape[:2])
    if len(sizes) > 1 or own[1] > height or own[2] > width or coloured:
        return None
    if len(indices) * int(np.prod(own)) > limit or (view.size is None and own != view.shape):
        return None
    try:
        return decode_all(source, indices, replace(view, shape=own, size=None, channels=None))
    except DataError:
        return None
