"""The label column of Parquet files: one type, one label per row, and what the classes are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dwlt.data import names
from dwlt.data.order import Ints
from dwlt.data.parquet_schema import Columns, label_kind, plain_type
from dwlt.errors import DataError

MOST_CLASSES = 100_000
"""Without class names, a largest label at or above this has to be justified by as many images."""

CLASSES_PER_IMAGE = 10
"""How far above the number of images labels may reach: sets are cut down and keep their numbers."""


@dataclass(frozen=True)
class Labels:
    """The labels of one part.

    Attributes:
        values: numbers (n,) int64, or n texts.
        rows: number of rows of each file.
        paths: the files.
    """

    values: Ints | list[str]
    rows: list[int]
    paths: Sequence[Path]

    @classmethod
    def read(cls, paths: Sequence[Path], columns: Columns) -> Labels:
        """Read the label column of each file.

        Raises:
            DataError: a damaged file, a null, or labels of another type than the first file's.
        """
        texts: list[str] = []
        numbers: list[Ints] = []
        rows: list[int] = []
        for path in paths:
            columns.check_same(path)
            read = _read(path, columns.label)
            if isinstance(read, list):
                texts += read
            else:
                numbers.append(read)
            rows.append(len(read))
        values = texts if columns.kind == "text" else np.concatenate(numbers)
        if len(values) != sum(rows):  # cannot be, as all files are of one kind
            raise AssertionError(f"{len(values)} labels of {sum(rows)} rows")
        return cls(values, rows, paths)

    def numbers(self, classes: Sequence[str]) -> Ints:
        """Labels as int64; text is looked up among the class names.

        Raises:
            DataError: a text that is no class.
        """
        if isinstance(self.values, np.ndarray):
            return self.values
        index = {names.key(name): label for label, name in enumerate(classes)}
        looked = {text: index.get(names.key(text)) for text in set(self.values)}
        found = np.empty(len(self.values), dtype=np.int64)
        for row, text in enumerate(self.values):
            label = looked[text]
            if label is None:
                path, below = self._file_and_row(row)
                raise DataError(
                    f"{path}, row {below}: label {text!r} is no training class",
                    hint="add training images of that class, or remove the row",
                )
            found[row] = label
        return found

    def classes(self) -> tuple[str, ...]:
        """Class names where the metadata has none: the texts found, or "0" to the largest number.

        Raises:
            DataError: the numbers are too large to number classes.
        """
        if not isinstance(self.values, np.ndarray):
            return names.distinct(self.values)
        largest = int(self.values.max(initial=-1))
        if largest >= max(MOST_CLASSES, CLASSES_PER_IMAGE * len(self.values)):
            path, row = self._file_and_row(int(self.values.argmax()))
            raise DataError(
                f"{path}, row {row}: label {largest} among {len(self.values)} images; labels count "
                "classes from 0, so this looks like an id",
                hint="number the classes 0, 1, 2, ..., or store the labels as text; another column "
                "is named after the folder: parquet:DIR#COLUMN",
            )
        return tuple(str(label) for label in range(largest + 1))

    def _file_and_row(self, row: int) -> tuple[Path, int]:
        for path, count in zip(self.paths, self.rows, strict=True):
            if row < count:
                return path, row
            row -= count
        raise IndexError(row)


def _read(path: Path, name: str) -> Ints | list[str]:
    """The labels of one file."""
    try:
        column: Any = pq.ParquetFile(path).read(columns=[name]).column(0)
        kind = plain_type(column.type)
        if isinstance(column.type, pa.BaseExtensionType):
            column = pa.chunked_array(
                [chunk.storage for chunk in column.chunks], column.type.storage_type
            )
        if column.type != kind:
            column = column.cast(kind)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path}: damaged ({error})", hint="download the file anew") from error
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy())[0])
        raise DataError(f"{path}, row {row}: the label is null", hint="remove the row or label it")
    if label_kind(kind) == "text":
        try:
            texts: list[str] = column.to_pylist()
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path}: column {name!r} holds text that is not UTF-8", hint="write it as UTF-8"
            ) from error
        return texts
    try:
        numbers: Ints = column.cast(pa.int64()).to_numpy()
    except pa.ArrowInvalid as error:
        raise DataError(
            f"{path}: column {name!r} holds numbers beyond 64 bits ({error})",
            hint="number the classes 0, 1, 2, ..., or store the labels as text",
        ) from error
    return numbers
