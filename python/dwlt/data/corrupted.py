"""Folders of corrupted images as CIFAR-10-C is published: one .npy file per corruption.

``labels.npy`` holds the labels; each other file holds the images of severity 1, then those of
severity 2, and so on to 5, (5 n, H, W, C) or (5 n, H, W) uint8.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dwlt.data import select
from dwlt.data.order import Ints
from dwlt.data.types import Batch
from dwlt.errors import DataError

LABELS = "labels.npy"
SEVERITIES = 5


class CorruptedImages:
    """One corruption at one severity: what an evaluation needs of a split."""

    def __init__(self, pixels: NDArray[np.uint8], labels: Ints, rows: Ints) -> None:
        self._pixels = pixels
        self._labels = labels
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, positions: Ints, *, device: torch.device | str = "cpu") -> Batch:
        """Some samples by position, read from the file; pixels in [0, 1]."""
        rows = self._rows[positions]
        pixels = self._pixels[rows]
        pixels = pixels[:, None] if pixels.ndim == 3 else pixels.transpose(0, 3, 1, 2)
        images = torch.from_numpy(np.ascontiguousarray(pixels)).to(device).float() / 255
        return Batch(
            images,
            torch.from_numpy(self._labels[rows]).to(device),
            torch.from_numpy(rows).to(device),
        )


class CorruptedFolder:
    """A folder of corrupted images.

    Args:
        folder: with ``labels.npy`` and a file per corruption.
        classes: how many classes the model tells apart.
        shape: (C, H, W) that it takes.
        limit: at most that many images per corruption and severity, the same ones for all,
            class-balanced and seeded; None takes all.

    Raises:
        DataError: a file is missing, damaged, or does not fit the model.
    """

    def __init__(
        self, folder: Path, *, classes: int, shape: tuple[int, int, int], limit: int | None
    ) -> None:
        self.folder = folder
        self._shape = shape
        labels = _labels(folder / LABELS, classes)
        # "._x.npy" is what macOS keeps beside x.npy.
        self.names = sorted(
            path.stem
            for path in folder.glob("*.npy")
            if path.name != LABELS and not path.name.startswith(".")
        )
        if not self.names:
            raise DataError(
                f"{folder} holds no corrupted images",
                hint="give a folder like CIFAR-10-C: labels.npy, gaussian_noise.npy, ...",
            )
        first = folder / f"{self.names[0]}.npy"
        if _open(first).shape[:1] == labels.shape:
            # CIFAR-10-C repeats its labels for each severity.
            labels = _once(labels, f"{folder / LABELS}, beside {first.name}")
        self._labels = labels
        self._rows: Ints = np.arange(len(labels))
        if limit is not None and limit < len(labels):
            self._rows = select.cut(labels, self._rows, limit, 0)[1]

    def images(self, name: str, severity: int) -> CorruptedImages:
        """The images of one corruption at one severity.

        Args:
            name: the corruption, as its file is called.
            severity: 1 to 5.

        Raises:
            DataError: the file cannot be read, or is not uint8 of the expected shape.
        """
        path = self.folder / f"{name}.npy"
        pixels = _open(path)
        channels, height, width = self._shape
        sides = (height, width) if channels == 1 and pixels.ndim == 3 else (height, width, channels)
        if pixels.dtype != np.uint8 or pixels.shape != (len(self._labels) * SEVERITIES, *sides):
            raise DataError(
                f"{path} holds {pixels.dtype} of shape {pixels.shape}, not uint8 of "
                f"{(len(self._labels) * SEVERITIES, *sides)}",
                hint=f"five severities of the {len(self._labels)} images that {LABELS} names",
            )
        first = (severity - 1) * len(self._labels)
        return CorruptedImages(pixels[first : first + len(self._labels)], self._labels, self._rows)

    def fingerprint(self) -> str:
        """Digest of names, sizes, labels and the first and last images of every file."""
        digest = hashlib.blake2b(self._labels.tobytes(), digest_size=16)
        for name in self.names:
            pixels = _open(self.folder / f"{name}.npy")
            digest.update(f"{name} {pixels.shape}".encode())
            digest.update(np.ascontiguousarray(pixels[:64]).tobytes())
            digest.update(np.ascontiguousarray(pixels[-64:]).tobytes())
        return digest.hexdigest()


def _labels(path: Path, classes: int) -> Ints:
    labels = _open(path)
    if labels.dtype.kind not in "iub":
        raise DataError(
            f"{path}: labels of type {labels.dtype}, not whole numbers",
            hint=f"number the classes 0 to {classes - 1}",
        )
    if labels.ndim != 1 or len(labels) == 0 or labels.min() < 0 or labels.max() >= classes:
        raise DataError(
            f"{path} does not hold labels of {classes} classes, which is what the model tells apart"
        )
    return labels.astype(np.int64)


def _once(labels: Ints, where: str) -> Ints:
    """The labels of one severity, of labels that are given for all of them."""
    each = labels[: len(labels) // SEVERITIES * SEVERITIES].reshape(SEVERITIES, -1)
    if len(labels) % SEVERITIES or np.any(each != each[0]):
        raise DataError(
            f"{where}: {len(labels)} labels that do not repeat {SEVERITIES} times",
            hint="a file holds the same images at severity 1, then at 2, and so on to 5",
        )
    once: Ints = each[0]
    return once


def _open(path: Path) -> NDArray[Any]:
    try:
        # Not read whole: a file of CIFAR-10-C has 150 MB, one of ImageNet-C's size has far more.
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        if path.is_symlink():
            raise DataError(f"{path}: is a link that leads nowhere", hint="mend it") from None
        raise DataError(f"{path} is missing", hint="a folder like CIFAR-10-C holds it") from None
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} cannot be read as a numpy file: {error}") from error
    return array
