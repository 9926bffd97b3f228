"""The laws of batches: order, augmentation, identity of samples, whatever holds the pixels."""

from __future__ import annotations

import copy
import pickle
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from dwlt.data import AUGMENTS, Batch, Split, Task, load_task, stream
from dwlt.data.resident import ResidentSplit
from dwlt.data.stream import StreamSplit
from dwlt.errors import DataError
from dwlt.spec import TaskSpec

from .make import encoded, picture, write_folder, write_parquet


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    write_folder(root / "set", ["cat", "dog", "eel"], 16)
    return root


def load(root: Path, *, limit: int = 2**30, workers: int = 0, **options: Any) -> Task:
    spec = TaskSpec.model_validate({"task": "imagefolder:set", **options})
    return load_task(spec, data_dir=root, workers=workers, limit_resident_bytes=limit)


def epoch(
    split: Split, augment: str = "crop-flip", *, seed: int = 1, number: int = 0
) -> list[Batch]:
    return list(split.train_batches(batch_size=8, seed=seed, epoch=number, augment=augment))


def same(a: list[Batch], b: list[Batch]) -> bool:
    return len(a) == len(b) and all(
        torch.equal(x.images, y.images)
        and torch.equal(x.labels, y.labels)
        and torch.equal(x.ids, y.ids)
        for x, y in zip(a, b, strict=True)
    )


def test_an_epoch_is_a_function_of_seed_and_number(folder: Path) -> None:
    train = load(folder).train
    first = epoch(train)
    assert same(first, epoch(train))
    assert not same(first, epoch(train, number=1))
    assert not same(first, epoch(train, seed=2))
    ids = torch.cat([batch.ids for batch in first])
    assert sorted(ids.tolist()) == train.ids.tolist()
    assert ids.tolist() != train.ids.tolist()
    # Starting at a later epoch needs nothing from the earlier ones.
    assert same(epoch(load(folder).train, number=5), epoch(train, number=5))


@pytest.mark.parametrize("augment", AUGMENTS)
def test_streamed_batches_equal_resident_ones(folder: Path, augment: str) -> None:
    resident, streamed = load(folder), load(folder, limit=0)
    assert type(resident.train) is not type(streamed.train)
    assert same(epoch(resident.train, augment), epoch(streamed.train, augment))
    assert same(*(list(t.test.batches(batch_size=5)) for t in (resident, streamed)))
    assert resident.mean == streamed.mean  # 27 images: all of them are in the sample


@pytest.mark.parametrize("augment", AUGMENTS)
def test_small_images_wanted_larger_are_kept_at_their_own_size(folder: Path, augment: str) -> None:
    """Three ways to hold them, one result: enlarged in memory, enlarged on use, decoded on use."""
    options: dict[str, Any] = {"size": 20, "augment": augment}
    large, small = load(folder, **options), load(folder, limit=10_000, **options)
    streamed = load(folder, limit=100, **options)
    assert isinstance(small.train, ResidentSplit)
    assert small.train.pixels.shape == (32, 3, 8, 8)
    assert isinstance(streamed.train, StreamSplit)
    first = epoch(large.train, augment)
    assert first[0].images.shape == (8, 3, 20, 20)
    for other in (small, streamed):
        assert same(first, epoch(other.train, augment))
        assert same(*(list(t.test.batches(batch_size=5)) for t in (large, other)))
        assert same([large.train.take(np.array([2, 5]))], [other.train.take(np.array([2, 5]))])
    # Which images a task has does not depend on how training varies them.
    assert large.fingerprint == load(folder, size=20).fingerprint
    assert (small.fingerprint, small.mean) == (streamed.fingerprint, streamed.mean)


def test_crops_come_from_the_stored_image(tmp_path: Path) -> None:
    """Images of 40x20 at size 10: what the centre square never shows is seen, and repeatably."""
    for name in ("cat", "dog"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in range(20):
            pixels = np.zeros((20, 40, 3), dtype=np.uint8)
            pixels[:, :8] = pixels[:, -8:] = 255  # beside the middle 20 columns
            Image.fromarray(pixels).save(tmp_path / "set" / name / f"{number}.png")
    options: dict[str, Any] = {"size": 10, "augment": "random-resized-crop"}
    task = load(tmp_path, **options)
    assert isinstance(task.train, StreamSplit)
    (whole,) = task.train.batches(batch_size=40)
    assert float(whole.images.max()) < 1
    first = epoch(task.train, "random-resized-crop")
    assert max(float(batch.images.max()) for batch in first) == 1
    assert same(first, epoch(task.train, "random-resized-crop"))
    assert not same(first, epoch(task.train, "random-resized-crop", number=1))
    helped = load(tmp_path, workers=2, **options)
    assert same(first, epoch(helped.train, "random-resized-crop"))


def test_waiting_is_counted(folder: Path) -> None:
    split = load(folder, limit=0).train
    assert split.waited == 0
    for _ in split.train_batches(batch_size=8, seed=0, epoch=0):
        before = split.waited
        time.sleep(0.01)  # what is done with a batch is no waiting
        assert split.waited == before > 0


def test_workers_follow_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, launched, expected in [
        (1, "", 0),
        (2, "", 1),
        (8, "", 7),
        (64, "", 16),
        (8, "4", 1),
    ]:
        monkeypatch.setattr(stream, "_cores", lambda cores=cores: cores)
        monkeypatch.setenv("LOCAL_WORLD_SIZE", launched)
        assert stream.auto_workers() == expected


def test_a_batch_larger_than_a_piece_is_put_together(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = epoch(load(folder).train)
    monkeypatch.setattr(stream, "_PIECE", 3)
    for workers in (0, 2):
        assert same(whole, epoch(load(folder, limit=0, workers=workers).train))


@pytest.mark.parametrize("workers", [1, 3])
def test_the_number_of_workers_changes_nothing(folder: Path, workers: int) -> None:
    alone, helped = load(folder, limit=0), load(folder, limit=0, workers=workers)
    assert same(epoch(alone.train), epoch(helped.train))


def test_the_global_generator_is_left_alone(folder: Path) -> None:
    before = torch.get_rng_state()
    for task in (load(folder), load(folder, limit=0)):
        epoch(task.train)
    assert torch.equal(before, torch.get_rng_state())


def test_batches_in_id_order_hold_every_sample(folder: Path) -> None:
    test = load(folder).test
    got = list(test.batches(batch_size=5))
    assert torch.cat([batch.ids for batch in got]).tolist() == test.ids.tolist()
    assert torch.cat([batch.labels for batch in got]).tolist() == test.labels.tolist()
    # A quarter of 48 images: 5, 5, 2.
    assert [len(batch.ids) for batch in got] == [5, 5, 2]


@pytest.mark.parametrize("limit", [2**30, 0])
def test_some_samples_are_those_of_the_batches(folder: Path, limit: int) -> None:
    split = load(folder, limit=limit).train
    (whole,) = split.batches(batch_size=len(split))
    some = split.take(np.array([1, 4, 5]))
    assert same(
        [some], [Batch(whole.images[[1, 4, 5]], whole.labels[[1, 4, 5]], whole.ids[[1, 4, 5]])]
    )


def test_ids_lead_back_to_the_files(folder: Path) -> None:
    """The class folders are sorted and hold 16 images, sorted by name as text."""
    names = sorted(str(number) for number in range(16))
    task = load(folder)
    for split in (task.train, task.validation, task.test):
        for batch in split.batches(batch_size=64):
            for image, label, sample in zip(batch.images, batch.labels, batch.ids, strict=True):
                assert sample // 16 == label
                expected = np.array(picture(int(label), int(names[sample % 16])))
                found = (image * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
                assert np.array_equal(expected, found)


@pytest.mark.parametrize(
    ("count", "batch_size", "steps"),
    [(9, 4, 2), (10, 4, 3), (8, 4, 2), (3, 1, 3), (1, 4, 1), (5, 9, 1)],
)
def test_a_last_batch_of_one_is_left_out(
    tmp_path: Path, count: int, batch_size: int, steps: int
) -> None:
    split = load_one(tmp_path, count)
    got = list(split.train_batches(batch_size=batch_size, seed=0, epoch=0))
    assert len(got) == steps == split.steps(batch_size)


def test_an_epoch_begun_late_and_in_parts_has_the_same_samples(folder: Path) -> None:
    split = load(folder).train
    whole = epoch(split, "shift", number=1)
    assert split.step_sizes(8) == [len(batch.ids) for batch in whole]
    parts = split.train_batches(
        batch_size=8,
        seed=1,
        epoch=1,
        augment="shift",
        first=1,
        parts=lambda step: [(step % 2, 3), (3, 5)],
    )
    for step, batch in list(enumerate(whole))[1:]:
        for low, high in [(step % 2, 3), (3, 5)]:
            part = next(parts)
            assert torch.equal(part.ids, batch.ids[low:high])
            assert torch.equal(part.images, batch.images[low:high])
            assert torch.equal(part.labels, batch.labels[low:high])
    assert next(parts, None) is None


def load_one(root: Path, count: int) -> Split:
    """A training split of ``count`` images, made by hand."""
    from dwlt.data.resident import ResidentSplit

    return ResidentSplit(
        torch.zeros(count, 1, 4, 4, dtype=torch.uint8),
        labels=np.zeros(count, dtype=np.int64),
        ids=np.arange(count),
        origin="train",
        num_classes=2,
        shape=(1, 4, 4),
        levels=255,
    )


def test_splits_can_be_copied_and_pickled(folder: Path) -> None:
    for task in (load(folder), load(folder, limit=0)):
        before = epoch(task.train)
        assert same(before, epoch(copy.deepcopy(task.train)))
        assert same(before, epoch(pickle.loads(pickle.dumps(task.train))))


def test_streaming_from_parquet_makes_a_working_copy_once(tmp_path: Path) -> None:
    images = [encoded(picture(i % 2, i), "JPEG" if i % 3 else "PNG") for i in range(23)]
    write_parquet(tmp_path / "set/train.parquet", [i % 2 for i in range(23)], images=images)
    spec = TaskSpec(task="parquet:set")
    resident = load_task(spec, data_dir=tmp_path)
    for _ in range(2):
        streamed = load_task(spec, data_dir=tmp_path, limit_resident_bytes=0, workers=2)
        assert same(epoch(resident.train), epoch(streamed.train))
    made = sorted(path.suffix for path in (tmp_path / ".dwlt-cache").iterdir())
    assert made == [".images", ".npy"]
    assert (tmp_path / ".dwlt-cache").stat().st_size > 0


@pytest.mark.parametrize("workers", [0, 2])
def test_a_corrupt_image_met_while_streaming_is_named(tmp_path: Path, workers: int) -> None:
    write_folder(tmp_path / "set", ["cat", "dog"], 60)
    task = load(tmp_path, limit=0, workers=workers)
    for number in range(60):
        (tmp_path / "set/cat" / f"{number}.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"cat/\d+\.png: not a readable image") as caught:
        epoch(task.train)
    assert caught.value.hint == "replace or remove the image"
