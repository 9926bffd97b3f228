"""What autograd keeps of a step for its way back, where the device's allocator tells nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class SavedBytes:
    """Counts the bytes of tensors that are saved for a backward pass, at their most.

    A storage counts once, however many operations save it, and not at all where it is the model's
    own. What single operations need for themselves is not seen, so the figure is a lower bound.

    Args:
        model: whose parameters and buffers are not counted.

    Attributes:
        most: bytes held at the same time.
    """

    def __init__(self, model: nn.Module) -> None:
        self.most = 0
        self._held: Counter[int] = Counter()
        self._bytes = 0
        own = (*model.parameters(), *model.buffers())
        self._own = {one.untyped_storage().data_ptr() for one in own}

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count in the block."""
        with torch.autograd.graph.saved_tensors_hooks(self._pack, lambda kept: kept.tensor):
            yield

    def _pack(self, tensor: Tensor) -> _Kept:
        storage = tensor.untyped_storage()
        place = storage.data_ptr()
        if place in self._own:
            return _Kept(tensor, None, 0)
        size = storage.nbytes()
        self._held[place] += 1
        if self._held[place] == 1:
            self._bytes += size
            self.most = max(self.most, self._bytes)
        return _Kept(tensor, self, size)

    def release(self, place: int, size: int) -> None:
        """One operation less holds the storage at an address."""
        self._held[place] -= 1
        if self._held[place] == 0:
            self._bytes -= size


class _Kept:
    """A saved tensor; it goes when autograd lets it go."""

    def __init__(self, tensor: Tensor, ledger: SavedBytes | None, size: int) -> None:
        self.tensor = tensor
        self._ledger = ledger
        self._place = tensor.untyped_storage().data_ptr()
        self._size = size

    def __del__(self) -> None:
        if self._ledger is not None:
            self._ledger.release(self._place, self._size)
