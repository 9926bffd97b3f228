"""``parquet:DIR``: an image-classification set as the Hugging Face hub ships it.

An ``image`` column of struct<bytes, path>, a ``label`` column, and class names in the schema
metadata under ``huggingface``. ``parquet:DIR#column`` names another label column.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dwlt.data.parquet_rows import ParquetSource
from dwlt.data.parquet_schema import Columns, read_columns
from dwlt.data.request import Request, find_folder
from dwlt.data.source import Dataset, check_labels
from dwlt.errors import DataError

_KINDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}
_PART = re.compile(r"(training|train|validation|valid|val|dev|testing|test)(?![a-z])")
_SHARD = re.compile(r"(.*)-(\d{5})-of-(\d{5})(?:-[0-9a-f]+)?")


def load(request: Request) -> Dataset:
    """Find the files, read schemas and labels; images are read later.

    Raises:
        DataError: no files, a missing shard, a damaged file, no label or image column, a null or
            impossible label. The message names file and row.
    """
    folder, _, column = request.argument.partition("#")
    root = find_folder(folder, request.data_dir)
    files, notes = find_files(root)
    parts: dict[str, ParquetSource] = {}
    columns = read_columns(files["train"][0], column or None)
    raw = {part: _Labels.read(paths, columns) for part, paths in files.items()}
    classes = columns.classes or _classes_of(raw["train"])
    for part, found in raw.items():
        source = ParquetSource(files[part], found.rows, columns.image, found.numbers(classes))
        check_labels(source.labels, classes, source.where)
        parts[part] = source
    return Dataset(
        classes, parts["train"], parts.get("validation"), parts.get("test"), notes=tuple(notes)
    )


def find_files(root: Path) -> tuple[dict[str, list[Path]], list[str]]:
    """The Parquet files of each part, by file name ("train-00000-of-00002") or else by folder.

    Looks into DIR, then DIR/data, then anywhere below. Files of no known part are the training
    part if they are all there is; otherwise they are left out, with a note.
    """
    for pattern in ("*.parquet", "data/*.parquet", "**/*.parquet"):
        found = sorted(one for one in root.glob(pattern) if not one.name.startswith("."))
        if found:
            break
    else:
        raise DataError(
            f"{root}: no Parquet files",
            hint="put train.parquet and test.parquet there (the Hugging Face layout)",
        )
    parts: dict[str, list[Path]] = {}
    unknown: list[Path] = []
    for path in found:
        part = _part_of(path.stem) or _part_of(path.parent.relative_to(root).name)
        (unknown if part is None else parts.setdefault(part, [])).append(path)
    if not parts:
        return {"train": unknown}, []
    if "train" not in parts:
        raise DataError(
            f"{root}: no training files beside {next(iter(parts.values()))[0].name}",
            hint="name them train*.parquet",
        )
    for paths in parts.values():
        _check_shards(paths)
    notes = [f"{path.name} is of no known part and was left out" for path in unknown]
    return parts, notes


def _part_of(name: str) -> str | None:
    match = _PART.match(name.lower())
    if match is None:
        return None
    return next(part for part, names in _KINDS.items() if match[1] in names)


def _check_shards(paths: Sequence[Path]) -> None:
    for path in paths:
        match = _SHARD.fullmatch(path.stem)
        if match is None:
            continue
        present = {
            int(other[2])
            for one in paths
            if (other := _SHARD.fullmatch(one.stem))
            and (other[1], other[3]) == (match[1], match[3])
        }
        missing = sorted(set(range(int(match[3]))) - present)
        if missing:
            raise DataError(
                f"{path.parent / f'{match[1]}-{missing[0]:05d}-of-{match[3]}.parquet'} is missing "
                f"({len(present)} of {int(match[3])} shards are there)",
                hint="download the missing shards",
            )


@dataclass(frozen=True)
class _Labels:
    """The label column of one part, and how many rows each file has."""

    values: list[Any] | np.ndarray
    rows: list[int]
    where: list[str]

    @classmethod
    def read(cls, paths: Sequence[Path], columns: Columns) -> _Labels:
        values: list[Any] = []
        rows: list[int] = []
        numbers: list[np.ndarray] = []
        for path in paths:
            columns.check_same(path)
            try:
                column = pq.ParquetFile(path).read(columns=[columns.label]).column(0)
            except (pa.ArrowException, OSError) as error:
                raise DataError(
                    f"{path}: damaged ({error})", hint="download the file anew"
                ) from error
            if column.null_count:
                row = int(np.flatnonzero(column.is_null().to_numpy())[0])
                raise DataError(
                    f"{path}, row {row}: the label is null", hint="remove the row or label it"
                )
            rows.append(len(column))
            if pa.types.is_integer(column.type) or pa.types.is_boolean(column.type):
                numbers.append(column.cast(pa.int64()).to_numpy())
            else:
                values += column.to_pylist()
        return cls(values or np.concatenate(numbers), rows, [str(path) for path in paths])

    def numbers(self, classes: Sequence[str]) -> np.ndarray:
        """Labels as int64; text is looked up among the class names."""
        if isinstance(self.values, np.ndarray):
            return self.values.astype(np.int64)
        index = {name: label for label, name in enumerate(classes)}
        for row, value in enumerate(self.values):
            if value not in index:
                name, below = self._place(row)
                raise DataError(
                    f"{name}, row {below}: label {value!r} is no training class",
                    hint="add training images of that class, or remove the row",
                )
        return np.array([index[value] for value in self.values], dtype=np.int64)

    def _place(self, row: int) -> tuple[str, int]:
        for name, count in zip(self.where, self.rows, strict=True):
            if row < count:
                return name, row
            row -= count
        raise IndexError(row)


def _classes_of(labels: _Labels) -> tuple[str, ...]:
    """Class names where the metadata has none: the texts found, or 0..max."""
    if isinstance(labels.values, np.ndarray):
        return tuple(str(label) for label in range(int(labels.values.max(initial=-1)) + 1))
    return tuple(sorted(set(labels.values)))
