"""Outcomes image by image are found beside a transfer, and trusted only with the right digest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dwlt import _core
from dwlt.report import collect
from dwlt.results import TransferResult
from dwlt.results.outcomes import OutcomeTable, to_bytes
from dwlt.runs.outcomes import NotedOutcomes
from tests.report.make import Maker

IDS = np.arange(4, dtype=np.int64)
ROWS = {
    "best_sa.sa": np.array([1, 1, 1, 0], dtype=np.bool_),
    "best_sa.ra": np.array([0, 0, 1, 0], dtype=np.bool_),
    "best_ra.sa": np.array([1, 1, 0, 0], dtype=np.bool_),
    "best_ra.ra": np.array([1, 0, 0, 0], dtype=np.bool_),
}


def cell_with(make: Maker, folder: Path) -> tuple[TransferResult, Path]:
    """A transfer and its file of outcomes."""
    made = folder / "made.safetensors"
    made.write_bytes(to_bytes(OutcomeTable(IDS, "b2:images", ROWS)))
    result = make.cell(6, "standard", 3, 1, n=4, outcomes=_core.digest_file(str(made)))
    file = result.parent / "outcomes.safetensors"
    made.rename(file)
    (cell,) = collect(make.root).transfer
    return cell, file


@pytest.mark.parametrize(
    ("kind", "strict", "name"),
    [
        ("sa", False, "best_sa.sa"),
        ("ra", False, "best_ra.ra"),
        ("sa", True, "best_ra.sa"),
        ("ra", True, "best_ra.ra"),
    ],
)
def test_each_number_has_its_checkpoints_bits(
    make: Maker, tmp_path: Path, kind: str, strict: bool, name: str
) -> None:
    cell, _ = cell_with(make, tmp_path)
    files = NotedOutcomes(make.root)
    found = files(cell, kind, strict)
    assert found is not None
    assert found.bits.tolist() == ROWS[name].tolist()
    assert found.images == "b2:images"
    assert files.notices == ()


def test_cells_of_before_are_known_by_their_counts(make: Maker) -> None:
    make.cell(6, "standard", 3, 1, n=4)
    (cell,) = collect(make.root).transfer
    files = NotedOutcomes(make.root)
    assert files(cell, "sa") is None
    assert files.notices == ()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (None, "outcomes-missing"),
        (
            to_bytes(OutcomeTable(IDS, "b2:images", {"best_sa.sa": ~ROWS["best_sa.sa"]})),
            "outcomes-changed",
        ),
        (b"garbage", "unreadable"),
    ],
)
def test_a_file_that_is_not_the_results_is_noted_once(
    make: Maker, tmp_path: Path, content: bytes | None, code: str
) -> None:
    cell, file = cell_with(make, tmp_path)
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    files = NotedOutcomes(make.root)
    assert files(cell, "sa") is None
    assert files(cell, "ra", True) is None
    (told,) = files.notices
    assert (told.code, told.where) == (code, file.relative_to(make.root).as_posix())
