"""From a TaskSpec to a Task: find the images, choose among them, split them, make them ready."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from dwlt.data import select
from dwlt.data.augment import FROM_ORIGINALS
from dwlt.data.order import Ints, shuffled
from dwlt.data.registry import FOLDER_LOADERS, find_loader
from dwlt.data.request import CACHE, Request
from dwlt.data.resident import ResidentSplit, at_own_size, decode_all
from dwlt.data.source import Dataset, ImageSource
from dwlt.data.stream import StreamSplit
from dwlt.data.types import Split, Task
from dwlt.data.view import CommonShape
from dwlt.errors import DataError
from dwlt.spec import TaskSpec
from dwlt.units import derive_seed

TEST_SHARE = 0.25
"""Cut from a set that comes without a test part; the conventional quarter."""

CUT_SEED = 0
"""Of the validation and test cuts. Fixed: who is held out must not vary with any setting."""

STATISTICS_SAMPLES = 2048
"""Images that mean and std of a streamed set are taken from: under 1% relative error."""

RESIDENT_BYTES = 2 * 1024**3
"""Sets up to this many bytes of pixels stay in memory."""


class Rows(NamedTuple):
    """Some samples of one source: their ids and renumbered labels."""

    source: ImageSource
    origin: str
    ids: Ints
    labels: Ints

    def take(self, positions: Ints) -> Rows:
        """The samples at ``positions``."""
        return self._replace(ids=self.ids[positions], labels=self.labels[positions])


@dataclass(frozen=True)
class Splits:
    """The three selections of a task, before a pixel is read."""

    classes: tuple[str, ...]
    train: Rows
    validation: Rows
    test: Rows
    notes: tuple[str, ...]


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
    return tuple(dataset.classes[index] for index in _chosen(dataset, spec, chosen))


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


def split_dataset(
    dataset: Dataset, spec: TaskSpec, classes: int | str | tuple[int | str, ...] | None
) -> Splits:
    """Choose classes, hold out validation and test, then take the subset of the training images.

    In this order, so that validation and test are the same images at every ``fraction`` and
    ``per_class`` (fewer of the same, where ``validation_fraction`` says so). Splits that come from
    one part are cut from each other; parts are files of their own.

    Raises:
        DataError: a class has no image, or too few to be split.
    """
    kept = _chosen(dataset, spec, classes)
    names = tuple(dataset.classes[index] for index in kept)
    if len(names) < 2:
        raise DataError(
            f"{spec.task} has a single class, {names[0]!r}: there is nothing to tell apart",
            hint="give images of at least two classes, a folder each",
        )
    notes = list(dataset.notes)
    held, validation = dataset.test, dataset.validation
    if held is None and validation is not None:
        held, validation = validation, None
        notes.append("no labelled test part: the official validation part is the test split")
    everything = _rows(dataset.train, "train", list(range(len(dataset.classes))))
    if held is None:
        # Before classes are chosen: a test image stays one whatever else is asked for.
        rest, cut = _cut(everything, TEST_SHARE, "test")
        train, test = _keep(rest, kept), _keep(cut, kept)
        notes.append(f"no test part: a quarter of each class is held out ({len(test.ids)} images)")
    else:
        train, test = _keep(everything, kept), _rows(held, "test", kept)
    absent = np.flatnonzero(np.bincount(train.labels, minlength=len(names)) == 0)
    if len(absent):
        raise DataError(
            f"class {names[absent[0]]!r} has no training image",
            hint="choose the other classes with `classes`, or add images of it",
        )
    if validation is None:
        train, valid = _cut(train, spec.validation, "validation")
    else:
        valid = _rows(validation, "validation", kept)
        notes.append("the official validation part is used whole; `validation` cuts nothing")
    for part, rows in (("test", test), ("validation", valid)):
        if len(rows.ids) == 0:
            raise DataError(f"no {part} image of the chosen classes", hint="choose other classes")
        gone = [
            names[label] for label in sorted(set(range(len(names))) - set(rows.labels.tolist()))
        ]
        if gone:
            notes.append(f"the {part} split has no image of {', '.join(gone[:5])}")
    if spec.test is not None and spec.test < len(test.ids):
        seed = derive_seed(spec.subset_seed, "test limit")
        whole = len(test.ids)
        test = test.take(select.cut(test.labels, test.ids, spec.test, seed)[1])
        notes.append(f"{spec.test} of {whole} test images are used")
    positions = select.subset(
        train.labels,
        train.ids,
        per_class=spec.per_class,
        fraction=spec.fraction,
        seed=derive_seed(spec.subset_seed, "subset"),
        names=names,
    )
    valid, note = _fewer_to_choose_on(valid, spec, names)
    return Splits(names, train.take(positions), valid, test, (*notes, *note))


def _fewer_to_choose_on(
    rows: Rows, spec: TaskSpec, names: tuple[str, ...]
) -> tuple[Rows, tuple[str, ...]]:
    """The share of the validation images that ``validation_fraction`` keeps, and a note of it."""
    wanted = spec.validation_fraction
    fraction = spec.fraction if wanted == "same" else wanted
    if fraction >= 1:
        return rows, ()
    kept = select.subset(
        rows.labels,
        rows.ids,
        per_class=None,
        fraction=fraction,
        seed=derive_seed(spec.subset_seed, "validation subset"),
        names=names,
    )
    return rows.take(kept), (f"{len(kept)} of {len(rows.ids)} validation images are used",)


def _chosen(
    dataset: Dataset, spec: TaskSpec, classes: int | str | tuple[int | str, ...] | None
) -> list[int]:
    """Indices of the wanted classes."""
    return select.choose_classes(dataset.classes, classes, derive_seed(spec.subset_seed, "classes"))


def _rows(source: ImageSource, origin: str, kept: list[int]) -> Rows:
    return _keep(Rows(source, origin, np.arange(len(source)), source.labels), kept)


def _keep(rows: Rows, kept: list[int]) -> Rows:
    """The samples of the kept classes, renumbered in their order."""
    renumbered = np.full(max(int(rows.labels.max(initial=0)), *kept) + 1, -1, dtype=np.int64)
    renumbered[kept] = np.arange(len(kept))
    labels = renumbered[rows.labels]
    positions = np.flatnonzero(labels >= 0)
    return rows._replace(ids=rows.ids[positions], labels=labels[positions])


def _cut(rows: Rows, amount: float, purpose: str) -> tuple[Rows, Rows]:
    rest, held = select.cut(rows.labels, rows.ids, amount, derive_seed(CUT_SEED, purpose))
    return rows.take(rest), rows.take(held)


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
