"""A few test images with what an attack makes of them, in a small file beside a transfer's result.

A plain safetensors file, for people to look at; no number is computed from it. The tensors are the
fields of ``Pictures``; its metadata is one key holding JSON, so that the bytes are always the same.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from dwlt.errors import FormatError

META = "dwlt-pictures"
VERSION = 1


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Some test images, clean and attacked, and the network's first filters.

    Attributes:
        clean: (n, C, H, W) uint8.
        change: (n, C, H, W) int8, what the attack added, in 127ths of ``largest``.
        labels, before, after: (n,) int64, the true class and what the network says of the clean
            and of the attacked image.
        filters: (out, in, h, w) float32, weights of the first prunable layer; masked ones are 0.
        largest: the largest change of a pixel, as a share of the range of pixels.
        attack: its label; "" where none was made.
        classes: names, by number.
    """

    clean: NDArray[np.uint8]
    change: NDArray[np.int8]
    labels: NDArray[np.int64]
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    filters: NDArray[np.float32]
    largest: float
    attack: str
    classes: tuple[str, ...]

    @property
    def attacked(self) -> NDArray[np.uint8]:
        """(n, C, H, W) the attacked images."""
        moved = self.clean + self.change * (self.largest * 255 / 127)
        return moved.round().clip(0, 255).astype(np.uint8)


_TENSORS = {
    "clean": (np.uint8, 4),
    "change": (np.int8, 4),
    "labels": (np.int64, 1),
    "before": (np.int64, 1),
    "after": (np.int64, 1),
    "filters": (np.float32, 4),
}
"""Type and number of dimensions of each tensor."""


def to_bytes(pictures: Pictures) -> bytes:
    """The file's content; the same pictures always give the same bytes."""
    tensors: dict[str, NDArray[Any]] = {
        name: np.ascontiguousarray(getattr(pictures, name), dtype=kind)
        for name, (kind, _) in _TENSORS.items()
    }
    said = {"largest": pictures.largest, "attack": pictures.attack, "classes": pictures.classes}
    meta = json.dumps({**said, "version": VERSION}, sort_keys=True)
    return bytes(save(tensors, metadata={META: meta}))


def read_pictures(path: Path) -> Pictures:
    """Read a file of pictures.

    Raises:
        FormatError: it cannot be read, or is not such a file; the message names it.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            meta = json.loads((file.metadata() or {}).get(META, "null"))
            tensors = {name: file.get_tensor(name) for name in _TENSORS}
        if meta["version"] != VERSION:
            raise FormatError(f"{path} has pictures of version {meta['version']}")
        classes = tuple(map(str, meta["classes"]))
        found = Pictures(
            **tensors, largest=float(meta["largest"]), attack=str(meta["attack"]), classes=classes
        )
    except (OSError, SafetensorError, TypeError, ValueError, KeyError) as error:
        raise FormatError(f"{path} cannot be read as pictures: {error}") from error
    n = len(found.labels)
    numbers = np.concatenate([found.labels, found.before, found.after])
    fits = (
        all(
            t.dtype == kind and t.ndim == dims
            for t, (kind, dims) in zip(tensors.values(), _TENSORS.values(), strict=True)
        )
        and found.clean.shape == found.change.shape
        and {len(found.clean), len(found.before), len(found.after)} == {n}
        and ((numbers >= 0) & (numbers < len(classes))).all()
    )
    if not fits:
        raise FormatError(
            f"{path}: its tensors do not describe {n} images of {len(classes)} classes"
        )
    return found
