"""The pieces that an evaluation is made in: shards of samples, and where finished ones are kept.

A shard is a fixed run of samples in id order. Its size is no setting: random numbers of AutoAttack
belong to shards, and an outcome must not depend on how much fits into memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from dwlt.data import Batch

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHARD = 128
"""Samples per shard: what is lost at most when an evaluation is killed. Never to be changed."""

Saved = dict[str, Any]


class SampleSet(Protocol):
    """What is measured: images with labels and numbers."""

    def __len__(self) -> int: ...

    def take(self, positions: NDArray[np.int64], *, device: torch.device | str) -> Batch:
        """Some samples, by position in id order."""


class NumberedSamples(SampleSet, Protocol):
    """Samples whose numbers say which images they are."""

    @property
    def origin(self) -> str:
        """The part of the data that the numbers count in."""


class Steps(Protocol):
    """Where finished steps are kept; what is saved is JSON-ready."""

    def load(self, step: str, shard: int) -> Saved | None: ...

    def save(self, step: str, shard: int, value: Saved) -> None: ...


class NoSteps:
    """Keeps no step: for evaluations that are not to be resumed."""

    def load(self, step: str, shard: int) -> Saved | None:
        return None

    def save(self, step: str, shard: int, value: Saved) -> None:
        pass


class Clock:
    """How long a pass has taken so far, from work done in this session alone."""

    def __init__(self) -> None:
        self._passes = 0
        self._seconds = 0.0

    def worked(self, passes: int, seconds: float) -> None:
        """Count work that was done just now."""
        self._passes += passes
        self._seconds += seconds

    def left(self, passes: int) -> float | None:
        """Seconds for so many passes to come; None before anything was done."""
        return None if self._passes == 0 else passes * self._seconds / self._passes


def shards_of(count: int) -> Iterator[NDArray[np.int64]]:
    """Positions of the samples of each shard, shard by shard."""
    for low in range(0, count, SHARD):
        yield np.arange(low, min(low + SHARD, count), dtype=np.int64)
