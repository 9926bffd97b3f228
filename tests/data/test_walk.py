"""Links: followed, ended, and said where they lead nowhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dwlt.data import Task, imagefolder, load_task
from dwlt.data.request import Request
from dwlt.data.source import FileSource
from dwlt.data.walk import walk
from dwlt.errors import DataError
from dwlt.spec import TaskSpec

from .make import picture, write_folder

PETS = ["cat", "dog"]


def load(root: Path, kind: str = "imagefolder") -> Task:
    return load_task(TaskSpec(task=f"{kind}:{root}"), data_dir=root)


def total(task: Task) -> int:
    return len(task.train) + len(task.validation) + len(task.test)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A set of 2 x 8 images, and a store of 2 x 6 others beside it."""
    write_folder(tmp_path / "set", PETS, 8)
    for label, name in enumerate(PETS):
        (tmp_path / "store" / name).mkdir(parents=True)
        for number in range(20, 26):
            picture(label, number).save(tmp_path / "store" / name / f"{number}.png")
    return tmp_path / "set"


def link(at: Path, to: Path | str) -> None:
    at.symlink_to(to, target_is_directory=True)


def test_linked_folders_hold_images_of_the_class(root: Path) -> None:
    link(root / "cat/more", root.parent / "store/cat")
    link(root / "dog/more", "../../store/dog")
    task = load(root)
    assert total(task) == 28
    (batch,) = task.train.batches(batch_size=50)
    # Pixel (0, 0) of a picture is its label.
    assert (batch.images[:, 0, 0, 0] * 255).round().tolist() == batch.labels.tolist()


def test_linked_classes_and_files_and_the_folder_itself(root: Path) -> None:
    write_folder(root.parent / "third/eel", ["deep"], 5)
    link(root / "eel", root.parent / "third/eel")
    (root / "cat/one.png").symlink_to(root.parent / "store/cat/20.png")
    link(root.parent / "alias", root)
    task = load(root.parent / "alias")
    assert task.classes == ("cat", "dog", "eel")
    assert total(task) == 22


@pytest.mark.parametrize("target", ["cat", ".", "..", "cat/inner"])
def test_loops_end_and_are_said(root: Path, target: str) -> None:
    (root / "cat/inner").mkdir()
    link(root / "cat/inner/again", root / target)
    task = load(root)
    assert total(task) == 16
    assert "links back to a folder that they lie in: 1 left out (cat/inner/again)" in task.notes


def test_many_links_to_one_another_end(root: Path) -> None:
    names = [f"{i}" for i in range(6)]
    for name in names:
        (root / "cat" / name).mkdir()
        picture(0, 100 + int(name)).save(root / "cat" / name / "a.png")
    for name in names:
        for other in names:
            link(root / "cat" / name / f"to-{other}", root / "cat" / other)
    task = load(root)
    assert total(task) == 22
    # The two classes, and below each of the 6 folders at most all 6: not every way through them.
    assert len(walk(root, {".png"}).folders) <= 2 + 6 * 6


def test_a_circle_of_links_leads_nowhere(root: Path) -> None:
    link(root / "cat/a", "b")
    link(root / "cat/b", "a")
    task = load(root)
    assert total(task) == 16
    assert any("links that lead nowhere" in note and ": 2 left out" in note for note in task.notes)


def test_a_folder_that_is_linked_twice_is_read_once(root: Path) -> None:
    for name in ("a", "b"):
        link(root / "cat" / name, root.parent / "store/cat")
    task = load(root)
    assert total(task) == 22
    assert any("read already: 1 left out (cat/b)" in note for note in task.notes)


def test_a_link_never_renames_what_is_there(root: Path) -> None:
    """Paths, and with them ids, are those of the folder itself, whatever links come before it."""
    (root / "cat/z").mkdir()
    picture(0, 60).save(root / "cat/z/60.png")
    before = load(root).fingerprint
    link(root / "cat/a", root / "cat/z")
    assert load(root).fingerprint == before


def test_ids_follow_the_order_of_paths(root: Path) -> None:
    for name in ("0deep", "4", "zdeep"):
        (root / "cat" / name).mkdir()
        picture(0, 70).save(root / "cat" / name / "70.png")
    found = imagefolder.load(Request(str(root), root)).train
    assert isinstance(found, FileSource)
    names = [str(path.relative_to(root)) for path in found.paths]
    own = ["0.png", "1.png", "2.png", "3.png", "4/70.png", "4.png"]
    rest = ["5.png", "6.png", "7.png", "zdeep/70.png"]
    expected = [own[0], "0deep/70.png", *own[1:], *rest]
    assert names[:11] == [f"cat/{name}" for name in expected]


@pytest.mark.parametrize("at", ["dog/more", "eel"])
def test_a_folder_of_two_classes_is_refused(root: Path, at: str) -> None:
    link(root / at, root / "cat")
    with pytest.raises(DataError, match="is the same folder on disk as one below"):
        load(root)


def test_parts_that_are_one_folder_are_refused(tmp_path: Path) -> None:
    for part in ("train", "test"):
        write_folder(tmp_path / part, PETS, 8)
    link(tmp_path / "val", "test")
    with pytest.raises(DataError, match="in two parts"):
        load(tmp_path)


def test_links_that_lead_nowhere(root: Path) -> None:
    (root / "cat/gone.png").symlink_to("nowhere.png")
    link(root / "cat/more", "nowhere")
    os.mkfifo(root / "dog/pipe.png")
    note = "links that lead nowhere, or images that are no plain files: 3 left out"
    assert any(note in one for one in load(root).notes)
    link(root / "eel", "nowhere")
    with pytest.raises(DataError, match="eel: is a link that leads nowhere"):
        load(root)


def test_a_folder_that_is_no_folder(tmp_path: Path) -> None:
    link(tmp_path / "set", "nowhere")
    with pytest.raises(DataError, match="set: is a link that leads nowhere"):
        load(tmp_path / "set")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file: is no folder"):
        load(tmp_path / "file", "parquet")


def test_a_folder_that_cannot_be_listed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.scandir

    def refuse(path: Path) -> object:
        if path == root / "dog":
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(DataError, match=r"dog: cannot be listed \(Permission denied\)"):
        walk(root, {".png"})
