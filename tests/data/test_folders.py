"""Folders whose names say one thing and whose contents another: parts, classes, or a refusal."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dwlt.data import Task, imagefolder, load_task
from dwlt.data.request import Request
from dwlt.data.source import FileSource
from dwlt.errors import DataError
from dwlt.spec import TaskSpec

from .make import picture, write_folder

PETS = ["cat", "dog"]


def load(root: Path) -> Task:
    return load_task(TaskSpec(task=f"imagefolder:{root}"), data_dir=root / "elsewhere")


def counts(task: Task) -> tuple[int, int, int]:
    return len(task.train), len(task.validation), len(task.test)


def refuse(root: Path, message: str) -> str:
    with pytest.raises(DataError, match=message) as caught:
        load(root)
    assert caught.value.hint
    return caught.value.hint


def tree(root: Path, *folders: str, count: int = 8) -> None:
    """``FOLDER/NUMBER.png`` for each folder; all images of the tree differ."""
    for label, name in enumerate(folders):
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            picture(label, number).save(root / name / f"{number}.png")


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("x-train", "x_test.v2"),
        ("Train", "TESTING"),
        ("train2017", "test2017"),
        ("01_training", "02_eval"),
        ("trainset", "testset"),
        ("MyTrain", "MyTest"),
    ],
)
def test_parts_are_told_anywhere_in_a_name(tmp_path: Path, train: str, test: str) -> None:
    write_folder(tmp_path / train, PETS, 10)
    write_folder(tmp_path / test, PETS, 4)
    task = load(tmp_path)
    assert task.classes == ("cat", "dog")
    assert counts(task) == (18, 2, 8)
    assert task.test.origin == "test"


@pytest.mark.parametrize(
    "names",
    [
        ["bus", "car", "train"],
        ["bus", "car", "test"],
        ["bus", "bullet-train", "test-tube"],
        ["bullet-train", "steam-train"],
        ["invalid", "valid"],
        ["bus", "dev"],
        ["latest", "oldest"],
    ],
)
def test_a_class_may_be_called_like_a_part(tmp_path: Path, names: list[str]) -> None:
    tree(tmp_path, *names)
    task = load(tmp_path)
    assert task.classes == tuple(sorted(names))
    assert sum(counts(task)) == 8 * len(names)


def test_a_class_called_train_is_noted(tmp_path: Path) -> None:
    tree(tmp_path, "bus", "car", "train")
    assert (
        "train/ is taken for a class: images lie directly in it, and beside it is bus, car"
        in load(tmp_path).notes
    )


@pytest.mark.parametrize(
    "folders",
    [
        ("train", "test"),
        ("x-train", "x-test", "cat"),
        ("train", "val", "unlabelled"),
        ("y-train", "z-test"),
        ("train1", "train2"),
        ("mytrain", "mytest"),
        ("train", "mytest"),
    ],
)
def test_parts_without_classes_are_not_classes(tmp_path: Path, folders: tuple[str, ...]) -> None:
    tree(tmp_path, *folders)
    hint = refuse(tmp_path, "no class folders; .* may be parts whose images")
    assert "train/CLASS" in hint


def test_both_readings_are_named(tmp_path: Path) -> None:
    tree(tmp_path, "bus", "car", "train/steam", "train/electric")
    hint = refuse(
        tmp_path,
        r"train/ may be the training part, of the classes electric, steam, or a class beside "
        r"bus, car",
    )
    assert str(tmp_path / "train") in hint
    # The way that the hint shows.
    assert load(tmp_path / "train").classes == ("electric", "steam")


def test_what_lies_beside_the_parts_is_counted(tmp_path: Path) -> None:
    tree(tmp_path, "train/cat", "train/dog", "test/cat", "test/dog", "extra", "more/cat")
    picture(9, 0).save(tmp_path / "cover.png")
    picture(9, 1).save(tmp_path / "train/cover.png")
    task = load(tmp_path)
    assert counts(task)[2] == 16
    assert set(task.notes) == {
        "extra/ is no part and was left out (8 images)",
        "more/ is no part and was left out (8 images)",
        f"1 images directly in {tmp_path.name}/ are in no class folder and were left out",
        "1 images directly in train/ are in no class folder and were left out",
    }


def test_images_beside_class_folders_are_counted(tmp_path: Path) -> None:
    tree(tmp_path, "cat", "dog")
    picture(9, 0).save(tmp_path / "cover.png")
    task = load(tmp_path)
    assert sum(counts(task)) == 16
    assert any("1 images directly in" in note for note in task.notes)


def test_images_alone(tmp_path: Path) -> None:
    picture(9, 0).save(tmp_path / "cover.png")
    refuse(tmp_path, "no class folders; 1 images lie directly in it")


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        # Two folders for one part.
        (("train/a", "train/b", "val/a", "validation/a"), "several folders are the validation"),
        (("a-train/a", "a-test/a", "b-train/a", "b-test/a"), "several folders are the train part"),
        (("train/a", "Train/b"), "several folders are the train part"),
        # A name that tells two.
        (("train-test/a", "train-test/b"), "the name tells test and train"),
        # Parts that are not sorted into classes.
        (("train/a", "train/b", "test"), "test: no class folders; 8 images lie directly in it"),
        (("x-train/a", "x-train/b", "x-test"), "x-test: no class folders"),
        # Words inside words.
        (("mytrain/a", "mytest/a"), "mytest: is this the test part, or a class"),
        (("train/a", "train/b", "mytest/a"), "mytest: is this the test part, or a class"),
        # Sets side by side.
        (("small/train/a", "small/test/a", "large/train/a", "large/test/a"), "tell parts"),
        (("small/train/a", "large/train/a"), r"large: holds folders that tell parts \(train\)"),
        # Parts below classes.
        (("cat/train", "cat/test", "dog/train", "dog/test"), r"cat: holds .* \(test, train\)"),
        (("cat/mytrain", "cat/mytest", "dog"), r"cat: holds .* \(mytest, mytrain\)"),
        (("cat/images", "cat/deep/test", "dog"), r"cat: holds folders that tell parts \(test\)"),
        (("train/cat/a", "train/cat/val", "train/dog"), "cat: holds folders that tell parts"),
        (("test/a", "test/b", "cat", "dog"), "there is test/ but no train/; beside it are cat"),
    ],
)
def test_trees_that_can_be_read_in_two_ways(
    tmp_path: Path, folders: tuple[str, ...], message: str
) -> None:
    tree(tmp_path, *folders)
    refuse(tmp_path, message)


def test_an_empty_part(tmp_path: Path) -> None:
    tree(tmp_path, "train/cat", "train/dog")
    (tmp_path / "test").mkdir()
    refuse(tmp_path, "test: no images; its name tells that it is a part")
    (tmp_path / "test/cat").mkdir()
    refuse(tmp_path, "test: no images")


def test_an_empty_training_part(tmp_path: Path) -> None:
    tree(tmp_path, "test/cat", "test/dog")
    (tmp_path / "train/cat").mkdir(parents=True)
    refuse(tmp_path, "train: no images; its name tells that it is a part, as test/ beside it is")
    picture(0, 0).save(tmp_path / "train/a.png")
    refuse(tmp_path, "train: no class folders; 1 images lie directly in it")


def test_an_exact_name_goes_before_one_that_says_more(tmp_path: Path) -> None:
    tree(tmp_path, "train/cat", "train/dog", "train-extra/cat", "test/cat")
    task = load(tmp_path)
    assert counts(task)[2] == 8
    assert "train-extra/ is no part and was left out (8 images)" in task.notes


def test_vehicles_below_a_class_are_no_parts(tmp_path: Path) -> None:
    tree(tmp_path, "vehicle/train", "vehicle/bus", "glass/test-tube", "glass")
    task = load(tmp_path)
    assert sum(counts(task)) == 32
    assert "vehicle/ holds train, which is not taken for a part" in task.notes
    assert "glass/ holds test-tube, which is not taken for a part" in task.notes


def test_names_of_files_that_all_tell_parts(tmp_path: Path) -> None:
    for label, name in enumerate(PETS):
        (tmp_path / name).mkdir()
        for number in range(8):
            part = "test" if number < 2 else "train"
            picture(label, number).save(tmp_path / name / f"{part}_{number}.png")
    refuse(tmp_path, r"the names of the image files tell parts \(train 12, test 4\)")
    picture(0, 50).save(tmp_path / "cat/50.png")
    assert "names of files tell parts (train 12, test 4 of 17), which was not heeded" in (
        load(tmp_path).notes
    )


def test_what_systems_leave_behind_is_no_class(tmp_path: Path) -> None:
    tree(tmp_path, "cat", "dog", "__MACOSX", ".thumbnails", "cat/@eaDir")
    (tmp_path / "cat/._0.png").write_bytes(b"no image")
    (tmp_path / "cat/1.PNG").write_bytes((tmp_path / "dog/1.png").read_bytes())
    task = load(tmp_path)
    assert task.classes == ("cat", "dog")
    assert sum(counts(task)) == 17
    assert not any("left out" in note for note in task.notes)


def test_images_that_are_passed_over_are_counted(tmp_path: Path) -> None:
    tree(tmp_path, "cat", "dog")
    picture(0, 50).save(tmp_path / "cat/.hidden.png")
    for name in ("a.avif", "b.HEIC", "c.tga"):
        (tmp_path / "dog" / name).write_bytes(b"an image")
    (tmp_path / "dog/notes.txt").write_text("no image")
    task = load(tmp_path)
    assert sum(counts(task)) == 16
    assert "hidden images: 1 left out (cat/.hidden.png)" in task.notes
    assert (
        "images of kinds that are not read: 3 left out (dog/a.avif, dog/b.HEIC, dog/c.tga)"
        in task.notes
    )


CAFE = "caf\N{LATIN SMALL LETTER E WITH ACUTE}"
CAFE_DECOMPOSED = "cafe\N{COMBINING ACUTE ACCENT}"


def test_one_name_in_two_spellings_is_one_class(tmp_path: Path) -> None:
    tree(tmp_path, "bar", CAFE, CAFE_DECOMPOSED)
    task = load(tmp_path)
    assert len(task.classes) == 2
    assert sum(counts(task)) == 24
    assert any("2 folders" in note and "are one class" in note for note in task.notes)
    everything = [
        *zip(task.train.labels, task.train.ids, strict=True),
        *zip(task.validation.labels, task.validation.ids, strict=True),
        *zip(task.test.labels, task.test.ids, strict=True),
    ]
    # Ids count images by class: 8 of the bar and then 16 of the café.
    assert all(label == (sample >= 8) for label, sample in everything)


def test_parts_may_spell_a_class_differently(tmp_path: Path) -> None:
    tree(tmp_path, "train/bar", f"train/{CAFE}", "test/bar", f"test/{CAFE_DECOMPOSED}")
    task = load(tmp_path)
    assert task.classes == ("bar", CAFE)
    assert task.test.labels.tolist() == [0] * 8 + [1] * 8
    spec = TaskSpec(task=f"imagefolder:{tmp_path}", classes=("bar", CAFE_DECOMPOSED))
    assert load_task(spec, data_dir=tmp_path).classes == ("bar", CAFE)


NAMES = ["cat", "dog", "train", "test", "val", "x-train", "x-test", "mytest", "extra"]
TREES = st.sets(
    st.lists(st.sampled_from(NAMES), min_size=0, max_size=3).map(tuple), min_size=1, max_size=9
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TREES)
def test_every_image_is_used_or_counted_or_the_tree_refused(
    tmp_path_factory: pytest.TempPathFactory, folders: set[tuple[str, ...]]
) -> None:
    root = tmp_path_factory.mktemp("tree")
    for folder in folders:
        path = root.joinpath(*folder)
        path.mkdir(parents=True, exist_ok=True)
        for number in range(2):
            (path / f"{number}.png").touch()
    try:
        found = imagefolder.load(Request(str(root), root))
    except DataError:
        return
    parts = [found.train, found.validation, found.test]
    used = [path for part in parts if isinstance(part, FileSource) for path in part.paths]
    assert len(used) == len(set(used))
    counted = sum(
        int(number)
        for note in found.notes
        if note.endswith(("left out", "images)"))
        for number in re.findall(r"(\d+) images", note)
    )
    assert len(used) + counted == 2 * len(folders)
    # Nothing below a folder that is called test is trained on, unless that folder is a class.
    assert isinstance(found.train, FileSource)
    for path in found.train.paths:
        above = path.relative_to(root).parts[:-1]
        first = 1 if above[0] in ("train", "x-train") and len(above) > 1 else 0
        for name in {"test", "val", "x-test", "mytest"} & set(above[first + 1 :]):
            assert name in ("x-test", "mytest")
            said = [note for note in found.notes if note.endswith("which is not taken for a part")]
            start = f"{above[first]}/ holds "
            assert any(note.startswith(start) and name in note[len(start) :] for note in said)
        if above[first] in ("test", "x-test", "val"):
            assert found.classes.count(above[first]) == 1
