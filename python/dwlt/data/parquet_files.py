"""Which files of a folder make up which part of a Parquet set."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dwlt.data import names
from dwlt.data.parts import before, hinted, told
from dwlt.data.walk import walk
from dwlt.errors import DataError

_SHARD = re.compile(r"(.*?)[-_.]?(\d+)-of-(\d+)(?:-[0-9a-f]+)?")
_CALL = "call the files train*.parquet, validation*.parquet and test*.parquet"


@dataclass(frozen=True)
class Files:
    """The files of each part, those that were left out, and what was decided."""

    parts: dict[str, list[Path]]
    left: list[Path]
    notes: list[str]


@dataclass(frozen=True)
class _Told:
    """What the path of a file says: its part, and the folder of the set that it belongs to."""

    path: Path
    part: str | None
    base: Path


def find_files(root: Path) -> Files:
    """The Parquet files of each part, by words in file names or else in names of folders.

    Looks into DIR, then DIR/data, then anywhere below. Files of no known part are the training
    part if they are all there is; otherwise they are left out. All files of one part lie in one
    folder, and all parts below one.

    Raises:
        DataError: no files; no training files; parts that cannot be told; several sets side by
            side; a missing shard.
    """
    found = walk(root, {".parquet"})
    every = sorted(found.files)
    if not every:
        raise DataError(
            f"{root}: no Parquet files",
            hint="put train.parquet and test.parquet there (the Hugging Face layout)",
        )
    near = (
        [path for path in every if path.parent == root]
        or [path for path in every if path.parent == root / "data"]
        or every
    )
    files = _tell(near, root)
    chosen = set(near)
    far = _tell([path for path in every if path not in chosen], root, strict=False)
    parts: dict[str, list[Path]] = {}
    for one in files:
        if one.part is not None:
            parts.setdefault(one.part, []).append(one.path)
    _refuse_far(root, parts, far, near)
    unknown = [one.path for one in files if one.part is None]
    notes = found.notes("file")
    if not parts:
        if len(every) > 1:
            _refuse_hints(root, unknown, frozenset())
        _check_one_folder(root, unknown, "training")
        _check_shards(unknown)
        return Files(
            {"train": unknown}, [one.path for one in far], [*notes, *_together("train", unknown)]
        )
    if "train" not in parts:
        raise DataError(
            f"{root}: no training files beside {next(iter(parts.values()))[0].name}",
            hint="name them train*.parquet",
        )
    _refuse_hints(root, unknown, frozenset(parts))
    bases = sorted({one.base for one in files if one.part is not None})
    if len(bases) > 1:
        raise _several(root, bases, "parts")
    for part, paths in parts.items():
        _check_one_folder(root, paths, part)
        _check_prefixes(paths, part)
        _check_shards(paths)
        notes += _together(part, paths)
    return Files(parts, [*unknown, *(one.path for one in far)], notes)


def _tell(paths: Sequence[Path], root: Path, *, strict: bool = True) -> list[_Told]:
    """Read the part of each file off the nearest name that tells one.

    A folder further out may tell another only where it holds files of several parts: then it is
    the name of a set ("test-set/train.parquet" beside "test-set/test.parquet").

    Raises:
        DataError: a name tells two parts, or a folder contradicts what lies in it.
    """
    read: list[_Told] = []
    for path in paths:
        levels = [(path.stem, path.parent)]
        folder = path.parent
        while folder != root:
            levels.append((folder.name, folder.parent))
            folder = folder.parent
        part, base = None, path.parent
        for name, above in levels:
            telling = told(name)
            if len(telling) > 1 and strict:
                raise DataError(
                    f"{path}: {name!r} tells {' and '.join(sorted(telling))}", hint=_CALL
                )
            if len(telling) == 1:
                (part,) = telling
                base = above
                break
        read.append(_Told(path, part, base))
    if strict:
        _refuse_contradictions(read, root)
    return read


def _refuse_contradictions(read: Sequence[_Told], root: Path) -> None:
    below: dict[Path, set[str]] = {}
    for one in read:
        for folder in one.path.parents if one.part is not None else ():
            below.setdefault(folder, set()).add(one.part or "")
    for one in read:
        outer = one.base
        while one.part is not None and outer != root:
            telling = told(outer.name)
            if telling and telling != {one.part} and len(below[outer]) < 2:
                raise DataError(
                    f"{one.path}: is this the {one.part} part, or that of the folder "
                    f"{outer.name!r}?",
                    hint="rename the file or the folder",
                )
            outer = outer.parent


def _refuse_far(
    root: Path, parts: dict[str, list[Path]], far: Sequence[_Told], near: Sequence[Path]
) -> None:
    """Refuse a set whose other parts lie deeper than what is read."""
    for one in far:
        if one.part is not None and one.part not in parts:
            raise DataError(
                f"{one.path}: tells {one.part}, but lies deeper than {near[0]}, beside which no "
                f"{one.part} file is",
                hint="put the files of all parts into one folder, or name one folder after the "
                f"colon: parquet:{near[0].parent if near[0].parent != root else one.base}",
            )


def _refuse_hints(root: Path, unknown: Sequence[Path], known: frozenset[str]) -> None:
    """Refuse files like "mytest.parquet" where no file is the test part."""
    for path in unknown:
        meant = frozenset().union(
            *(told(n) | hinted(n) for n in (path.stem, *path.relative_to(root).parts[:-1]))
        )
        if meant - known:
            raise DataError(
                f"{path}: is this the {' or '.join(sorted(meant - known))} part? Its name does "
                "not tell",
                hint=f"{_CALL}, with the word between signs or digits",
            )


def _check_one_folder(root: Path, paths: Sequence[Path], part: str) -> None:
    folders = sorted({path.parent for path in paths})
    if len(folders) > 1:
        raise _several(root, folders, f"{part} files")


def _several(root: Path, folders: Sequence[Path], what: str) -> DataError:
    shown = names.some(one.relative_to(root) for one in folders)
    return DataError(
        f"{root}: {what} in {len(folders)} folders ({shown}), which may be sets of their own",
        hint=f"name one after the colon, e.g. parquet:{folders[0]}, or put all files of a part "
        "into one folder",
    )


def _check_prefixes(paths: Sequence[Path], part: str) -> None:
    """Refuse "small-train.parquet" beside "large-train.parquet"."""
    starts: dict[tuple[str, ...], Path] = {}
    for path in paths:
        starts.setdefault(before(path.stem) if told(path.stem) else (), path)
    if len(starts) > 1:
        shown = names.some(path.name for path in starts.values())
        raise DataError(
            f"{paths[0].parent}: several {part} files that begin differently ({shown}), which may "
            "be of several sets",
            hint="put each set into a folder of its own and name one after the colon",
        )


def _check_shards(paths: Sequence[Path]) -> None:
    """Refuse numbered files of which one is missing or there twice."""
    groups: dict[str, dict[str, list[tuple[int, Path]]]] = {}
    for path in paths:
        if match := _SHARD.fullmatch(path.stem):
            of = groups.setdefault(match[1], {}).setdefault(match[3], [])
            of.append((int(match[2]), path))
    for start, by_total in groups.items():
        for total, shards in by_total.items():
            present = {number for number, _ in shards}
            gone = next((i for i in range(int(total)) if i not in present), None)
            if gone is not None:
                name = f"{start}-{gone:0{len(total)}d}-of-{total}.parquet"
                raise DataError(
                    f"{shards[0][1].parent / name} is missing "
                    f"({len(present)} of {int(total)} shards are there)",
                    hint="download the missing shards",
                )
            if len(by_total) > 1 or len(shards) > len(present):
                raise DataError(
                    f"{shards[0][1]}: another file is the same shard, or the same part is there in "
                    "another number of shards",
                    hint="keep the files of one version of the set",
                )


def _together(part: str, paths: Iterable[Path]) -> list[str]:
    """A note where files of one part differ by more than numbers."""
    stems = {path.stem: _SHARD.fullmatch(path.stem) for path in paths}
    forms = {
        re.sub(r"[\W\d_]+", " ", match[1] if match else stem).strip(): stem
        for stem, match in stems.items()
    }
    if len(forms) < 2:
        return []
    return [f"{names.some(forms.values())} are put together as the {part} part"]
