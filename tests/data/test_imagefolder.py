"""``imagefolder:DIR``: three layouts, and every way in which a folder can be wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from dwlt.data import Task, load_task
from dwlt.errors import DataError
from dwlt.spec import TaskSpec

from .make import picture, write_folder

NAMES = ["cat", "dog"]


def load(root: Path, **options: object) -> Task:
    spec = TaskSpec.model_validate({"task": f"imagefolder:{root}", **options})
    return load_task(spec, data_dir=root / "elsewhere")


def counts(task: Task) -> tuple[int, int, int]:
    return len(task.train), len(task.validation), len(task.test)


def test_three_parts(tmp_path: Path) -> None:
    for part, count in (("train", 10), ("val", 3), ("test", 4)):
        write_folder(tmp_path / part, NAMES, count)
    task = load(tmp_path)
    assert task.classes == ("cat", "dog")
    assert counts(task) == (20, 6, 8)
    assert [s.origin for s in (task.train, task.validation, task.test)] == [
        "train",
        "validation",
        "test",
    ]
    assert "`validation` cuts nothing" in task.notes[0]


def test_train_and_test(tmp_path: Path) -> None:
    write_folder(tmp_path / "train", NAMES, 10)
    write_folder(tmp_path / "test", NAMES, 4)
    task = load(tmp_path)
    assert counts(task) == (18, 2, 8)
    assert task.validation.origin == "train"
    assert not set(task.train.ids) & set(task.validation.ids)
    assert task.notes == ()


def test_train_and_val_as_imagenet_ships(tmp_path: Path) -> None:
    write_folder(tmp_path / "train", NAMES, 10)
    write_folder(tmp_path / "val", NAMES, 4)
    task = load(tmp_path)
    assert counts(task) == (18, 2, 8)
    assert "the official validation part is the test split" in task.notes[0]


def test_flat(tmp_path: Path) -> None:
    write_folder(tmp_path, NAMES, 20)
    task = load(tmp_path)
    # 40: a quarter is test, 3 of the 30 left are validation.
    assert counts(task) == (27, 3, 10)
    assert len({*task.train.ids, *task.validation.ids, *task.test.ids}) == 40


def test_images_at_any_depth_and_nothing_else(tmp_path: Path) -> None:
    write_folder(tmp_path, NAMES, 8)
    deep = tmp_path / "cat/more/images"
    deep.mkdir(parents=True)
    picture(0, 99).save(deep / "a.PNG")
    (tmp_path / "cat/notes.txt").write_text("no image")
    (tmp_path / "cat/.hidden.png").write_bytes(b"no image")
    (tmp_path / ".git").mkdir()
    assert sum(counts(load(tmp_path))) == 17


def test_an_empty_class(tmp_path: Path) -> None:
    write_folder(tmp_path, NAMES, 8)
    (tmp_path / "eel").mkdir()
    with pytest.raises(DataError, match=r"eel: no image in this class folder") as caught:
        load(tmp_path)
    assert "remove the folder" in str(caught.value.hint)


def test_a_test_class_that_training_does_not_know(tmp_path: Path) -> None:
    write_folder(tmp_path / "train", NAMES, 8)
    write_folder(tmp_path / "test", [*NAMES, "eel"], 8)
    with pytest.raises(DataError, match="no class 'eel'"):
        load(tmp_path)


def test_a_class_without_test_images_is_noted(tmp_path: Path) -> None:
    write_folder(tmp_path / "train", [*NAMES, "eel"], 8)
    write_folder(tmp_path / "test", NAMES, 8)
    assert "the test split has no image of eel" in load(tmp_path).notes


def test_folders_without_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no class folders"):
        load(tmp_path)
    write_folder(tmp_path / "test", NAMES, 2)
    with pytest.raises(DataError, match=r"there is test/ but no train/"):
        load(tmp_path)


def test_a_corrupt_image_is_named(tmp_path: Path) -> None:
    write_folder(tmp_path, NAMES, 8)
    (tmp_path / "dog/3.png").write_bytes((tmp_path / "dog/3.png").read_bytes()[:100])
    with pytest.raises(DataError, match=r"dog/3\.png: not a readable image"):
        load(tmp_path)


def test_unequal_shapes_need_a_size(tmp_path: Path) -> None:
    write_folder(tmp_path, NAMES, 8)
    picture(0, 5, side=12).save(tmp_path / "dog/3.png")
    with pytest.raises(DataError, match=r"dog/3\.png: 12x12 pixels") as caught:
        load(tmp_path)
    assert "size = 8" in str(caught.value.hint)
    assert load(tmp_path, size=8).shape == (3, 8, 8)
