"""Classes, cuts and subsets, worked out by hand and as laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwlt.data.order import Ints
from dwlt.data.select import choose_classes, cut, read_indices, subset
from dwlt.errors import DataError

NAMES = ["cat", "dog", "eel", "fox"]
LABELS = st.lists(st.integers(0, 4), min_size=10, max_size=200).map(
    lambda more: np.array([0, 1, 2, 3, 4] * 3 + more, dtype=np.int64)
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0-4", [0, 1, 2, 3, 4]),
        ("0,3,7", [0, 3, 7]),
        (" 1 - 2, 9", [1, 2, 9]),
        ("5", [5]),
        ("cat", None),
        ("1-", None),
        ("", None),
    ],
)
def test_read_indices(text: str, expected: list[int] | None) -> None:
    assert read_indices(text) == expected


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (None, [0, 1, 2, 3]),
        ("1-2", [1, 2]),
        ("3,0", [3, 0]),
        (("fox", "cat"), [3, 0]),
        (("dog", 2), [1, 2]),
        (4, [0, 1, 2, 3]),
    ],
)
def test_choose_classes(
    classes: int | str | tuple[int | str, ...] | None, expected: object
) -> None:
    assert choose_classes(NAMES, classes, 0) == expected


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ("2-4", "there is no class 4"),
        ("0-999999999999999", "there is no class 4"),
        (("cow", "cat"), "there is no class 'cow'"),
        (("cat", 0), "class 'cat' is chosen twice"),
        ("2", "1 classes asked for"),
        (1, "1 classes asked for"),
        (5, "5 classes asked for; this set has 4"),
    ],
)
def test_classes_that_cannot_be(
    classes: int | str | tuple[int | str, ...] | None, message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        choose_classes(NAMES, classes, 0)
    assert caught.value.hint


def test_a_class_is_found_in_either_spelling() -> None:
    composed, decomposed = "\N{LATIN SMALL LETTER E WITH ACUTE}", "e\N{COMBINING ACUTE ACCENT}"
    for stored in (composed, decomposed):
        for asked in (composed, decomposed):
            assert choose_classes(["bar", stored], (asked, "bar"), 0) == [1, 0]


def test_a_number_of_classes_is_nested_and_seeded() -> None:
    names = [str(i) for i in range(100)]
    five, ten = choose_classes(names, 5, 3), choose_classes(names, 10, 3)
    assert set(five) < set(ten)
    assert ten == sorted(ten)
    assert ten != choose_classes(names, 10, 4)


def test_cut_takes_each_class_its_part() -> None:
    labels = np.array([0] * 10 + [1] * 20 + [2] * 5)
    # 7 of 35 is a fifth: 2, 4 and 1, no remainders.
    rest, held = cut(labels, np.arange(35), 0.2, 0)
    assert np.bincount(labels[held]).tolist() == [2, 4, 1]
    assert np.bincount(labels[rest]).tolist() == [8, 16, 4]
    # 8 of 35: 2 2/7, 4 4/7, 1 1/7 -> 2, 4, 1 and the odd one to the largest remainder.
    _, held = cut(labels, np.arange(35), 8, 0)
    assert np.bincount(labels[held]).tolist() == [2, 5, 1]


@pytest.mark.parametrize("amount", [0.01, 0.99, 6, 7])
def test_cuts_that_leave_nothing(amount: float) -> None:
    with pytest.raises(DataError, match="cannot be held out"):
        cut(np.array([0, 0, 0, 1, 1, 1]), np.arange(6), amount, 0)


@given(LABELS, st.floats(0.1, 0.6), st.integers(0, 99))
def test_cut_is_disjoint_whole_and_exact(labels: Ints, share: float, seed: int) -> None:
    ids = np.arange(len(labels)) * 3 + 1
    rest, held = cut(labels, ids, share, seed)
    assert sorted([*rest, *held]) == list(range(len(labels)))
    assert len(held) == round(share * len(labels))
    for label in range(5):
        exact = np.mean(labels == label) * len(held)
        assert abs(np.sum(labels[held] == label) - exact) < 1 + 1e-9


@given(LABELS, st.floats(0.01, 1), st.floats(0.01, 1), st.integers(0, 99))
def test_fractions_are_nested_and_balanced(labels: Ints, a: float, b: float, seed: int) -> None:
    ids = np.arange(len(labels))
    small, large = (
        subset(labels, ids, per_class=None, fraction=f, seed=seed, names=NAMES)
        for f in sorted([a, b])
    )
    assert set(small) <= set(large)
    for label in range(5):
        count = int(np.sum(labels == label))
        assert np.sum(labels[large] == label) == max(1, round(max(a, b) * count))


def test_per_class_then_fraction() -> None:
    labels = np.array([0] * 10 + [1] * 30)
    kept = subset(labels, np.arange(40), per_class=10, fraction=0.5, seed=0, names=NAMES)
    assert np.bincount(labels[kept]).tolist() == [5, 5]
    other = subset(labels, np.arange(40), per_class=10, fraction=0.5, seed=1, names=NAMES)
    assert kept.tolist() != other.tolist()
    # A subset is not the first images of a file.
    assert kept.tolist() != [*range(5), *range(10, 15)]


def test_per_class_names_the_class_that_is_short() -> None:
    with pytest.raises(DataError, match="class 'dog' has 2 training images") as caught:
        subset(
            np.array([0, 0, 0, 1, 1]),
            np.arange(5),
            per_class=3,
            fraction=1.0,
            seed=0,
            names=NAMES,
        )
    assert caught.value.hint == "set per_class to at most 2"
