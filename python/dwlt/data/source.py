"""Where images come from: labels at once, pixels on demand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dwlt.data.order import Ints
from dwlt.data.pixels import Choose, Pixels, crop_of, decode, decode_crop, from_pil
from dwlt.errors import DataError


class Loader(Protocol):
    """Decodes one image; what it needs has been fetched, so that it can run in any thread."""

    def __call__(self) -> Pixels:
        """The whole image."""

    def crop(self, choose: Choose, size: int) -> Pixels:
        """A part of the image at (size, size) pixels."""


@dataclass(frozen=True)
class Encoded:
    """An image as bytes of a file, had from ``read`` when they are wanted."""

    read: Callable[[], bytes]
    where: str

    def __call__(self) -> Pixels:
        return decode(self.read(), self.where)

    def crop(self, choose: Choose, size: int) -> Pixels:
        return decode_crop(self.read(), self.where, choose, size)


@dataclass(frozen=True)
class Decoded:
    """An image as pixels, had from ``read`` when they are wanted."""

    read: Callable[[], Pixels]

    def __call__(self) -> Pixels:
        return self.read()

    def crop(self, choose: Choose, size: int) -> Pixels:
        return crop_of(self.read(), choose, size)


class ImageSource(ABC):
    """The labelled images of one part of a data set.

    Attributes:
        labels: (n,) int64; the index of a sample here is its id.
        levels: the pixel value that stands for 1.0.
    """

    labels: Ints
    levels: int = 255

    def __len__(self) -> int:
        return len(self.labels)

    @abstractmethod
    def where(self, index: int) -> str:
        """The file and row of a sample, for messages."""

    @abstractmethod
    def loaders(self, indices: Ints) -> Iterator[Loader]:
        """A decoder per index, in order. Indices that ascend are fetched fastest.

        Raises:
            DataError: an image's bytes cannot be had.
        """

    def random_access(self, cache: Path) -> ImageSource:
        """A source of the same images that is quick in any order; may write to ``cache``."""
        del cache
        return self


@dataclass(frozen=True)
class Dataset:
    """A data set as found, before classes are chosen and splits are cut.

    Attributes:
        classes: names; label i is ``classes[i]``.
        train, validation, test: its official parts. Without test, one is made.
        notes: what the loader decided for the user.
    """

    classes: tuple[str, ...]
    train: ImageSource
    validation: ImageSource | None = None
    test: ImageSource | None = None
    notes: tuple[str, ...] = field(default=())


class ArraySource(ImageSource):
    """Images that are in memory: (n, H, W) or (n, H, W, 3) uint8."""

    def __init__(self, name: str, images: Pixels, labels: Ints, *, levels: int = 255) -> None:
        check_count(name, len(images), labels)
        self.name = name
        self.images = images
        self.labels = labels
        self.levels = levels

    def where(self, index: int) -> str:
        return f"{self.name}, image {index}"

    def loaders(self, indices: Ints) -> Iterator[Loader]:
        for index in indices:
            yield Decoded(partial(np.asarray, self.images[index]))


class FileSource(ImageSource):
    """One image file per sample."""

    def __init__(self, paths: Sequence[Path], labels: Ints) -> None:
        check_count("image files", len(paths), labels)
        self.paths = paths
        self.labels = labels

    def where(self, index: int) -> str:
        return str(self.paths[index])

    def loaders(self, indices: Ints) -> Iterator[Loader]:
        for index in indices:
            path = self.paths[index]
            yield Encoded(partial(read_bytes, path), str(path))


def read_bytes(path: Path) -> bytes:
    """A file's content.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror})", hint="check the file and its rights"
        ) from error


class IndexedSource(ImageSource):
    """A torchvision data set that only gives Pillow images, one index at a time."""

    def __init__(self, name: str, images: Sequence[tuple[object, int]], labels: Ints) -> None:
        self.name = name
        self.images = images
        self.labels = labels

    def where(self, index: int) -> str:
        return f"{self.name}, image {index}"

    def loaders(self, indices: Ints) -> Iterator[Loader]:
        for index in indices:
            yield Decoded(partial(self._load, int(index)))

    def _load(self, index: int) -> Pixels:
        try:
            image = self.images[index][0]
            return from_pil(image, self.where(index))  # type: ignore[arg-type]
        except DataError:
            raise
        except Exception as error:  # as in `pixels.decode`
            raise DataError(
                f"{self.where(index)}: not a readable image ({error})", hint="download it anew"
            ) from error


def check_count(name: str, count: int, labels: Ints) -> None:
    """Refuse labels that are not one per image.

    Raises:
        DataError: naming both numbers.
    """
    if labels.shape != (count,):
        raise DataError(
            f"{name}: {count} images and labels of shape {labels.shape}",
            hint="every image needs one label; get the set anew",
        )


def check_labels(
    labels: NDArray[np.int64], classes: Sequence[str], where: Callable[[int], str]
) -> None:
    """Refuse labels outside ``0..len(classes)-1``.

    Raises:
        DataError: naming the file and row of the first one.
    """
    bad = np.flatnonzero((labels < 0) | (labels >= len(classes)))
    if len(bad) == 0:
        return
    label = int(labels[bad[0]])
    hint = (
        "hidden labels cannot be scored; remove that file or use a labelled part as test"
        if label < 0
        else "mend the label, or the class names in the metadata"
    )
    raise DataError(
        f"{where(int(bad[0]))}: label {label}, but classes are 0-{len(classes) - 1}", hint=hint
    )
