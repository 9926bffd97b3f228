"""Which folders of an image tree are parts, which are classes, and which are neither.

A name alone does not decide: ``train`` may be a class beside ``bus`` and ``car``. A part is a
folder whose name tells one and that holds class folders. Where two readings are possible, both are
in the message of the error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from dwlt.data import names
from dwlt.data.parts import PARTS, hinted, rest, told
from dwlt.data.walk import FolderContents
from dwlt.errors import DataError

_RENAME = "rename or move a folder, or name the one that is meant after the colon"


@dataclass(frozen=True)
class Layout:
    """The folder of each part; without parts, ``root`` itself holds the class folders.

    Attributes:
        parts: part to folder; always with "train".
        flat: the only part is ``root``.
        notes: readings that were chosen, and images that belong to no class, counted.
    """

    parts: dict[str, Path]
    flat: bool
    notes: tuple[str, ...]


@dataclass
class _Folder:
    """A folder directly below the root: its images by the folder below it that they are in."""

    path: Path
    direct: int = 0
    inner: Counter[str] = field(default_factory=Counter)

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def count(self) -> int:
        return self.direct + self.inner.total()


def read_layout(found: FolderContents) -> Layout:
    """Decide how a tree of images is laid out.

    Raises:
        DataError: it has no class folders, no training part, several folders for one part, or
            could be read in two ways.
    """
    folders, loose = _count(found)
    if not folders:
        raise DataError(
            f"{found.root}: no class folders"
            + (f"; {loose} images lie directly in it" if loose else ""),
            hint="put each class's images into a folder of its name",
        )
    named = {one.name: told(one.name) for one in folders}
    holders = [one for one in folders if named[one.name] and one.inner]
    if holders:
        return _with_parts(found.root, folders, holders, named, loose)
    _refuse_hints(found.root, folders, frozenset())
    notes = _flat_notes(found.root, folders, named)
    if loose:
        notes.append(_loose(found.root, loose))
    return Layout({"train": found.root}, True, tuple(notes))


def _count(found: FolderContents) -> tuple[list[_Folder], int]:
    """The folders below the root with their images, and how many images lie in the root itself."""
    top = {path.name: _Folder(path) for path in sorted(found.folders) if path.parent == found.root}
    depth = len(found.root.parts)
    loose = 0
    for path in found.files:
        below = path.parts[depth:]
        if len(below) == 1:
            loose += 1
        elif len(below) == 2:
            top[below[0]].direct += 1
        else:
            top[below[0]].inner[below[1]] += 1
    return list(top.values()), loose


def _with_parts(
    root: Path,
    folders: list[_Folder],
    holders: list[_Folder],
    named: dict[str, frozenset[str]],
    loose: int,
) -> Layout:
    chosen: dict[str, _Folder] = {}
    for one in holders:
        if len(named[one.name]) > 1:
            raise DataError(
                f"{one.path}: the name tells {' and '.join(sorted(named[one.name]))}", hint=_RENAME
            )
    for part in PARTS:
        meant = [one for one in holders if part in named[one.name]]
        # "train" beside "train-extra" is the part; "val" beside "validation" is a riddle.
        exact = [one for one in meant if not rest(one.name) and one.name.isalpha()]
        if len(meant) > 1 and len(exact) != 1:
            raise DataError(
                f"{root}: several folders are the {part} part: "
                f"{names.some(one.name for one in meant)}",
                hint=f"{_RENAME}; or put their images together",
            )
        if meant:
            chosen[part] = (exact or meant)[0]
    left = [one for one in folders if one.count and one not in chosen.values()]
    if "train" not in chosen:
        bare = next((one for one in folders if named[one.name] == {"train"}), None)
        if bare is not None:
            raise _without_classes(bare, next(iter(chosen.values())))
        raise DataError(
            f"{root}: there is {next(iter(chosen.values())).name}/ but no train/"
            + (f"; beside it are {names.some(one.name for one in left)}" if left else ""),
            hint="add the training images as train/CLASS/image files, or, if it is a class, put "
            "its images directly into it",
        )
    train = chosen["train"]
    for one in folders:
        if one in chosen.values() or not (named[one.name] - set(chosen)):
            continue
        if not rest(one.name) or rest(one.name) == rest(train.name):
            raise _without_classes(one, train)
    _refuse_hints(root, left, frozenset(chosen))
    if len(chosen) == 1 and (strange := [one for one in left if not _alike(one, train)]):
        raise DataError(
            f"{root}: {train.name}/ may be the training part, of the classes "
            f"{names.some(sorted(train.inner))}, or a class beside "
            f"{names.some(one.name for one in strange)}",
            hint=f"if it is the part, write {train.path} after the colon or move the other folders "
            f"elsewhere; if it is a class, put its images directly into it",
        )
    notes = [f"{one.name}/ is no part and was left out ({one.count} images)" for one in left]
    if loose:
        notes.append(_loose(root, loose))
    notes += [_loose(one.path, one.direct) for one in chosen.values() if one.direct]
    return Layout({part: one.path for part, one in chosen.items()}, False, tuple(notes))


def _without_classes(one: _Folder, beside: _Folder) -> DataError:
    held = (
        f"no class folders; {one.direct} images lie directly in it" if one.direct else "no images"
    )
    return DataError(
        f"{one.path}: {held}; its name tells that it is a part, as {beside.name}/ beside it is",
        hint="put its images into a folder per class, or move it elsewhere",
    )


def _alike(one: _Folder, train: _Folder) -> bool:
    """Whether a folder looks like another part of the same classes."""
    return not one.direct and any(name in train.inner for name in one.inner)


def _loose(folder: Path, count: int) -> str:
    name = folder.name or "."
    return f"{count} images directly in {name}/ are in no class folder and were left out"


def _flat_notes(root: Path, folders: list[_Folder], named: dict[str, frozenset[str]]) -> list[str]:
    """Notes on classes whose names tell a part.

    Raises:
        DataError: they may as well be parts whose images were not sorted into classes.
    """
    telling = [one for one in folders if named[one.name]]
    plain = [one for one in folders if not named[one.name] and one.count]
    nearly = [one for one in plain if hinted(one.name)]
    meant = frozenset().union(*(named[o.name] or hinted(o.name) for o in [*telling, *nearly]))
    if nearly and len(meant) > 1:
        raise _unsorted([*telling, *nearly])
    if not telling:
        return []
    # "x-train" and "x-test" are parts of x; "bullet-train" and "test-tube" are things.
    pairs = Counter(words for words, _ in {(rest(o.name), named[o.name]) for o in telling})
    parts = frozenset().union(*(named[one.name] for one in telling))
    all_words = all(not rest(one.name) for one in telling)
    if max(pairs.values()) > 1 or (not plain and (len(parts) > 1 or all_words)):
        raise _unsorted(telling)
    return [
        f"{one.name}/ is taken for a class: images lie directly in it, and beside it is "
        f"{names.some((o.name for o in folders if o is not one), 3)}"
        for one in telling
        if one.count
    ]


def _unsorted(folders: list[_Folder]) -> DataError:
    return DataError(
        f"{folders[0].path}: no class folders; {names.some(one.name for one in folders)} may be "
        f"parts whose images ({sum(one.count for one in folders)}) are not sorted into classes, or "
        "classes",
        hint="parts hold a folder per class (train/CLASS/image files); rename folders that are "
        "classes",
    )


def _refuse_hints(root: Path, folders: Iterable[_Folder], known: frozenset[str]) -> None:
    """Refuse a folder like "mytest" that holds folders, where no folder is the test part."""
    for one in folders:
        meant = hinted(one.name) - known
        if meant and one.inner and not told(one.name):
            raise DataError(
                f"{one.path}: is this the {' or '.join(sorted(meant))} part, or a class? It holds "
                f"folders ({names.some(sorted(one.inner), 3)})",
                hint=f"for a part, call it {min(meant)}; for a class, put its images directly "
                "into it",
            )


def check_below(root: Path, classes: dict[str, list[Path]], *, flat: bool) -> list[str]:
    """Look for parts below the classes of one part and, without parts, in the files' names.

    Args:
        root: the part's folder.
        classes: the images of each class folder of the part.
        flat: there are no parts.

    Returns:
        Notes.

    Raises:
        DataError: there are such parts: their test images would be trained on.
    """
    depth = len(root.parts)
    notes: list[str] = []
    for name, images in classes.items():
        inside = {path.parts[depth + 1 : -1] for path in images}
        folders = {one for way in inside for one in way}
        telling = sorted(one for one in folders if told(one) or hinted(one))
        parts = frozenset().union(*(told(one) or hinted(one) for one in telling))
        alone = {part for one in telling if not rest(one) for part in told(one)}
        deeper = {way[0] for way in inside if len(way) > 1 and told(way[0]) and not rest(way[0])}
        if len(parts) > 1 or alone - {"train"} or deeper:
            raise DataError(
                f"{root / name}: holds folders that tell parts ({names.some(telling)}), which "
                "would become one class",
                hint="parts lie above classes (train/CLASS/image files); if this folder is a set "
                "of its own, name it after the colon",
            )
        if telling:
            notes.append(f"{name}/ holds {names.some(telling)}, which is not taken for a part")
    return [*notes, *_names_of_files(root, classes)] if flat else notes


def _names_of_files(root: Path, classes: dict[str, list[Path]]) -> list[str]:
    counts: Counter[str] = Counter()
    total = 0
    for images in classes.values():
        total += len(images)
        for path in images:
            if len(parts := told(path.stem)) == 1:
                counts.update(parts)
    if len(counts) < 2:
        return []
    shown = ", ".join(f"{part} {counts[part]}" for part in PARTS if counts[part])
    if counts.total() == total:
        raise DataError(
            f"{root}: the names of the image files tell parts ({shown}), which would become one",
            hint="sort them into train/CLASS/ and test/CLASS/, or rename the files",
        )
    return [f"names of files tell parts ({shown} of {total}), which was not heeded"]
