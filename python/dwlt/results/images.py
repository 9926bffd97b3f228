"""Which images were used for what, as digests: two uses of the same images have one digest."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass

from dwlt.results.base import NARROW, Text


@dataclass(frozen=True, slots=True, config=NARROW)
class ImageIds:
    """Digests of the images that a run used, taken where they were read; None: used for nothing.

    Attributes:
        train: what was trained on.
        validation: what checkpoints were chosen by, or would have been.
        test: what the reported numbers were measured on.
    """

    train: Text | None = None
    validation: Text | None = None
    test: Text | None = None


def ids_digest(origin: str, ids: NDArray[np.int64]) -> str:
    """Names a set of images in their order.

    Args:
        origin: the part of the data that the numbers count in, as ``Split.origin``.
        ids: (n,) numbers of the images in that part.

    Returns:
        "b2:" and 32 hexadecimal digits of BLAKE2b. Pinned by a test: never to be changed.
    """
    digest = hashlib.blake2b(origin.encode(), digest_size=16)
    digest.update(b"\0")
    digest.update(np.ascontiguousarray(ids, dtype="<i8").tobytes())
    return f"b2:{digest.hexdigest()}"
