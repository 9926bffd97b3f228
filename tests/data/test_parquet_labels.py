"""The label column: types, one label per row, ids, and nothing at all."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dwlt.data import Task, load_task
from dwlt.errors import DataError
from dwlt.spec import TaskSpec

from .make import encoded, picture, write_parquet

HALF = [0, 1] * 10
WORDS = ["cat", "dog"] * 10


def write(path: Path, labels: Any) -> None:
    """Row i holds ``picture(0, i)``, whose pixel (0, 1) is i."""
    write_parquet(path, labels, names=None)


def load(root: Path) -> Task:
    return load_task(TaskSpec(task=f"parquet:{root}"), data_dir=root)


def refuse(root: Path, message: str) -> str:
    with pytest.raises(DataError, match=message) as caught:
        load(root)
    assert caught.value.hint
    return caught.value.hint


TYPES: dict[str, Any] = {
    "int8": pa.array(HALF, pa.int8()),
    "uint64": pa.array(HALF, pa.uint64()),
    "dictionary of numbers": pa.array(HALF).dictionary_encode(),
    "bool": pa.array([bool(i) for i in HALF]),
    "string": pa.array(WORDS),
    "large_string": pa.array(WORDS, pa.large_string()),
    "string_view": pa.array(WORDS, pa.string_view()),
    "dictionary": pa.array(WORDS).dictionary_encode(),
    "dictionary of large strings": pa.array(WORDS, pa.large_string()).dictionary_encode(),
    # Categories that no row has are no classes, and their order is not that of the classes.
    "categories": pa.DictionaryArray.from_arrays(
        pa.array([2, 1] * 10, pa.int8()), pa.array(["eel", "dog", "cat"])
    ),
}


@pytest.mark.parametrize("name", TYPES)
def test_every_type_of_label(tmp_path: Path, name: str) -> None:
    write(tmp_path / "train.parquet", TYPES[name])
    task = load(tmp_path)
    text = pa.types.is_string(TYPES[name].type) or "string" in str(TYPES[name].type)
    assert task.classes == (("cat", "dog") if text else ("0", "1"))
    for split in (task.train, task.validation, task.test):
        assert split.labels.tolist() == [sample % 2 for sample in split.ids]
        (batch,) = split.batches(batch_size=50)
        assert (batch.images[:, 0, 0, 1] * 255).round().tolist() == split.ids.tolist()


MIXES = [
    ("int64", TYPES["int8"], TYPES["string"]),
    ("string", TYPES["string"], TYPES["uint64"]),
    ("bool", TYPES["bool"], TYPES["int8"]),
    ("int8", TYPES["int8"], TYPES["bool"]),
    ("dictionary", TYPES["dictionary"], TYPES["int8"]),
    ("double", TYPES["int8"], pa.array([0.0, 1.0] * 10)),
    ("null", TYPES["string"], pa.nulls(20)),
]


@pytest.mark.parametrize(("name", "first", "other"), MIXES)
@pytest.mark.parametrize(
    "files",
    [
        ("train-00000-of-00002.parquet", "train-00001-of-00002.parquet"),
        ("train.parquet", "test.parquet"),
        ("train.parquet", "validation.parquet"),
        ("0000.parquet", "0001.parquet"),
    ],
)
def test_labels_of_two_types_are_refused(
    tmp_path: Path, name: str, first: Any, other: Any, files: tuple[str, str]
) -> None:
    write(tmp_path / files[0], first)
    write(tmp_path / files[1], other)
    refuse(tmp_path, rf"{files[1]}: column 'label' holds .*, where .*{files[0]} holds")


def test_widths_and_kinds_of_text_may_differ(tmp_path: Path) -> None:
    write(tmp_path / "train-00000-of-00002.parquet", TYPES["string"])
    write(tmp_path / "train-00001-of-00002.parquet", TYPES["categories"])
    write(tmp_path / "test.parquet", TYPES["string_view"])
    task = load(tmp_path)
    assert (len(task.train) + len(task.validation), len(task.test)) == (40, 20)
    assert task.train.labels.tolist() == [sample % 2 for sample in task.train.ids]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (pa.array([0.0, 1.0] * 10), "holds double, not class labels"),
        (pa.array([[0], [1]] * 10), "holds list<.*>, not class labels"),
        (pa.array([b"a", b"b"] * 10), "holds binary, not class labels"),
        (pa.nulls(20), "holds null, not class labels"),
        (pa.array([*WORDS[:13], None, *WORDS[14:]]), "row 13: the label is null"),
        (
            pa.array([*WORDS[:13], None, *WORDS[14:]]).dictionary_encode(),
            "row 13: the label is null",
        ),
        (pa.array([0, 2**64 - 1] * 10, pa.uint64()), "numbers beyond 64 bits"),
        (pa.array([0, -7] * 10), "row 1: label -7, but classes are"),
    ],
)
def test_what_is_no_label(tmp_path: Path, labels: Any, message: str) -> None:
    write(tmp_path / "train.parquet", labels)
    refuse(tmp_path, message)


def test_two_columns_of_one_name(tmp_path: Path) -> None:
    images = pa.array([encoded(picture(0, i)) for i in range(4)])
    table = pa.table(
        [images, pa.array([0, 1, 0, 1]), pa.array([1, 0, 1, 0])], ["image"] + ["label"] * 2
    )
    pq.write_table(table, tmp_path / "train.parquet")
    refuse(tmp_path, "two columns are called 'label'")


def test_images_of_another_type_in_one_file(tmp_path: Path) -> None:
    write(tmp_path / "train.parquet", HALF)
    pq.write_table(pa.table({"image": ["a.png"], "label": [0]}), tmp_path / "test.parquet")
    refuse(tmp_path, r"test\.parquet: column 'image' holds string")


EMPTY = {
    "text": pa.array([], pa.string()),
    "numbers": pa.array([], pa.int64()),
    "null": pa.nulls(0),
    "categories": pa.array([], pa.string()).dictionary_encode(),
}


@pytest.mark.parametrize("part", ["train", "validation", "test"])
@pytest.mark.parametrize("kind", EMPTY)
@pytest.mark.parametrize("labels", [HALF, WORDS])
def test_a_part_without_rows(tmp_path: Path, part: str, kind: str, labels: Any) -> None:
    for name in {"train", part}:
        write(tmp_path / f"{name}.parquet", EMPTY[kind] if name == part else labels)
    refuse(tmp_path, rf"{part}\.parquet: the {part} part has no rows")


@pytest.mark.parametrize("kind", EMPTY)
def test_a_file_without_rows(tmp_path: Path, kind: str) -> None:
    write(tmp_path / "train-00000-of-00002.parquet", EMPTY[kind])
    write(tmp_path / "train-00001-of-00002.parquet", WORDS)
    task = load(tmp_path)
    assert len(task.train) + len(task.validation) + len(task.test) == 20
    assert "files of the train part without rows: train-00000-of-00002.parquet" in task.notes


@pytest.mark.parametrize("largest", [100_000, 74_673_300, 2**62])
def test_ids_are_refused_before_anything_of_their_size_is_made(
    tmp_path: Path, largest: int
) -> None:
    write(tmp_path / "train.parquet", [largest - 1, largest] * 10)
    tracemalloc.start()
    try:
        hint = refuse(tmp_path, rf"train\.parquet, row 1: label {largest} among 20 images")
        # A list of 100,000 names alone takes more.
        assert tracemalloc.get_traced_memory()[1] < 4 * 1024**2
    finally:
        tracemalloc.stop()
    assert "text" in hint


def test_a_cut_down_set_keeps_its_numbers(tmp_path: Path) -> None:
    write(tmp_path / "train.parquet", [7, 21_000] * 10)
    spec = TaskSpec(task=f"parquet:{tmp_path}", classes=(7, 21_000))
    task = load_task(spec, data_dir=tmp_path)
    assert task.classes == ("7", "21000")
    assert np.bincount(task.train.labels).sum() == 13


CAFE = "caf\N{LATIN SMALL LETTER E WITH ACUTE}"
CAFE_DECOMPOSED = "cafe\N{COMBINING ACUTE ACCENT}"


def test_one_word_in_two_spellings_is_one_class(tmp_path: Path) -> None:
    write(tmp_path / "train.parquet", [CAFE, "bar", CAFE_DECOMPOSED, "bar"] * 5)
    write(tmp_path / "test.parquet", [CAFE_DECOMPOSED, "bar", CAFE])
    task = load(tmp_path)
    assert len(task.classes) == 2
    assert task.test.labels.tolist() == [1, 0, 1]
    assert all(task.train.labels == 1 - task.train.ids % 2)


def test_class_names_of_two_files_in_two_spellings(tmp_path: Path) -> None:
    write_parquet(tmp_path / "train.parquet", HALF, names=["bar", CAFE])
    write_parquet(tmp_path / "test.parquet", HALF, names=["bar", CAFE_DECOMPOSED])
    assert load(tmp_path).classes == ("bar", CAFE)


def test_left_out_rows_are_counted(tmp_path: Path) -> None:
    write(tmp_path / "train.parquet", HALF)
    write(tmp_path / "test.parquet", HALF)
    write(tmp_path / "more.parquet", HALF[:6])
    (tmp_path / "old").mkdir()
    (tmp_path / "old/train.parquet").write_bytes(b"no Parquet")
    notes = load(tmp_path).notes
    assert "more.parquet is of no known part and was left out" in notes
    assert "files that were left out hold 6 rows, and 1 unreadable files" in notes
