"""The shape that all images of a task are brought to, decided once from a few of them."""

from __future__ import annotations

from dataclasses import dataclass

from dwlt.data.order import Ints
from dwlt.data.pixels import Choose, Pixels, common_shape, fit, fit_crop
from dwlt.data.source import ImageSource, Loader

PROBE = 64
"""Number of training images that decide on shape and channels."""


@dataclass(frozen=True)
class CommonShape:
    """The shape that every image of a task is brought to, and what was asked for."""

    shape: tuple[int, int, int]
    size: int | None
    channels: int | None

    @classmethod
    def of(
        cls, source: ImageSource, indices: Ints, *, size: int | None, channels: int | None
    ) -> CommonShape:
        """Look at the first images of ``indices``.

        Raises:
            DataError: one of them cannot be read.
        """
        looked = (load() for load in source.loaders(indices[:PROBE]))
        return cls(common_shape(looked, size=size, channels=channels), size, channels)

    def fit(self, pixels: Pixels, where: str) -> Pixels:
        """One image as (C, H, W) uint8. Raises DataError where it does not fit."""
        return fit(pixels, self.shape, size=self.size, asked=self.channels is not None, where=where)

    def fit_crop(self, load: Loader, choose: Choose, where: str) -> Pixels:
        """The part of one image that ``choose`` names, as (C, H, W) uint8.

        Raises:
            DataError: the image cannot be read, or is in colour where grey is expected.
        """
        asked = self.channels is not None
        return fit_crop(load.crop, choose, self.shape, asked=asked, where=where)
