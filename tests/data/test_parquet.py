"""``parquet:DIR``: the Hugging Face layout, its variants and its faults."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dwlt.data import Task, load_task
from dwlt.errors import DataError
from dwlt.spec import TaskSpec

from .make import encoded, picture, write_parquet

HALF = [i % 2 for i in range(20)]


def load(root: Path, column: str = "", **options: object) -> Task:
    spec = TaskSpec.model_validate({"task": f"parquet:{root}{column}", **options})
    return load_task(spec, data_dir=root)


def counts(task: Task) -> tuple[int, int, int]:
    return len(task.train), len(task.validation), len(task.test)


def fails(root: Path, message: str, column: str = "") -> str:
    """The hint of the DataError that loading ends in."""
    with pytest.raises(DataError, match=message) as caught:
        load(root, column)
    assert caught.value.hint
    return caught.value.hint


def test_train_and_test(tmp_path: Path) -> None:
    write_parquet(tmp_path / "train.parquet", HALF)
    write_parquet(tmp_path / "test.parquet", HALF[:6])
    task = load(tmp_path)
    assert task.classes == ("cat", "dog")
    assert task.shape == (3, 8, 8)
    assert counts(task) == (18, 2, 6)
    for split in (task.train, task.validation, task.test):
        for batch in split.batches(batch_size=50):
            for image, label, row in zip(batch.images, batch.labels, batch.ids, strict=True):
                assert label == row % 2
                pixels = (image * 255).round().numpy().astype(np.uint8).transpose(1, 2, 0)
                assert np.array_equal(pixels, np.array(picture(0, int(row))))


def test_shards_below_data_count_on(tmp_path: Path) -> None:
    for shard in range(2):
        images = [encoded(picture(0, 12 * shard + i)) for i in range(12)]
        name = f"data/train-{shard:05d}-of-00002.parquet"
        write_parquet(tmp_path / name, HALF[:12], images=images)
    write_parquet(tmp_path / "data/validation-00000-of-00001.parquet", HALF[:6])
    write_parquet(tmp_path / "data/test-00000-of-00001-0123456789abcdef.parquet", HALF[:4])
    task = load(tmp_path)
    assert counts(task) == (24, 6, 4)
    (batch,) = task.train.batches(batch_size=24)
    # Pixel (0, 1) says which picture it is.
    assert (batch.images[:, 0, 0, 1] * 255).round().tolist() == list(range(24))


def test_folders_named_after_parts(tmp_path: Path) -> None:
    write_parquet(tmp_path / "default/train/0000.parquet", HALF)
    write_parquet(tmp_path / "default/test/0000.parquet", HALF[:4])
    assert counts(load(tmp_path)) == (18, 2, 4)


def test_a_single_file_is_split(tmp_path: Path) -> None:
    write_parquet(tmp_path / "images.parquet", HALF)
    assert counts(load(tmp_path)) == (13, 2, 5)


def test_files_of_no_part_are_left_out_and_said_so(tmp_path: Path) -> None:
    write_parquet(tmp_path / "train.parquet", HALF)
    write_parquet(tmp_path / "extra.parquet", HALF)
    task = load(tmp_path)
    assert sum(counts(task)) == 20
    assert "extra.parquet is of no known part and was left out" in task.notes


@pytest.mark.parametrize("column", ["labels", "fine_label"])
def test_other_names_for_the_label(tmp_path: Path, column: str) -> None:
    write_parquet(tmp_path / "train.parquet", HALF, column=column)
    assert load(tmp_path).classes == ("cat", "dog")


def test_a_label_column_by_name(tmp_path: Path) -> None:
    write_parquet(tmp_path / "train.parquet", HALF, column="kind", names=None)
    assert "parquet:DIR#COLUMN" in fails(tmp_path, "no label column among image, kind")
    assert load(tmp_path, "#kind").classes == ("0", "1")
    fails(tmp_path, "no column 'sort' among", "#sort")


def test_text_labels(tmp_path: Path) -> None:
    write_parquet(tmp_path / "train.parquet", ["eel", "cat"] * 10, names=None)
    write_parquet(tmp_path / "test.parquet", ["cat", "eel", "cow"], names=None)
    fails(tmp_path, r"test.parquet, row 2: label 'cow' is no training class")
    (tmp_path / "test.parquet").unlink()
    task = load(tmp_path)
    assert task.classes == ("cat", "eel")
    assert all(task.train.labels == 1 - task.train.ids % 2)


def test_images_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    for row in range(20):
        picture(0, row).save(tmp_path / f"pictures/{row}.png")
    images = [{"bytes": None, "path": f"pictures/{row}.png"} for row in range(20)]
    pq.write_table(pa.table({"image": images, "label": HALF}), tmp_path / "train.parquet")
    assert sum(counts(load(tmp_path))) == 20


@pytest.mark.parametrize("value", [-1, 2, 7])
def test_labels_out_of_range(tmp_path: Path, value: int) -> None:
    write_parquet(tmp_path / "train.parquet", HALF)
    write_parquet(tmp_path / "test.parquet", [0, 1, value, 9])
    hint = fails(tmp_path, rf"test\.parquet, row 2: label {value}, but classes are 0-1")
    assert ("hidden labels" in hint) == (value == -1)


def test_a_null_label(tmp_path: Path) -> None:
    write_parquet(tmp_path / "train.parquet", [*HALF, None, 1])
    fails(tmp_path, r"train\.parquet, row 20: the label is null")


def test_a_class_without_images(tmp_path: Path) -> None:
    write_parquet(tmp_path / "train.parquet", HALF, names=["cat", "dog", "eel"])
    assert "`classes`" in fails(tmp_path, "class 'eel' has no training image")
    assert load(tmp_path, classes="0-1").classes == ("cat", "dog")


def test_images_that_are_corrupt_or_absent_name_file_and_row(tmp_path: Path) -> None:
    good = [encoded(picture(0, i)) for i in range(20)]
    for bad, message in ((b"oops", "not a readable image"), (None, "the image has no bytes")):
        images: list[bytes | None] = [*good]
        images[13] = bad
        write_parquet(tmp_path / "train.parquet", HALF, images=images)
        fails(tmp_path, rf"train\.parquet, row 13: {message}")


def test_unequal_shapes_name_the_row(tmp_path: Path) -> None:
    images = [encoded(picture(0, i, side=8 + 2 * (i == 7))) for i in range(20)]
    write_parquet(tmp_path / "train.parquet", HALF, images=images)
    assert "size = 8" in fails(tmp_path, r"train\.parquet, row 7: 10x10 pixels")


def test_a_missing_shard(tmp_path: Path) -> None:
    write_parquet(tmp_path / "train-00000-of-00003.parquet", HALF)
    write_parquet(tmp_path / "train-00002-of-00003.parquet", HALF)
    fails(tmp_path, r"train-00001-of-00003\.parquet is missing \(2 of 3")


def test_class_names_that_differ_between_files(tmp_path: Path) -> None:
    write_parquet(tmp_path / "train.parquet", HALF)
    write_parquet(tmp_path / "test.parquet", HALF, names=["dog", "cat"])
    fails(tmp_path, r"test\.parquet: its class names differ")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not a readable Parquet file"),
        (b"PAR1 and then nothing", "not a readable Parquet file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"<html><body>404</body></html>", "web page"),
    ],
)
def test_files_that_are_no_parquet(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "train.parquet").write_bytes(content)
    fails(tmp_path, reason)


def test_a_damaged_page(tmp_path: Path) -> None:
    write_parquet(tmp_path / "train.parquet", HALF)
    data = bytearray((tmp_path / "train.parquet").read_bytes())
    data[4:60] = os.urandom(56)
    (tmp_path / "train.parquet").write_bytes(data)
    with pytest.raises(DataError, match=r"train\.parquet"):
        load(tmp_path)


def test_metadata_of_another_kind(tmp_path: Path) -> None:
    write_parquet(tmp_path / "train.parquet", HALF)
    table = pq.read_table(tmp_path / "train.parquet")
    table = table.replace_schema_metadata({"huggingface": "[]"})
    pq.write_table(table, tmp_path / "train.parquet")
    fails(tmp_path, "`huggingface` metadata is not as expected")


def test_no_files(tmp_path: Path) -> None:
    fails(tmp_path, "no Parquet files")
    write_parquet(tmp_path / "test.parquet", HALF)
    fails(tmp_path, "no training files beside test.parquet")


REAL = Path(
    os.environ.get("DWLT_TEST_DATA", Path(__file__).resolve().parents[2] / "../shared/data")
)


@pytest.mark.data
@pytest.mark.skipif(not (REAL / "tiny-imagenet-a").is_dir(), reason="needs the real image folder")
def test_real_images() -> None:
    task = load_task(
        TaskSpec(task="parquet:tiny-imagenet-a", classes=20, fraction=0.1), data_dir=REAL
    )
    # 500 images in each of 100 classes: 450 stay after validation, a tenth of them is used.
    assert counts(task) == (900, 1000, 1000)
    assert task.shape == (3, 32, 32)
    assert np.bincount(task.train.labels).tolist() == [45] * 20
