"""What an image folder holds, kept so that a second opening need not list a million files.

The index says which folders were listed and when each was last changed. Adding, removing or
renaming a file changes its folder, so an index whose folders are all unchanged gives the listing
that a walk would. A file replaced in place changes no listing; its pixels are read as ever, and
fingerprints of small sets cover them. No index is kept where that reasoning fails: where links lead
somewhere that can change by itself, or a folder was changed so shortly before the walk that a
later change could bear the same time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

from dwlt import _core
from dwlt.data.source import Dataset, FileSource
from dwlt.data.walk import FolderContents
from dwlt.errors import DwltError

RULES = 1
"""Of how a tree is read; raised when the same tree could be read otherwise than before."""

SETTLED = 3.0
"""Seconds that a folder must have been left alone: file systems keep times to two at worst."""


class Paths(Sequence[Path]):
    """Many paths, made when they are asked for: a million path objects take seconds and 400 MB.

    Args:
        runs: folders, and the names of the files in each, in order.
    """

    def __init__(self, runs: Sequence[tuple[str, list[str]]]) -> None:
        self._folders = [folder for folder, _ in runs]
        self._names = [names for _, names in runs]
        self._starts = np.cumsum([0, *(len(names) for names in self._names)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    @overload
    def __getitem__(self, index: int) -> Path: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Path]: ...
    def __getitem__(self, index: int | slice) -> Path | Sequence[Path]:
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        run = int(np.searchsorted(self._starts, index, side="right")) - 1
        return Path(self._folders[run], self._names[run][index - int(self._starts[run])])


class FolderIndex:
    """The index of one folder.

    Args:
        cache: where indexes are kept.
        root: the folder.
    """

    def __init__(self, cache: Path, root: Path) -> None:
        name = hashlib.blake2b(
            str(root.resolve()).encode("utf-8", "surrogateescape"), digest_size=8
        )
        self._path = cache / f"{name.hexdigest()}.index.json"
        self._root = root

    def read(self) -> Dataset | None:
        """The data set, where the tree is as it was indexed; None where it is not, or in doubt."""
        try:
            known = json.loads(self._path.read_bytes())
            if known["rules"] != RULES or known["root"] != str(self._root):
                return None
            if any(_state(folder) != state for folder, state in known["folders"].items()):
                return None
            parts = {part: _source(runs) for part, runs in known["parts"].items()}
            return Dataset(
                tuple(known["classes"]),
                parts["train"],
                parts.get("validation"),
                parts.get("test"),
                notes=tuple(known["notes"]),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None  # an index that cannot be read is no index; the folder is walked

    def write(self, found: FolderContents, began: float, dataset: Dataset) -> None:
        """Keep what a walk has found, where it can be told later whether it still holds.

        Args:
            began: ``time.time()`` before the walk.
        """
        if found.links:
            return
        try:
            folders = {str(path): _state(str(path)) for path in (found.root, *found.folders)}
            if any(changed > (began - SETTLED) * 1e9 for *_, changed in folders.values()):
                return
            parts = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
            known = {
                "rules": RULES,
                "root": str(self._root),
                "folders": folders,
                "classes": dataset.classes,
                "notes": dataset.notes,
                "parts": {
                    part: list(_runs(source))
                    for part, source in parts.items()
                    if isinstance(source, FileSource)
                },
            }
            self._path.parent.mkdir(parents=True, exist_ok=True)
            _core.write_atomic(str(self._path), json.dumps(known).encode())
        except (OSError, DwltError):
            return  # a folder that cannot be written to, or a tree that changes: no index


def _state(folder: str) -> list[int]:
    """What tells that a folder is the same one with the same entries; changed last, in ns."""
    about = Path(folder).stat()
    return [about.st_dev, about.st_ino, about.st_ctime_ns, about.st_mtime_ns]


def _runs(source: FileSource) -> Iterator[tuple[str, int, list[str]]]:
    """Folder, label and names of files that follow one another."""
    folder, label, names = "", -1, list[str]()
    for path, own in zip(source.paths, source.labels.tolist(), strict=True):
        where = str(path.parent)
        if (where, own) != (folder, label):
            if names:
                yield folder, label, names
            folder, label, names = where, own, []
        names.append(path.name)
    yield folder, label, names


def _source(runs: list[Any]) -> FileSource:
    counts = [len(names) for _, _, names in runs]
    labels = np.repeat(np.array([label for _, label, _ in runs], dtype=np.int64), counts)
    return FileSource(Paths([(folder, names) for folder, _, names in runs]), labels)
