"""How a batch is cut into the pieces that pass through the network one at a time.

The cut is a function of the batch and of ``train.micro_batch`` alone. Which device takes which
piece comes second and changes no number: a piece's images, its weight and its random numbers stay
what they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Piece:
    """Some images of one step's batch, shown to the network at once.

    Attributes:
        index: its number among the pieces of the step, from 0.
        low, high: its images, as positions in the batch.
        weight: its share of the batch's images; 0 where another device counts it.
    """

    index: int
    low: int
    high: int
    weight: float


def cut(count: int, micro_batch: int | None) -> list[tuple[int, int]]:
    """Cut a batch into as few pieces of at most ``micro_batch`` images as possible, all but equal.

    Sizes differ by one image at most, so that no piece is left with a few images whose batch
    statistics would be poor. A piece of one image, which batch normalisation cannot train on, is
    avoided: with ``micro_batch`` 2, an odd batch has one piece of 3.

    Args:
        count: images in the batch.
        micro_batch: the most images at once; None: the whole batch.

    Returns:
        (low, high) of each piece, in order, without gaps.
    """
    if micro_batch is None or count <= micro_batch:
        return [(0, count)]
    parts = max(1, min(-(-count // micro_batch), count // 2))
    return [(count * part // parts, count * (part + 1) // parts) for part in range(parts)]


def share(parts: int, rank: int, devices: int) -> range:
    """The pieces of one device: a run of them, one more than another device's at most.

    Empty for some devices where there are fewer pieces than devices; the first always has one.
    """
    mine = [part for part in range(parts) if part * devices // parts == rank]
    return range(mine[0], mine[-1] + 1) if mine else range(0)


class Cuts:
    """The pieces of every step of an epoch, and those that fall to one device.

    Args:
        sizes: images of each step.
        micro_batch: as in ``cut``.
        rank, devices: which of how many devices this is.
    """

    def __init__(
        self, sizes: Sequence[int], micro_batch: int | None, rank: int = 0, devices: int = 1
    ) -> None:
        self.sizes = sizes
        self._micro_batch = micro_batch
        self._rank = rank
        self._devices = devices

    def __len__(self) -> int:
        """Steps of the epoch."""
        return len(self.sizes)

    def mine(self, step: int) -> list[Piece]:
        """The pieces of a step that this device computes, never none.

        A device that is left without one repeats the first and counts it for nothing: devices
        that average their gradients all have to take part, and waiting would not be faster.
        """
        count = self.sizes[step]
        pieces = cut(count, self._micro_batch)
        own = share(len(pieces), self._rank, self._devices)
        if not own:
            return [Piece(0, *pieces[0], 0.0)]
        return [Piece(i, *pieces[i], (pieces[i][1] - pieces[i][0]) / count) for i in own]
