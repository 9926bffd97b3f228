"""``parquet:DIR``: an image-classification set as the Hugging Face hub ships it.

An ``image`` column of struct<bytes, path>, a ``label`` column, and class names in the schema
metadata under ``huggingface``. ``parquet:DIR#column`` names another label column.
"""

from __future__ import annotations

from pathlib import Path

from dwlt.data import names
from dwlt.data.parquet_files import Files, find_files
from dwlt.data.parquet_labels import Labels
from dwlt.data.parquet_rows import ParquetSource
from dwlt.data.parquet_schema import count_rows, read_columns
from dwlt.data.request import Request, find_folder
from dwlt.data.source import Dataset, check_labels
from dwlt.errors import DataError


def load(request: Request) -> Dataset:
    """Find the files, read schemas and labels; images are read later.

    Raises:
        DataError: no files, parts that cannot be told, a missing shard, a damaged file, a part
            without rows, no label or image column, labels of several types, a null or impossible
            label. The message names file and row.
    """
    folder, _, column = request.argument.partition("#")
    root = find_folder(folder, request.data_dir)
    files = find_files(root)
    notes = [*files.notes, *_left_out(root, files.left)]
    filled = _filled(files, notes)
    columns = read_columns(filled["train"][0], column or None)
    raw = {part: Labels.read(paths, columns) for part, paths in filled.items()}
    classes = columns.classes or raw["train"].classes()
    parts: dict[str, ParquetSource] = {}
    for part, found in raw.items():
        source = ParquetSource(found.paths, found.rows, columns.image, found.numbers(classes))
        check_labels(source.labels, classes, source.where)
        parts[part] = source
    return Dataset(
        classes, parts["train"], parts.get("validation"), parts.get("test"), notes=tuple(notes)
    )


def _filled(files: Files, notes: list[str]) -> dict[str, list[Path]]:
    """The files that have rows; an empty one may hold any type, so nothing else is asked of it.

    Raises:
        DataError: a part has no rows.
    """
    filled: dict[str, list[Path]] = {}
    for part, paths in files.parts.items():
        filled[part] = [path for path in paths if count_rows(path)]
        empty = [path.name for path in paths if path not in filled[part]]
        if not filled[part]:
            raise DataError(
                f"{names.some(paths)}: the {part} part has no rows",
                hint="remove its files, or write the images into them",
            )
        if empty:
            notes.append(f"files of the {part} part without rows: {names.some(empty)}")
    return filled


def _left_out(root: Path, left: list[Path]) -> list[str]:
    """A note for each file that is there and not read, and the number of their images."""
    rows, unreadable = 0, 0
    for path in left:
        try:
            rows += count_rows(path)
        except DataError:
            unreadable += 1
    notes = [f"{path.relative_to(root)} is of no known part and was left out" for path in left[:10]]
    if len(left) > 10:
        notes.append(f"{len(left) - 10} more files of no known part were left out")
    if left:
        also = f", and {unreadable} unreadable files" if unreadable else ""
        notes.append(f"files that were left out hold {rows} rows{also}")
    return notes
