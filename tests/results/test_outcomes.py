"""Outcomes image by image: bits in a small file, read back as they were or refused by name."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.numpy import load, save

from dwlt.errors import FormatError
from dwlt.results.images import ids_digest
from dwlt.results.outcomes import META, OutcomeTable, read_outcomes, to_bytes

IDS = np.array([3, 5, 8, 13, 21, 34, 55, 89, 144], dtype=np.int64)
RIGHT = np.array([1, 0, 1, 1, 0, 0, 0, 0, 1], dtype=np.bool_)


def table(bits: NDArray[np.bool_] = RIGHT, ids: NDArray[np.int64] = IDS) -> OutcomeTable:
    return OutcomeTable(ids, ids_digest("train", ids), {"best_sa.sa": bits, "best_sa.ra": ~bits})


def test_the_bits_are_the_least_significant_first() -> None:
    held = load(to_bytes(table()))
    # 1 0 1 1 0 0 0 0 | 1: 1 + 4 + 8 = 13, and 1 with seven bits of padding.
    assert held["best_sa.sa"].tolist() == [13, 1]
    # The other bits: 255 - 13, and padding stays 0.
    assert held["best_sa.ra"].tolist() == [242, 0]
    assert held["ids"].tolist() == IDS.tolist()


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_written_and_read_is_the_same(bits: list[bool]) -> None:
    made = table(np.array(bits), np.arange(len(bits)) * 7)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "outcomes.safetensors"
        path.write_bytes(to_bytes(made))
        found = read_outcomes(path)
    assert found.images == made.images
    assert found.ids.tolist() == made.ids.tolist()
    assert {name: one.tolist() for name, one in found.bits.items()} == {
        name: one.tolist() for name, one in made.bits.items()
    }
    assert found.of("best_ra.sa") is None


def test_the_same_outcomes_are_the_same_bytes() -> None:
    other = OutcomeTable(IDS, table().images, dict(reversed(list(table().bits.items()))))
    assert to_bytes(table()) == to_bytes(other)


def test_rows_of_another_length_are_not_written() -> None:
    with pytest.raises(ValueError, match="best_sa"):
        to_bytes(table(RIGHT[:4]))


GOOD: dict[str, NDArray[Any]] = {"ids": IDS, "x": np.array([13, 1], dtype=np.uint8)}
NAMED = {META: '{"images": "b2:0", "n": 9, "version": 1}'}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "cannot be read as outcomes"),
        (b"\x00" * 40, "cannot be read as outcomes"),
        (save(GOOD), "lacks the metadata"),
        (save(GOOD, {META: "["}), "lacks the metadata"),
        (save(GOOD, {META: "3"}), "lacks the metadata"),
        (save(GOOD, {META: '{"images": "b2:0", "n": 9, "version": 2}'}), "of version 2"),
        (save(GOOD, {META: '{"images": 1, "n": 9, "version": 1}'}), "is missing"),
        (save({"x": GOOD["x"]}, NAMED), "is missing"),
        (save(GOOD | {"ids": IDS[:8]}, NAMED), "each of 9 images"),
        (save(GOOD | {"ids": IDS.astype(np.int32)}, NAMED), "each of 9 images"),
        (save(GOOD | {"x": np.array([1], dtype=np.uint8)}, NAMED), "x does not hold one bit"),
        (save(GOOD | {"x": np.array([1, 2], dtype=np.int16)}, NAMED), "x does not hold one bit"),
        (save(GOOD | {"x": np.array([13, 3], dtype=np.uint8)}, NAMED), "x has bits beyond"),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "outcomes.safetensors"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=says) as caught:
        read_outcomes(path)
    assert str(path) in str(caught.value)


def test_the_digest_of_image_ids_is_pinned() -> None:
    assert ids_digest("train", IDS) == "b2:fc51986d2fbcdbd3b93b26a1fa7aeae0"
    assert ids_digest("test", IDS) != ids_digest("train", IDS)
    assert ids_digest("train", IDS[::-1]) != ids_digest("train", IDS)
