"""Every file of some kinds below a folder, through links, and what lies there and is not used."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass, field
from os.path import splitext
from pathlib import Path

from dwlt.data.names import some
from dwlt.errors import DataError

JUNK = frozenset({"__macosx", "@eadir", "lost+found"})
"""Folders that systems leave behind; a Synology's ``@eaDir`` holds a thumbnail of each image."""

Identity = tuple[int, int]
"""Device and inode: what a folder is, under whatever path it is reached."""


@dataclass
class FolderContents:
    """What lies below ``root``. All paths begin with it, in no particular order.

    Attributes:
        files: the files of the wanted kinds.
        folders: every folder that is not hidden, ``root`` left out, with what it is on disk.
        twice: links to folders that are read already in the same second-level folder.
        loops: links that lead back to a folder they lie in.
        broken: links that lead nowhere, and what has a wanted name but is no plain file.
        hidden: files of the wanted kinds whose name begins with a dot.
        other: files of the kinds that were to be counted only.
        links: number of symbolic links met, of whatever kind.
    """

    root: Path
    files: list[Path] = field(default_factory=list)
    folders: dict[Path, Identity] = field(default_factory=dict)
    twice: list[Path] = field(default_factory=list)
    loops: list[Path] = field(default_factory=list)
    broken: list[Path] = field(default_factory=list)
    hidden: list[Path] = field(default_factory=list)
    other: list[Path] = field(default_factory=list)
    links: int = 0

    def notes(self, what: str) -> list[str]:
        """What of ``what`` ("image") is there and not used, counted, each with an example."""
        listed = (
            (self.broken, f"links that lead nowhere, or {what}s that are no plain files"),
            (self.loops, "links back to a folder that they lie in"),
            (self.twice, "links to folders that are read already"),
            (self.hidden, f"hidden {what}s"),
            (self.other, f"{what}s of kinds that are not read"),
        )
        return [
            f"{why}: {len(paths)} left out ({some(self._short(paths), 3)})"
            for paths, why in listed
            if paths
        ]

    def _short(self, paths: list[Path]) -> list[str]:
        return [str(path.relative_to(self.root)) for path in sorted(paths)]


def walk(root: Path, kinds: Collection[str], others: Collection[str] = ()) -> FolderContents:
    """Look through a folder.

    Linked folders are entered. Below each folder of the second level (a class of a part) a folder
    on disk is read once, first where no link leads through, so that a link never renames what is
    there. Hidden folders and ``JUNK`` are not entered.

    Args:
        kinds: wanted file name endings with their dot, in small letters; any case is taken.
        others: endings of files to be counted.

    Raises:
        DataError: a folder cannot be listed.
    """
    found = FolderContents(root)
    wanted, counted = frozenset(kinds), frozenset(others)
    # A link to a folder that `root` lies in would bring everything beside it.
    above = {_identity(folder) for folder in root.resolve().parents}
    seen: set[tuple[tuple[str, ...], Identity]] = set()
    links: list[Path] = []
    waiting = [root]
    while waiting or links:
        linked = not waiting
        if linked:
            links.sort(reverse=True)
        folder = links.pop() if linked else waiting.pop()
        identity = _identity(folder)
        if linked and (identity in above or identity in _around(folder, root)):
            found.loops.append(folder)
            continue
        scope = folder.parts[len(root.parts) :][:2]
        if (scope, identity) in seen:
            found.twice.append(folder)
            continue
        seen.add((scope, identity))
        if folder != root:
            found.folders[folder] = identity
        inner, further = _list(folder, found, wanted, counted)
        waiting += inner
        links += further
    return found


def _list(
    folder: Path, found: FolderContents, kinds: frozenset[str], others: frozenset[str]
) -> tuple[list[Path], list[Path]]:
    """Note the files of one folder; give back the folders in it, own and linked ones."""
    inner: list[Path] = []
    linked: list[Path] = []
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be listed ({error.strerror})", hint="check the folder's rights"
        ) from error
    for entry in entries:
        path, kind = folder / entry.name, splitext(entry.name)[1].lower()  # noqa: PTH122  a path object costs more than all else
        found.links += entry.is_symlink()
        if _is_folder(entry):
            if not entry.name.startswith(".") and entry.name.lower() not in JUNK:
                (linked if entry.is_symlink() else inner).append(path)
        elif entry.name.startswith("."):
            # "._x.png" is what macOS keeps beside x.png, and no image.
            if kind in kinds and not entry.name.startswith("._"):
                found.hidden.append(path)
        elif _is_file(entry):
            if kind in kinds:
                found.files.append(path)
            elif kind in others:
                found.other.append(path)
        elif kind in kinds or entry.is_symlink():
            found.broken.append(path)
    return inner, linked


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # links in a circle
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:
        return False


def _identity(folder: Path) -> Identity:
    about = folder.stat()
    return about.st_dev, about.st_ino


def _around(folder: Path, root: Path) -> set[Identity]:
    """The folders that a path leads through, ``root`` first."""
    inside = folder.parent
    found = {_identity(inside)}
    while inside != root:
        inside = inside.parent
        found.add(_identity(inside))
    return found
