"""Which Parquet files are which part, and when that cannot be told."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlt.data.parquet_files import find_files
from dwlt.errors import DataError

from .make import write_parquet


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / f"{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def parts(root: Path) -> dict[str, list[str]]:
    return {
        part: [str(path.relative_to(root).with_suffix("")) for path in paths]
        for part, paths in find_files(root).parts.items()
    }


def refuse(root: Path, message: str) -> str:
    with pytest.raises(DataError, match=message) as caught:
        find_files(root)
    assert caught.value.hint
    return caught.value.hint


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [
        ("train", "validation", "test"),
        ("digits-train", "digits-val", "digits-test"),
        ("x-train", "x.dev", "x_test.v2"),
        ("0-train-00000-of-00001", "0-valid-00000-of-00001", "0-test-00000-of-00001"),
        ("partial-train/0000", "partial-validation/0000", "partial-test/0000"),
        ("default/train/0000", "default/validation/0000", "default/test/0000"),
        ("train/a/0000", "dev/a/0000", "test/a/0000"),
        ("MyTrain", "MyVal", "MyTest"),
        ("data/trainset", "data/devset", "data/testset"),
        # A folder that holds several parts is the name of the set, whatever it says.
        ("test-set/train", "test-set/validation", "test-set/test"),
        ("dev-kit/train/0", "dev-kit/val/0", "dev-kit/test/0"),
    ],
)
def test_parts_are_told_anywhere(tmp_path: Path, train: str, validation: str, test: str) -> None:
    touch(tmp_path, train, validation, test)
    assert parts(tmp_path) == {"train": [train], "validation": [validation], "test": [test]}


def test_endings_in_capitals_and_hidden_files(tmp_path: Path) -> None:
    (tmp_path / "TRAIN.PARQUET").touch()
    (tmp_path / "test.Parquet").touch()
    touch(tmp_path, "._train", "__MACOSX/train", ".cache/train")
    assert sorted(parts(tmp_path)) == ["test", "train"]


def test_linked_files_and_folders(tmp_path: Path) -> None:
    touch(tmp_path, "store/0000", "store2/0000")
    root = tmp_path / "set"
    (root / "test").mkdir(parents=True)
    (root / "train").symlink_to(tmp_path / "store", target_is_directory=True)
    (root / "test/0000.parquet").symlink_to(tmp_path / "store2/0000.parquet")
    assert parts(root) == {"train": ["train/0000"], "test": ["test/0000"]}
    (root / "train/again").symlink_to(root, target_is_directory=True)
    assert parts(root) == {"train": ["train/0000"], "test": ["test/0000"]}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("mytrain", "mytest"), r"mytest\.parquet: is this the test part\?"),
        (("traindigits", "testdigits"), "is this the test part"),
        (("xtrain/0", "xtest/0"), "is this the test part"),
        (("train", "mytest"), r"mytest\.parquet: is this the test part"),
        (("train-test", "test"), r"'train-test' tells test and train"),
        (("val_from_train", "train"), "tells train and validation"),
        (("train/test-0", "train/test-1"), "is this the test part, or that of the folder 'train'"),
        (("train/test/0", "x/train/0"), "is this the test part, or that of the folder 'train'"),
    ],
)
def test_names_that_do_not_tell(tmp_path: Path, names: tuple[str, ...], message: str) -> None:
    touch(tmp_path, *names)
    refuse(tmp_path, message)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ("small/train/0000", "large/train/0000", "small/test/0000", "large/test/0000"),
            r"parts in 2 folders \(large, small\)",
        ),
        (("small/train", "large/train"), r"parts in 2 folders \(large, small\)"),
        (("small/train/0", "large/test/0"), r"parts in 2 folders \(large, small\)"),
        (("small/0000", "large/0000"), r"training files in 2 folders \(large, small\)"),
        (("train/a/0", "train/b/0", "test/0"), r"train files in 2 folders \(train/a, train/b\)"),
        (("partial-train/0", "train/0", "test/0"), "train files in 2 folders"),
        (("small-train", "large-train", "small-test"), "several train files that begin diff"),
    ],
)
def test_sets_side_by_side(tmp_path: Path, names: tuple[str, ...], message: str) -> None:
    touch(tmp_path, *names)
    assert "after the colon" in refuse(tmp_path, message)


def test_the_hint_leads_to_one_of_them(tmp_path: Path) -> None:
    touch(tmp_path, "small/train/0000", "large/train/0000", "small/test/0000")
    assert f"parquet:{tmp_path / 'large'}" in refuse(tmp_path, "parts in 2 folders")
    assert parts(tmp_path / "small") == {"train": ["train/0000"], "test": ["test/0000"]}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("data-00000-of-00002",), "data-00001-of-00002.parquet is missing"),
        (("train-00000-of-00001", "train-00000-of-00002", "train-00001-of-00002"), "another numb"),
        (("train-0-of-99999999999999",), "train-00000000000001-of-99999999999999.parquet is miss"),
        (("train-00000-of-00001-aa", "train-00000-of-00001-bb"), "is the same shard"),
    ],
)
def test_shards(tmp_path: Path, names: tuple[str, ...], message: str) -> None:
    touch(tmp_path, *names)
    refuse(tmp_path, message)


def test_files_of_other_names_in_one_part_are_said(tmp_path: Path) -> None:
    touch(tmp_path, "train-clean", "train-other", "train-other-2")
    assert find_files(tmp_path).notes == [
        "train-clean, train-other are put together as the train part"
    ]
    touch(tmp_path / "numbered", "0000", "0001")
    assert find_files(tmp_path / "numbered").notes == []


def test_what_lies_deeper_is_counted_or_missed(tmp_path: Path) -> None:
    write_parquet(tmp_path / "train.parquet", [0, 1])
    write_parquet(tmp_path / "test.parquet", [0, 1])
    touch(tmp_path, "old/train")
    assert [path.parent.name for path in find_files(tmp_path).left] == ["old"]
    (tmp_path / "test.parquet").rename(tmp_path / "old/test.parquet")
    hint = refuse(tmp_path, r"old/test\.parquet: tells test, but lies deeper")
    assert "into one folder" in hint


STEMS = ["train", "test", "x-train", "x-test", "val-0", "val-1", "mytest", "0000", "0001", "more"]
FOLDERS = ["", "data", "small", "large", "train", "test", "partial-train", "small/test"]
FILES = st.sets(st.tuples(st.sampled_from(FOLDERS), st.sampled_from(STEMS)), min_size=1, max_size=6)


@settings(max_examples=100, deadline=None)
@given(FILES)
def test_every_file_is_read_once_or_left_out_or_the_set_refused(
    tmp_path_factory: pytest.TempPathFactory, files: set[tuple[str, str]]
) -> None:
    root = tmp_path_factory.mktemp("set")
    touch(root, *(f"{folder}/{stem}".lstrip("/") for folder, stem in files))
    try:
        found = find_files(root)
    except DataError:
        return
    read = [path for paths in found.parts.values() for path in paths]
    assert sorted([*read, *found.left]) == sorted(root.rglob("*.parquet"))
    for part, paths in found.parts.items():
        # One folder, and no name in it that tells another part. In a folder called "train" a file
        # of any such name ("latest") is of that part.
        assert len({path.parent for path in paths}) == 1
        if part == "train" and len(files) > 1 and "train" not in paths[0].parent.name:
            assert not any("test" in path.name or "val" in path.name for path in paths)
