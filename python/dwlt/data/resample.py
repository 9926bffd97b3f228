"""Pillow's bilinear enlarging on a device, bit for bit.

A set of small images that is wanted larger (CIFAR at 224 pixels) takes 49 times its memory once it
is resized, so it is kept at its own size and enlarged where it is used. What a network sees must
not depend on that, so this is Pillow's integer arithmetic (its ``Resample.c``): the weights of a
triangle filter in float64, rounded to 22 binary places; columns first, then rows, each rounded to
uint8. Sums of 8-bit pixels with weights that add up to one stay below 2**31, so int32 is exact on
every device. A test holds it against Pillow itself. Only enlarging is done here: then two source
pixels count for each target pixel, and no version of Pillow begins with the rows.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dwlt.data.crop import Boxes

_BITS = 22
_ELEMENTS = 1 << 24
"""Pixels of one chunk: bounds what is held in int32 beside the result to about 200 MB."""


def cut(images: Tensor, boxes: Boxes, height: int, width: int) -> Tensor:
    """Crop each image to its box, enlarge that to (height, width), and mirror where asked.

    Args:
        images: (B, C, h, w) uint8 on any device, no larger than the target.
        boxes: one for each image, inside it.

    Returns:
        (B, C, height, width) uint8 on the images' device: the pixels that Pillow's
        ``crop(...).resize((width, height), BILINEAR)`` gives.

    Raises:
        ValueError: the images are larger than the target.
    """
    if images.shape[2] > height or images.shape[3] > width:
        raise ValueError(f"images of {tuple(images.shape[2:])} cannot be reduced here")
    chunk = max(1, _ELEMENTS // (images.shape[1] * height * width))
    parts = []
    for start in range(0, max(1, len(images)), chunk):
        some = Boxes(*(column[start : start + chunk] for column in boxes))
        parts.append(_cut(images[start : start + chunk], some, height, width))
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def enlarge(images: Tensor, size: int) -> Tensor:
    """Scale the shorter side to ``size`` and keep the centre, as ``pixels.fit`` does.

    Args:
        images: (B, C, h, w) uint8, no side longer than ``size``.

    Returns:
        (B, C, size, size) uint8.
    """
    count, _, height, width = images.shape
    scale = size / min(height, width)
    new = (max(size, round(height * scale)), max(size, round(width * scale)))
    corner, side = np.zeros(count, np.int64), np.ones(count, np.int64)
    whole = Boxes(corner, corner, side * height, side * width, corner > 0)
    top, left = (new[0] - size) // 2, (new[1] - size) // 2
    return cut(images, whole, *new)[:, :, top : top + size, left : left + size].contiguous()


def _cut(images: Tensor, boxes: Boxes, height: int, width: int) -> Tensor:
    count, channels, rows, _ = images.shape
    mirrored = torch.from_numpy(boxes.mirrored).to(images.device)[:, None]
    taps = [
        [torch.where(mirrored, each.flip(1), each)[:, None, None, :] for each in tap]
        for tap in _taps(boxes.lefts, boxes.widths, width, images.device)
    ]
    wide = _sum(images, 3, taps, (count, channels, rows, width))
    taps = [
        [each[:, None, :, None] for each in tap]
        for tap in _taps(boxes.tops, boxes.heights, height, images.device)
    ]
    return _sum(wide, 2, taps, (count, channels, height, width))


def _sum(images: Tensor, axis: int, taps: list[list[Tensor]], shape: tuple[int, ...]) -> Tensor:
    """The weighted pixels of both taps, rounded to uint8."""
    first, second = (
        images.gather(axis, place.expand(shape)).to(torch.int32).mul_(weight)
        for place, weight in taps
    )
    total = first.add_(second).add_(1 << (_BITS - 1))
    return total.bitwise_right_shift_(_BITS).clamp_(0, 255).to(torch.uint8)


def _taps(
    starts: np.ndarray, sides: np.ndarray, size: int, device: torch.device
) -> list[list[Tensor]]:
    """The two source pixels that count for each target pixel of one axis, and how much.

    Returns:
        For each of the two: (B, size) int64 indices into the whole axis, (B, size) int32 weights.
    """
    start = torch.from_numpy(np.asarray(starts, np.int64)).to(device)[:, None]
    side = torch.from_numpy(np.asarray(sides, np.int64)).to(device)[:, None]
    # Float64 and the same order of operations as in Pillow: the results are the same bits.
    center = (torch.arange(size, device=device, dtype=torch.float64) + 0.5) * (side.double() / size)
    first = (center - 0.5).long().clamp_(min=0)
    last = torch.minimum((center + 1.5).long(), side)
    places = [first, first + 1]
    weights = [
        torch.where(place < last, (1.0 - (place - center + 0.5).abs()).clamp_(min=0.0), 0.0)
        for place in places
    ]
    total = weights[0] + weights[1]
    return [
        [
            torch.minimum(place, side - 1) + start,
            (0.5 + weight / total * (1 << _BITS)).to(torch.int32),
        ]
        for place, weight in zip(places, weights, strict=True)
    ]
