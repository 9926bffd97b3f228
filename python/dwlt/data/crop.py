"""Random-resized crops as torchvision draws them: whole pixels of the image as it is stored.

The rule is that of ``torchvision.transforms.RandomResizedCrop`` (0.21), after Szegedy et al., 2015:
an area and an aspect are drawn up to ten times until the rectangle fits, then its place. Where none
fits, the largest rectangle of an allowed aspect is taken from the centre. The numbers are drawn as
everywhere in dwlt, from (seed, sample), so that a crop depends on neither batch nor process.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from dwlt.data.order import Floats, Ints, uniforms

AREAS = (0.08, 1.0)
"""Smallest and largest share of the image's area; torchvision's default."""

ASPECTS = (3 / 4, 4 / 3)
"""Narrowest and widest rectangle, width to height; torchvision's default."""

TRIES = 10
"""Rectangles that are drawn before the centre is taken; torchvision's number."""

_TOP, _LEFT, _MIRROR = 2 * TRIES, 2 * TRIES + 1, 2 * TRIES + 2
_COLUMNS = 2 * TRIES + 3


class Boxes(NamedTuple):
    """A rectangle for each of n images, in pixels, and whether it is mirrored left to right."""

    tops: Ints
    lefts: Ints
    heights: Ints
    widths: Ints
    mirrored: np.ndarray


def draw(heights: Ints, widths: Ints, ids: Ints, seed: int) -> Boxes:
    """The rectangles of some samples.

    Args:
        heights, widths: of the images, (n,) in pixels.
        ids: (n,) sample ids.
        seed: already derived for the epoch.
    """
    draws = draws_of(ids, seed)
    sizes = zip(heights.tolist(), widths.tolist(), strict=True)
    found = [box(height, width, draws[i]) for i, (height, width) in enumerate(sizes)]
    top, left, tall, wide, mirrored = np.array(found, dtype=np.int64).reshape(-1, 5).T.copy()
    return Boxes(top, left, tall, wide, mirrored > 0)


def draws_of(ids: Ints, seed: int) -> Floats:
    """The random numbers that each sample's rectangle is made of, one row for each."""
    return uniforms(seed, ids, _COLUMNS)


def box(height: int, width: int, draws: Floats) -> tuple[int, int, int, int, bool]:
    """Top, left, height, width of the rectangle in one image, and whether it is mirrored.

    Args:
        draws: the sample's row of ``draws_of``.
    """
    low, high = math.log(ASPECTS[0]), math.log(ASPECTS[1])
    row = draws.tolist()
    mirrored = row[_MIRROR] < 0.5
    for number in range(TRIES):
        area = height * width * (AREAS[0] + row[2 * number] * (AREAS[1] - AREAS[0]))
        aspect = math.exp(low + row[2 * number + 1] * (high - low))
        wide, tall = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < wide <= width and 0 < tall <= height:
            top = int(row[_TOP] * (height - tall + 1))
            left = int(row[_LEFT] * (width - wide + 1))
            return top, left, tall, wide, mirrored
    wide, tall = width, height
    # At least one pixel: an image of one row has less than that at an allowed aspect.
    if width / height < ASPECTS[0]:
        tall = max(1, round(width / ASPECTS[0]))
    elif width / height > ASPECTS[1]:
        wide = max(1, round(height * ASPECTS[1]))
    return (height - tall) // 2, (width - wide) // 2, tall, wide, mirrored
