"""Every use of a seed, apart from the others: none is constant, none moves what it should not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dwlt.data import AUGMENTS, Split, Task, load_task
from dwlt.spec import TaskSpec

from .make import picture, write_folder

SEEDED = [name for name in AUGMENTS if name != "none"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    write_folder(root / "set", ["cat", "dog", "eel", "fox"], 24, side=16)
    return root


def load(root: Path, *, streamed: bool = False, **options: Any) -> Task:
    spec = TaskSpec.model_validate({"task": "imagefolder:set", **options})
    return load_task(spec, data_dir=root, limit_resident_bytes=0 if streamed else 2**30)


def order(split: Split, *, seed: int = 1, epoch: int = 0, augment: str = "none") -> list[int]:
    batches = split.train_batches(batch_size=7, seed=seed, epoch=epoch, augment=augment)
    return torch.cat([batch.ids for batch in batches]).tolist()


def by_id(split: Split, augment: str, *, seed: int = 1, epoch: int = 0) -> Tensor:
    """The images of an epoch in the order of their ids, whatever order they came in."""
    batches = list(split.train_batches(batch_size=7, seed=seed, epoch=epoch, augment=augment))
    places = torch.cat([batch.ids for batch in batches]).argsort()
    return torch.cat([batch.images for batch in batches])[places]


@pytest.mark.parametrize("streamed", [False, True])
def test_each_epoch_and_each_seed_has_an_order_of_its_own(folder: Path, streamed: bool) -> None:
    train = load(folder, streamed=streamed).train
    orders = [order(train, seed=seed, epoch=epoch) for seed in range(3) for epoch in range(3)]
    assert len({tuple(one) for one in orders}) == 9
    assert all(sorted(one) == train.ids.tolist() for one in orders)
    # Neither id order nor classes one after another: the first batch mixes them.
    labels = dict(zip(train.ids.tolist(), train.labels.tolist(), strict=True))
    assert all(len({labels[sample] for sample in one[:7]}) > 1 for one in orders)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("augment", SEEDED)
def test_each_epoch_and_each_seed_augments_anew(folder: Path, augment: str, streamed: bool) -> None:
    """Compared image by image, so that another order does not hide a constant augmentation."""
    train = load(folder, streamed=streamed).train
    plain = by_id(train, "none")
    first = by_id(train, augment)
    assert torch.equal(first, by_id(train, augment))
    others = [by_id(train, augment, epoch=1), by_id(train, augment, seed=2), plain]
    for other in others:
        changed = (first != other).flatten(1).any(dim=1).double().mean()
        # A shift of at most 2 pixels is the same again for 1 image in 25.
        assert changed > 0.75


def test_augmentation_does_not_change_the_order(folder: Path) -> None:
    train = load(folder).train
    assert len({tuple(order(train, augment=augment)) for augment in AUGMENTS}) == 1


def test_images_of_one_batch_are_augmented_apart(tmp_path: Path) -> None:
    """Equal images become different ones."""
    for name in ("cat", "dog"):
        (tmp_path / "set" / name).mkdir(parents=True)
        for number in range(12):
            picture(0, 0, side=16).save(tmp_path / "set" / name / f"{number}.png")
    images = by_id(load(tmp_path).train, "shift")
    assert len({image.numpy().tobytes() for image in images}) > 6


def test_validation_and_test_are_not_augmented_and_do_not_depend_on_seeds(folder: Path) -> None:
    one, other = load(folder), load(folder, subset_seed=5, fraction=0.5)
    for name in ("validation", "test"):
        (a,) = getattr(one, name).batches(batch_size=99)
        (b,) = getattr(other, name).batches(batch_size=99)
        assert torch.equal(a.images, b.images)
        assert torch.equal(a.ids, b.ids)
        assert a.ids.tolist() == sorted(a.ids.tolist())
        for image, sample, label in zip(a.images, a.ids.tolist(), a.labels.tolist(), strict=True):
            number = sorted(str(i) for i in range(24))[sample % 24]
            stored = np.array(picture(label, int(number), side=16)).transpose(2, 0, 1)
            assert np.array_equal((image * 255).round().numpy(), stored)


@pytest.mark.parametrize("options", [{"fraction": 0.25}, {"per_class": 4}])
def test_a_subset_is_drawn_by_its_seed(folder: Path, options: dict[str, Any]) -> None:
    whole = load(folder)
    drawn = [load(folder, subset_seed=seed, **options) for seed in range(4)]
    assert len({tuple(task.train.ids.tolist()) for task in drawn}) == 4
    for task in drawn:
        assert np.bincount(task.train.labels).tolist() == [4, 4, 4, 4]
        assert set(task.train.ids) < set(whole.train.ids)
        held = {*task.validation.ids, *task.test.ids}
        assert held == {*whole.validation.ids, *whole.test.ids}
        assert not held & set(task.train.ids)


def test_few_images_to_choose_on_are_drawn_by_the_seed(folder: Path) -> None:
    whole = load(folder)
    drawn = [load(folder, subset_seed=seed, validation_fraction=0.5) for seed in range(4)]
    assert len({tuple(task.validation.ids.tolist()) for task in drawn}) > 1
    for task in drawn:
        assert set(task.validation.ids) < set(whole.validation.ids)
        assert np.array_equal(task.train.ids, whole.train.ids)
        assert np.array_equal(task.test.ids, whole.test.ids)


def test_a_limit_on_the_test_images_is_drawn_by_its_seed(folder: Path) -> None:
    whole = load(folder)
    drawn = [load(folder, subset_seed=seed, test=8) for seed in range(4)]
    assert len({tuple(task.test.ids.tolist()) for task in drawn}) == 4
    for task in drawn:
        assert np.bincount(task.test.labels).tolist() == [2, 2, 2, 2]
        assert set(task.test.ids) < set(whole.test.ids)
        assert np.array_equal(task.train.ids, whole.train.ids)


def test_a_number_of_classes_is_drawn_by_its_seed(folder: Path) -> None:
    drawn = {load(folder, classes=2, subset_seed=seed).classes for seed in range(12)}
    assert len(drawn) > 2


def test_what_is_held_out_is_not_the_first_or_last_images(folder: Path) -> None:
    task = load(folder)
    for split in (task.validation, task.test):
        for label in range(4):
            own = np.sort(split.ids[split.labels == label] % 24)
            assert own.tolist() not in (list(range(len(own))), list(range(24 - len(own), 24)))


def test_the_fingerprint_covers_pixels_labels_and_names(tmp_path: Path) -> None:
    write_folder(tmp_path / "set", ["cat", "dog"], 12)
    before = load(tmp_path).fingerprint
    assert load(tmp_path).fingerprint == before
    path = tmp_path / "set/cat/3.png"
    data = path.read_bytes()
    changed = picture(0, 3)
    red, green, blue = changed.getpixel((4, 4))  # type: ignore[misc]
    changed.putpixel((4, 4), (red, green, blue ^ 1))
    changed.save(path)
    seen = {before, load(tmp_path).fingerprint}
    path.write_bytes(data)
    (tmp_path / "set/dog").rename(tmp_path / "set/eel")
    seen.add(load(tmp_path).fingerprint)
    (tmp_path / "set/eel").rename(tmp_path / "set/dog")
    (tmp_path / "set/dog/0.png").rename(tmp_path / "set/cat/zero.png")
    seen.add(load(tmp_path).fingerprint)
    assert len(seen) == 4
