"""From spec to task: splits that never overlap, subsets that never move them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlt.data import Split, Task, load_task
from dwlt.errors import DataError
from dwlt.spec import TaskSpec


def digits(task: str = "digits", **options: Any) -> Task:
    return load_task(TaskSpec(task=task, **options), data_dir=Path("unused"))


def assert_disjoint(task: Task) -> None:
    seen: set[tuple[str, int]] = set()
    for split in (task.train, task.validation, task.test):
        own = {(split.origin, int(sample)) for sample in split.ids}
        assert len(own) == len(split)
        assert not seen & own
        seen |= own


def test_the_digits_by_hand() -> None:
    from sklearn.datasets import load_digits

    bundle = load_digits()
    task = digits()
    assert task.shape == (1, 8, 8)
    assert task.classes == tuple("0123456789")
    # 1797 images: a quarter (449) is test, a tenth of the 1348 left is validation.
    assert (len(task.train), len(task.validation), len(task.test)) == (1213, 135, 449)
    assert_disjoint(task)
    assert any("held out" in note for note in task.notes)
    pixels = []
    for split in (task.train, task.validation, task.test):
        (batch,) = split.batches(batch_size=2000)
        ids = batch.ids.numpy()
        # Pixels are exactly count / 16.
        assert np.array_equal(batch.images[:, 0].numpy(), bundle.images[ids] / 16)
        assert np.array_equal(batch.labels.numpy(), bundle.target[ids])
        pixels.append(batch.images)
    assert task.mean[0] == pytest.approx(float(pixels[0].double().mean()), abs=1e-12)
    assert task.std[0] == pytest.approx(float(pixels[0].double().std(correction=0)), abs=1e-12)


def test_the_shorthand_chooses_classes_and_renumbers_them() -> None:
    low, high = digits("digits:0-4"), digits("digits:5-9")
    assert low.classes == tuple("01234")
    assert high.classes == tuple("56789")
    assert set(np.unique(high.train.labels)) == set(range(5))
    assert digits(classes="0-4").fingerprint == low.fingerprint
    assert not set(low.train.ids) & set(high.train.ids)
    # A test image is a test image whatever classes are chosen.
    whole = digits()
    assert {*low.test.ids, *high.test.ids} == set(whole.test.ids)


def test_chosen_classes_are_renumbered_in_the_order_of_their_choice() -> None:
    from sklearn.datasets import load_digits

    target = load_digits().target
    task = digits(classes=("7", 2, "5"))
    assert task.classes == ("7", "2", "5")
    for split in (task.train, task.validation, task.test):
        assert np.array_equal(np.array([7, 2, 5])[split.labels], target[split.ids])


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from([None, 3, "2-7", ("9", "1")]),
    st.sampled_from([None, 20, 60]),
    st.floats(0.01, 1),
    st.sampled_from([0.1, 0.3, 50]),
    st.integers(0, 5),
)
def test_splits_never_overlap_and_subsets_are_nested(
    classes: Any, per_class: int | None, fraction: float, validation: float, seed: int
) -> None:
    common = {"classes": classes, "validation": validation, "subset_seed": seed}
    whole = digits(**common)
    part = digits(**common, per_class=per_class, fraction=fraction)
    smaller = digits(**common, per_class=per_class, fraction=fraction / 2)
    for task in (whole, part, smaller):
        assert_disjoint(task)
    assert set(smaller.train.ids) <= set(part.train.ids) <= set(whole.train.ids)
    counts = np.bincount(smaller.train.labels, minlength=len(whole.classes))
    assert counts.min() >= 1
    for name in ("validation", "test"):
        assert np.array_equal(getattr(part, name).ids, getattr(whole, name).ids)


def test_balanced_means_equal_numbers() -> None:
    task = digits(per_class=40, fraction=0.25)
    assert np.bincount(task.train.labels).tolist() == [10] * 10


def test_images_to_choose_on_shrink_along_where_they_are_to() -> None:
    whole, tenth, one = (
        digits(validation=0.2, validation_fraction="same", fraction=f) for f in (1, 0.1, 0.01)
    )
    least = len(whole.classes)
    # Per class 25 to 29 of about 140 images, so 2 or 3 of them, and at least one.
    assert [len(t.validation.ids) for t in (whole, one)] == [
        len(digits(validation=0.2).validation.ids),
        least,
    ]
    assert set(one.validation.ids) < set(tenth.validation.ids) < set(whole.validation.ids)
    assert set(np.bincount(tenth.validation.labels).tolist()) <= {2, 3}
    assert f"{least} of {len(whole.validation.ids)} validation images are used" in one.notes
    for task in (whole, tenth, one):
        assert_disjoint(task)
    # By itself, a share of its own; and without it nothing shrinks.
    assert len(digits(validation=0.2, validation_fraction=0.1).validation.ids) == len(
        tenth.validation.ids
    )
    assert len(digits(validation=0.2, fraction=0.1).validation.ids) == len(whole.validation.ids)


def test_the_fingerprint_tells_data_apart() -> None:
    base = digits()
    assert base.fingerprint == digits().fingerprint
    others = [
        digits(fraction=0.5),
        digits(size=16),
        digits(channels=3),
        digits(validation=0.2),
        digits(classes="1,0,2-9"),
    ]
    assert len({base.fingerprint, *(one.fingerprint for one in others)}) == 6


def test_size_and_channels() -> None:
    task = digits("digits:0-4", size=16, channels=3)
    assert task.shape == (3, 16, 16)
    batch = next(task.test.batches(batch_size=9))
    assert batch.images.shape == (9, 3, 16, 16)
    assert torch.equal(batch.images[:, 0], batch.images[:, 2])
    assert len(task.mean) == len(task.std) == 3
    # Resized digits use all 256 levels, not 17.
    assert len(set(batch.images.flatten().tolist())) > 100
    assert task.mean[0] == pytest.approx(digits("digits:0-4").mean[0], abs=0.01)


@pytest.mark.parametrize(
    ("values", "message", "hint"),
    [
        ({"task": "cifar"}, "no task 'cifar'", "did you mean 'cifar10'"),
        ({"task": "digits:0-4", "classes": "1-2"}, "already chooses classes", "leave `classes`"),
        ({"task": "digits:0-12"}, "no class 10", "classes are 0-9"),
        ({"task": "digits", "per_class": 150}, "training images after", "per_class to at most"),
        ({"task": "digits", "validation": 1340}, "cannot be held out", "change `validation`"),
        ({"task": "imagefolder:"}, "no folder is named", "after the colon"),
        ({"task": "imagefolder:nowhere"}, "no folder .*nowhere", "--data-dir"),
        ({"task": "parquet:nowhere"}, "no folder .*nowhere", "--data-dir"),
    ],
)
def test_what_cannot_be_loaded_says_why(
    tmp_path: Path, values: dict[str, Any], message: str, hint: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        load_task(TaskSpec.model_validate(values), data_dir=tmp_path)
    assert hint in str(caught.value.hint)


def test_a_split_describes_itself() -> None:
    split: Split = digits("digits:0-4", fraction=0.1).train
    assert split.num_classes == 5
    assert len(split) == len(split.ids) == len(split.labels)
    assert split.ids.tolist() == sorted(split.ids.tolist())
    assert split.steps(20) == len(list(split.train_batches(batch_size=20, seed=0, epoch=0)))
