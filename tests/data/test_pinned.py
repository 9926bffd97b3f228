"""What a set yields, pinned: the same images, in the same splits and order, in every version.

Runs that are on disk name their data by fingerprint; a change here would make them other runs.
The values were taken from version 0.1 as first written.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dwlt.data import Task, load_task
from dwlt.spec import TaskSpec

from .make import encoded, picture, write_folder, write_parquet

HALF = [i % 2 for i in range(20)]


def three(root: Path) -> None:
    for part, count in (("train", 10), ("val", 3), ("test", 4)):
        write_folder(root / part, ["cat", "dog"], count)


def imagenet(root: Path) -> None:
    for part, count in (("train", 10), ("val", 4)):
        write_folder(root / part, ["cat", "dog"], count)


def flat(root: Path) -> None:
    write_folder(root, ["cat", "dog"], 20)
    (root / "cat/deep").mkdir()
    picture(0, 77).save(root / "cat/deep/a.PNG")


def hub(root: Path) -> None:
    for shard in range(2):
        images = [encoded(picture(shard, i)) for i in range(20)]
        write_parquet(root / f"data/train-{shard:05d}-of-00002.parquet", HALF, images=images)
    write_parquet(root / "data/test-00000-of-00001-0123456789abcdef.parquet", HALF[:6])


def converted(root: Path) -> None:
    for part in ("train", "test"):
        write_parquet(root / f"default/{part}/0000.parquet", ["cat", "eel"] * 10, names=None)


def single(root: Path) -> None:
    write_parquet(root / "images.parquet", HALF)


SETS = {
    "imagefolder, three parts": (three, "21f7ec2de9158675db4fd22fb3e0e8be", (20, 6, 8)),
    "imagefolder, train and val": (imagenet, "0e12998d3c526ef1b01cf7ce863fdd37", (18, 2, 8)),
    "imagefolder, flat": (flat, "b806af2807aee9872bf67fc1ad6c4142", (28, 3, 10)),
    "parquet, shards": (hub, "65c3ea3a09cf386b1595efc181d9017e", (36, 4, 6)),
    "parquet, folders": (converted, "f1fcdea3bfcc92e546d1cdac5a246bee", (18, 2, 20)),
    "parquet, one file": (single, "4dd97905dc0d4aff4292f3e5d1740c3e", (13, 2, 5)),
}


@pytest.mark.parametrize("name", SETS)
def test_own_sets(tmp_path: Path, name: str) -> None:
    write, fingerprint, counts = SETS[name]
    write(tmp_path)
    task = load_task(TaskSpec(task=f"{name.split(',')[0]}:{tmp_path}"), data_dir=tmp_path)
    assert (len(task.train), len(task.validation), len(task.test)) == counts
    assert task.fingerprint == fingerprint


def digits(task: str = "digits", **options: Any) -> Task:
    spec = TaskSpec.model_validate({"task": task, **options})
    return load_task(spec, data_dir=Path("unused"))


def test_the_digits() -> None:
    assert digits().fingerprint == "5ef67881c0f19ef66458f321a1903a52"
    assert digits("digits:0-4").fingerprint == "4c062ec6f7dfb8eb1f2794b5f34bcbf7"


@pytest.mark.parametrize(
    ("seed", "epoch", "ids", "shifted"),
    [
        (0, 0, [1377, 779, 585, 117, 227, 895], "4cbe4189f7a5ca06"),
        (0, 1, [1379, 1440, 795, 1169, 267, 336], "adde707ae13a9499"),
        (1, 0, [1795, 1522, 523, 1762, 92, 631], "43d4f2b467004e44"),
    ],
)
def test_order_and_augmentation_of_an_epoch(
    seed: int, epoch: int, ids: list[int], shifted: str
) -> None:
    batches = digits().train.train_batches(batch_size=64, seed=seed, epoch=epoch, augment="shift")
    batch = next(batches)
    assert batch.ids[:6].tolist() == ids
    counts = (batch.images * 16).round().numpy().astype(np.uint8)
    assert hashlib.sha256(counts.tobytes()).hexdigest()[:16] == shifted


@pytest.mark.parametrize(
    ("options", "train", "validation", "test"),
    [
        ({}, "e112a4ed0fe69b6c", "2e65cf70cdeb37f8", "2a03e4558e159997"),
        ({"fraction": 0.1}, "532f8c1e96b30cc9", "2e65cf70cdeb37f8", "2a03e4558e159997"),
        (
            {"fraction": 0.1, "subset_seed": 1},
            "ce79d20cfd3bb00a",
            "2e65cf70cdeb37f8",
            "2a03e4558e159997",
        ),
        ({"per_class": 5}, "42629872989d31d7", "2e65cf70cdeb37f8", "2a03e4558e159997"),
        ({"test": 50}, "e112a4ed0fe69b6c", "2e65cf70cdeb37f8", "38a44eca8419c1e0"),
        (
            {"test": 50, "subset_seed": 1},
            "e112a4ed0fe69b6c",
            "2e65cf70cdeb37f8",
            "75fd8a0614132949",
        ),
        ({"classes": 3}, "18c0035a05f1bd89", "d3f2b1fc5584a0c3", "f682f860b5b36e0c"),
        (
            {"classes": 3, "subset_seed": 1},
            "ccb00743765a6669",
            "3953eeca63eb56ab",
            "3a3cfb7cefbfac6f",
        ),
    ],
)
def test_who_is_in_which_split(
    options: dict[str, Any], train: str, validation: str, test: str
) -> None:
    """Digests of the ids. A subset of the training images moves neither of the other splits."""
    task = digits(**options)
    found = [
        hashlib.sha256(split.ids.astype("<i8").tobytes()).hexdigest()[:16]
        for split in (task.train, task.validation, task.test)
    ]
    assert found == [train, validation, test]
