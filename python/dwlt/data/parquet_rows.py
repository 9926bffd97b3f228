"""The image column of Parquet files: in row order, or copied out for access in any order."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dwlt.data.order import Ints
from dwlt.data.parquet_schema import open_file
from dwlt.data.pixels import Pixels
from dwlt.data.source import Encoded, ImageSource, Loader, check_count, read_bytes
from dwlt.errors import DataError


class ParquetSource(ImageSource):
    """Images in one or more files; ids count rows through all files in name order."""

    def __init__(
        self, paths: Sequence[Path], rows: Sequence[int], column: str, labels: Ints
    ) -> None:
        check_count(str(paths[0]), sum(rows), labels)
        self.paths = paths
        self.column = column
        self.labels = labels
        self._starts = np.concatenate([[0], np.cumsum(rows)])

    def where(self, index: int) -> str:
        file = int(np.searchsorted(self._starts, index, side="right")) - 1
        return f"{self.paths[file]}, row {index - int(self._starts[file])}"

    def loaders(self, indices: Ints) -> Iterator[Loader]:
        for index, data in self.encoded(indices):
            yield Encoded(partial(bytes, data), self.where(index))

    def encoded(self, indices: Ints) -> Iterator[tuple[int, bytes]]:
        """The bytes of each image. A row group is read once per run of indices inside it."""
        group: tuple[int, int] | None = None
        start = stop = 0
        values: pa.Array = None
        file: pq.ParquetFile = None
        for index in indices.tolist():
            if group is None or not start <= index < stop:
                number = int(np.searchsorted(self._starts, index, side="right")) - 1
                if group is None or group[0] != number:
                    file = open_file(self.paths[number])
                start, stop, which = self._group_of(file, index, int(self._starts[number]))
                group = (number, which)
                values = self._read(file, which, self.paths[number])
            yield index, self._bytes(values[index - start], index)

    @staticmethod
    def _group_of(file: Any, index: int, start: int) -> tuple[int, int, int]:
        for which in range(file.metadata.num_row_groups):
            count = file.metadata.row_group(which).num_rows
            if index < start + count:
                return start, start + count, which
            start += count
        raise IndexError(index)

    def _read(self, file: Any, which: int, path: Path) -> Any:
        try:
            # One thread: decoding is what takes the time, and a forked worker has no other.
            table = file.read_row_group(which, columns=[self.column], use_threads=False)
        except (pa.ArrowException, OSError) as error:
            raise DataError(
                f"{path}, row group {which}: damaged ({error})", hint="download the file anew"
            ) from error
        values = table.column(0).combine_chunks()
        return values.chunk(0) if isinstance(values, pa.ChunkedArray) else values

    def _bytes(self, value: Any, index: int) -> bytes:
        content = value.as_py()
        if isinstance(content, bytes):
            return content
        if content is not None and content.get("bytes") is not None:
            return bytes(content["bytes"])
        path = None if content is None else content.get("path")
        beside = self.paths[0].parent / path if path else None
        if beside is not None and beside.is_file():
            return read_bytes(beside)
        raise DataError(
            f"{self.where(index)}: the image has no bytes",
            hint="remove the row, or write the file with the images embedded",
        )

    def random_access(self, cache: Path) -> ImageSource:
        """Copy the encoded bytes into one flat file that can be mapped.

        A Parquet row can only be had by reading its whole row group, which a random order would
        do once per image. The copy is made once per set and found again by what it was made of.
        """
        stats = [
            (str(path.resolve()), (s := path.stat()).st_size, s.st_mtime_ns) for path in self.paths
        ]
        text = json.dumps([self.column, stats])
        stem = cache / hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
        offsets, flat = stem.with_suffix(".offsets.npy"), stem.with_suffix(".images")
        if not (offsets.is_file() and flat.is_file()):
            self._copy_out(offsets, flat)
        return FlatSource(flat, np.load(offsets), self)

    def _copy_out(self, offsets: Path, flat: Path) -> None:
        ends = np.zeros(len(self) + 1, dtype=np.int64)
        # Not the process id: two containers that share a folder may have the same one.
        part = flat.with_suffix(f".{uuid.uuid4().hex}.part")
        try:
            flat.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as out:
                for index, data in self.encoded(np.arange(len(self))):
                    out.write(data)
                    ends[index + 1] = ends[index] + len(data)
            part.replace(flat)
            with part.open("wb") as out:
                np.save(out, ends)
            part.replace(offsets)  # last: its presence says that the copy is whole
        except OSError as error:
            raise DataError(
                f"{flat}: the working copy of a streamed set cannot be written ({error})",
                hint="make room there, choose another data folder, or raise the memory limit",
            ) from error
        finally:
            part.unlink(missing_ok=True)


class FlatSource(ImageSource):
    """Encoded images one after another in a mapped file."""

    def __init__(self, flat: Path, offsets: Ints, origin: ParquetSource) -> None:
        self.labels = origin.labels
        self._flat = flat
        self._offsets = offsets
        self._origin = origin
        self._mapped: Pixels | None = None

    def where(self, index: int) -> str:
        return self._origin.where(index)

    def loaders(self, indices: Ints) -> Iterator[Loader]:
        if self._mapped is None:
            self._mapped = np.memmap(self._flat, dtype=np.uint8, mode="r")
        for index in indices.tolist():
            data = self._mapped[self._offsets[index] : self._offsets[index + 1]].tobytes()
            yield Encoded(partial(bytes, data), self.where(index))

    def __getstate__(self) -> dict[str, Any]:
        # A mapping would be pickled as a copy of the whole file.
        return {**self.__dict__, "_mapped": None}
