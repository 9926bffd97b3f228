"""From a data set to the three splits of a task: which samples, before a pixel is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dwlt.data import select
from dwlt.data.order import Ints
from dwlt.data.source import Dataset, ImageSource
from dwlt.errors import DataError
from dwlt.spec import TaskSpec
from dwlt.units import derive_seed

TEST_SHARE = 0.25
"""Cut from a set that comes without a test part; the conventional quarter."""

CUT_SEED = 0
"""Of the validation and test cuts. Fixed: who is held out must not vary with any setting."""


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
    kept = chosen_classes(dataset, spec, classes)
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


def chosen_classes(
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
