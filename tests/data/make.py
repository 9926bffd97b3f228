"""Tiny data sets on disk, in the layouts that users have."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image


def picture(label: int, number: int, *, side: int = 8, mode: str = "RGB") -> Image.Image:
    """An image whose pixels say which one it is."""
    rng = np.random.default_rng([label, number])
    shape = (side, side) if mode == "L" else (side, side, 3)
    pixels = rng.integers(0, 256, shape).astype(np.uint8)
    pixels[0, 0] = label
    pixels[0, 1] = number
    return Image.fromarray(pixels)


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    """The bytes of an image file."""
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def write_folder(root: Path, classes: Sequence[str], count: int, **options: Any) -> None:
    """``root/CLASS/NUMBER.png``."""
    for label, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for number in range(count):
            picture(label, number, **options).save(root / name / f"{number}.png")


def write_parquet(
    path: Path,
    labels: Sequence[Any],
    *,
    names: Sequence[str] | None = ("cat", "dog"),
    images: Sequence[bytes | None] | None = None,
    column: str = "label",
    rows_per_group: int = 5,
) -> None:
    """A Hugging Face style file; row i holds ``picture(0, i)`` unless ``images`` are given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [encoded(picture(0, i)) for i in range(len(labels))] if images is None else images
    structs = [{"bytes": data, "path": None} for data in images]
    table = pa.table(
        {
            "image": pa.array(structs, pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            column: pa.array(labels),
        }
    )
    if names is not None:
        features = {
            "image": {"_type": "Image"},
            column: {"names": list(names), "_type": "ClassLabel"},
        }
        text = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": text})
    pq.write_table(table, path, row_group_size=rows_per_group)
