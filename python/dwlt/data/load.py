"""From a TaskSpec to a Task: find the images, choose among them, split them, make them ready."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from dwlt.data.augment import FROM_ORIGINALS
from dwlt.data.order import shuffled
from dwlt.data.registry import FOLDER_LOADERS, find_loader
from dwlt.data.request import CACHE, Request
from dwlt.data.resident import ResidentSplit, at_own_size, decode_all
from dwlt.data.source import Dataset
from dwlt.data.splits import CUT_SEED, Rows, Splits, chosen_classes, split_dataset
from dwlt.data.stream import StreamSplit
from dwlt.data.types import Split, Task
from dwlt.data.view import CommonShape
from dwlt.errors import DataError
from dwlt.spec import TaskSpec
from dwlt.units import derive_seed

STATISTICS_SAMPLES = 2048
"""Images that mean and std of a streamed set are taken from: under 1% relative error."""

RESIDENT_BYTES = 2 * 1024**3
"""Sets up to this many bytes of pixels stay in memory."""


def load_task(
    spec: TaskSpec,
    *,
    data_dir: Path,
    workers: int | None = 0,
    limit_resident_bytes: int = RESIDENT_BYTES,
) -> Task:
    """Load a task.

    Args:
        data_dir: where named sets are kept or downloaded to, and relative folders looked for.
        workers: processes that decode a streamed set; None leaves it to ``StreamSplit``. Results
            do not depend on it.
        limit_resident_bytes: sets with more bytes of pixels are streamed, or kept at their own
            size where that is smaller (see ``at_own_size``). Batches do not depend on it; ``mean``
            and ``std`` (see ``STATISTICS_SAMPLES``) and the fingerprint do.

    Raises:
        DataError: the set cannot be found, read or split as asked; file and row are named.
    """
    dataset, chosen = _open(spec, data_dir)
    parts = split_dataset(dataset, spec, chosen)
    view = CommonShape.of(
        parts.train.source, parts.train.ids, size=spec.size, channels=spec.channels
    )
    rows = {"train": parts.train, "validation": parts.validation, "test": parts.test}
    size = sum(len(one.ids) for one in rows.values()) * int(np.prod(view.shape))
    plain: dict[str, Tensor] = {}
    if size <= limit_resident_bytes:
        plain = {name: decode_all(one.source, one.ids, view) for name, one in rows.items()}
    splits: dict[str, Split] = {}
    for name, one in rows.items():
        about = {**_describe(one), "num_classes": len(parts.classes), "shape": view.shape}
        pixels = plain.get(name)
        if pixels is None or (name == "train" and spec.augment in FROM_ORIGINALS):
            pixels = at_own_size(one.source, one.ids, view, limit_resident_bytes)
        if pixels is not None:
            splits[name] = ResidentSplit(pixels, **about)
        else:
            quick = one.source.random_access(data_dir / CACHE)
            splits[name] = StreamSplit(quick, view, workers=workers, **about)
    mean, std = _statistics(parts.train, plain.get("train"), view)
    return Task(
        name=spec.task,
        classes=parts.classes,
        shape=view.shape,
        fingerprint=_fingerprint(parts, view, splits, plain),
        mean=mean,
        std=std,
        notes=parts.notes,
        readings=dataset.notes,
        **splits,
    )


def class_names(spec: TaskSpec, *, data_dir: Path) -> tuple[str, ...]:
    """The names of a task's classes, without reading its images.

    Raises:
        DataError: the set cannot be found, or has no such classes.
    """
    dataset, chosen = _open(spec, data_dir)
    return tuple(dataset.classes[index] for index in chosen_classes(dataset, spec, chosen))


def _describe(rows: Rows) -> dict[str, Any]:
    return {
        "labels": rows.labels,
        "ids": rows.ids,
        "origin": rows.origin,
        "levels": rows.source.levels,
    }


def _open(
    spec: TaskSpec, data_dir: Path
) -> tuple[Dataset, int | str | tuple[int | str, ...] | None]:
    """The data set behind a task's name, and which of its classes are wanted."""
    kind, _, argument = spec.task.partition(":")
    chosen = spec.classes
    loader = find_loader(kind)
    if kind not in FOLDER_LOADERS and argument:
        if chosen is not None:
            raise DataError(
                f"task {spec.task!r} already chooses classes, and `classes` is set too",
                hint=f"write {kind!r} with `classes`, or leave `classes` out",
            )
        chosen, argument = argument, ""
    return loader(Request(argument, data_dir, spec.size)), chosen


def _statistics(
    rows: Rows, pixels: Tensor | None, view: CommonShape
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and std of the training pixels per channel, from exact integer counts.

    Args:
        pixels: of all training images; None takes ``STATISTICS_SAMPLES`` of them.
    """
    if pixels is None:
        some = np.sort(shuffled(rows.ids, derive_seed(CUT_SEED, "statistics"))[:STATISTICS_SAMPLES])
        pixels = decode_all(rows.source, rows.ids[some], view)
    means, stds = [], []
    values = np.arange(256) / rows.source.levels
    for channel in range(view.shape[0]):
        counts = np.bincount(pixels[:, channel].numpy().ravel(), minlength=256)
        mean = float(counts @ values) / int(counts.sum())
        variance = float(counts @ (values - mean) ** 2) / int(counts.sum())
        means.append(mean)
        stds.append(float(np.sqrt(variance)) or 1.0)
    return tuple(means), tuple(stds)


def _fingerprint(
    parts: Splits, view: CommonShape, splits: dict[str, Split], plain: dict[str, Tensor]
) -> str:
    """Digest of class names, shape, ids and labels in order, and of the pixels of small sets.

    Augmentation is no part of it: the images are the same, however training varies them.

    Args:
        plain: the whole images of each split at the task's shape, where they fit into memory.
    """
    head = {"classes": parts.classes, "shape": view.shape, "levels": parts.train.source.levels}
    digest = hashlib.blake2b(json.dumps(head).encode(), digest_size=16)
    for name, split in splits.items():
        digest.update(f"{name} {split.origin} {len(split)}".encode())
        digest.update(split.ids.astype("<i8").tobytes())
        digest.update(split.labels.astype("<i8").tobytes())
        if name in plain:
            digest.update(plain[name].numpy().data)
    return digest.hexdigest()
