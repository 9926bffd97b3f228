"""Outcomes image by image in a small file beside a result: one bit per image and measurement.

A plain safetensors file. ``ids`` (int64) holds the numbers of the test images; every other tensor
is uint8 with ``ceil(n / 8)`` bytes, bit i of which is image i (bit ``i % 8``, least significant
first, of byte ``i / 8``): 1 where the network was right on the image, or held against the attack.
Padding bits are 0. Its metadata is one key holding JSON, so that the bytes are always the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from dwlt.errors import FormatError

Bits = NDArray[np.bool_]

META = "dwlt-outcomes"
VERSION = 1
IDS = "ids"


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """Which test images a network got right, in one measurement.

    Attributes:
        bits: (n,) one for each image.
        images: digest of the images in their order (``results.images.ids_digest``).
    """

    bits: Bits
    images: str


@dataclass(frozen=True, slots=True, eq=False)
class OutcomeTable:
    """All measurements of a file.

    Attributes:
        ids: (n,) numbers of the test images.
        images: their digest.
        bits: by measurement. Of a transfer: "best_sa.sa", "best_sa.ra", "best_ra.sa" and
            "best_ra.ra" (checkpoint, measure). Of an evaluation: "sa", "ra", and "after.NAME"
            after each attack.
    """

    ids: NDArray[np.int64]
    images: str
    bits: Mapping[str, Bits]

    def of(self, name: str) -> Outcomes | None:
        """One measurement, or None where it was not made."""
        return Outcomes(self.bits[name], self.images) if name in self.bits else None


def to_bytes(table: OutcomeTable) -> bytes:
    """The file's content; the same table always gives the same bytes.

    Raises:
        ValueError: a row of bits is not as long as ``ids``.
    """
    n = len(table.ids)
    tensors: dict[str, NDArray[Any]] = {IDS: np.ascontiguousarray(table.ids, dtype=np.int64)}
    for name, bits in table.bits.items():
        if bits.shape != (n,):
            raise ValueError(f"{name} has outcomes of shape {bits.shape} for {n} images")
        tensors[name] = np.packbits(bits, bitorder="little")
    meta = json.dumps({"images": table.images, "n": n, "version": VERSION}, sort_keys=True)
    return bytes(save(tensors, metadata={META: meta}))


def read_outcomes(path: Path) -> OutcomeTable:
    """Read a file of outcomes.

    Raises:
        FormatError: it cannot be read, or is not such a file; the message names file and tensor.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            said = (file.metadata() or {}).get(META)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, TypeError, ValueError) as error:
        raise FormatError(f"{path} cannot be read as outcomes: {error}") from error
    try:
        meta = json.loads(said or "null")
        images, n = meta["images"], meta["n"]
    except (ValueError, KeyError, TypeError):
        raise FormatError(f"{path} holds no outcomes: it lacks the metadata {META!r}") from None
    if meta.get("version") != VERSION:
        found = meta.get("version")
        raise FormatError(f"{path} has outcomes of version {found}; this dwlt reads {VERSION}")
    ids = tensors.pop(IDS, None)
    if not isinstance(images, str) or type(n) is not int or ids is None:
        raise FormatError(f"{path} holds no outcomes: ids, n or images is missing")
    if ids.dtype != np.int64 or ids.shape != (n,):
        raise FormatError(f"{path}: ids is not one whole number for each of {n} images")
    bits = {name: _unpack(path, name, packed, n) for name, packed in tensors.items()}
    return OutcomeTable(ids, images, bits)


def _unpack(path: Path, name: str, packed: NDArray[np.uint8], n: int) -> Bits:
    if packed.dtype != np.uint8 or packed.shape != ((n + 7) // 8,):
        raise FormatError(f"{path}: {name} does not hold one bit for each of {n} images")
    bits = np.unpackbits(packed, bitorder="little")
    if bits[n:].any():
        raise FormatError(f"{path}: {name} has bits beyond its {n} images")
    return bits[:n].astype(np.bool_)
