"""The index of a folder: the same data set at once, and never that of a tree that has changed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np
import pytest

from dwlt.data import imagefolder, index
from dwlt.data.request import CACHE, Request
from dwlt.data.source import Dataset, FileSource
from dwlt.data.walk import FolderContents, walk

from .make import picture, write_folder


def settle(root: Path) -> None:
    """As if the folders had been left alone for a minute (their ctime cannot be set)."""
    for folder in (root, *(path for path in root.rglob("*") if path.is_dir())):
        os.utime(folder, (time.time() - 60, time.time() - 60))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_folder(tmp_path / "set" / "train", ["cat", "dog"], 3)
    write_folder(tmp_path / "set" / "test", ["cat", "dog"], 2)
    settle(tmp_path / "set")
    return tmp_path


def load(root: Path) -> Dataset:
    return imagefolder.load(Request("set", root))


def listed(found: Dataset) -> list[tuple[str, int]]:
    parts = (found.train, found.test)
    assert all(isinstance(part, FileSource) for part in parts)
    return [
        (str(path), int(label))
        for part in parts
        if isinstance(part, FileSource)
        for path, label in zip(part.paths, part.labels, strict=True)
    ]


def walks(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What is walked from now on."""
    seen: list[object] = []

    def noted(root: Path, kinds: Collection[str], others: Collection[str]) -> FolderContents:
        seen.append(root)
        return walk(root, kinds, others)

    monkeypatch.setattr(imagefolder, "walk", noted)
    return seen


def test_a_second_opening_walks_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load(root)
    seen = walks(monkeypatch)
    again = load(root)
    assert not seen
    assert listed(again) == listed(first)
    assert (again.classes, again.notes) == (first.classes, first.notes)
    assert again.train.where(4) == first.train.where(4)
    pixels = [load() for load in again.train.loaders(np.arange(6))]
    assert np.array_equal(pixels[4], np.array(picture(1, 1)))


def renamed_as_before(root: Path) -> None:
    """As a restored backup has it: other files, and the folders' old times."""
    (root / "train/dog/0.png").rename(root / "train/dog/5.png")
    settle(root)


CHANGES: dict[str, Callable[[Path], object]] = {
    "added": lambda root: picture(0, 9).save(root / "train/cat/9.png"),
    "removed": lambda root: (root / "train/dog/0.png").unlink(),
    "renamed": lambda root: (root / "test/dog/0.png").rename(root / "test/dog/7.png"),
    "moved": lambda root: (root / "train/dog/0.png").rename(root / "train/cat/8.png"),
    "new class": lambda root: write_folder(root / "train", ["eel"], 1),
    "class gone": lambda root: (root / "train/dog").rename(root / "train/eel"),
    "same time": lambda root: renamed_as_before(root),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_tree_is_walked(root: Path, change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    load(root)
    CHANGES[change](root / "set")
    seen = walks(monkeypatch)
    if change == "class gone":
        with pytest.raises(Exception, match="no class 'dog'"):
            load(root)
    else:
        changed = load(root)
        (root / CACHE).rename(root / "away")
        assert listed(changed) == listed(load(root))
    assert seen


def test_a_tree_that_cannot_be_vouched_for_gets_no_index(root: Path) -> None:
    (root / "set/train/cat/link.png").symlink_to(root / "set/train/cat/0.png")
    settle(root / "set")
    load(root)
    assert not (root / CACHE).exists()
    (root / "set/train/cat/link.png").unlink()  # changed just now
    load(root)
    assert not (root / CACHE).exists()


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"rules": 0}', '{"rules": 1, "root": 3}'])
def test_an_index_that_cannot_be_read_is_none(root: Path, text: str) -> None:
    first = load(root)
    (path,) = (root / CACHE).iterdir()
    good = path.read_bytes()
    for content in (text.encode(), good[:-9], good.replace(b'"parts"', b'"part"')):
        path.write_bytes(content)
        assert listed(load(root)) == listed(first)


def test_a_folder_that_cannot_be_written_to_is_no_fault(root: Path) -> None:
    (root / CACHE).write_text("in the way")
    assert len(load(root).train) == 6


def test_paths_are_made_on_demand() -> None:
    paths = index.Paths([("/a", ["1", "2"]), ("/b", ["3"])])
    assert [str(path) for path in paths] == ["/a/1", "/a/2", "/b/3"]
    assert (len(paths), paths[-1], paths[1:]) == (3, Path("/b/3"), [Path("/a/2"), Path("/b/3")])
    with pytest.raises(IndexError):
        paths[3]
