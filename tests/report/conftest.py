"""Fixtures: an empty runs folder, and a small study that has something of everything."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.report.make import KEPT, Maker


@pytest.fixture
def make(tmp_path: Path) -> Maker:
    root = tmp_path / "runs"
    root.mkdir()
    return Maker(root)


@pytest.fixture
def study(make: Maker) -> Maker:
    """A small study with something of everything: three seeds, all four verdicts."""
    make.pretrain()
    for number in KEPT:
        make.prune(number)
    spread = (-1, 0, 1)
    rows = {
        0: (95, 12, 88, 46),
        3: (95, 14, 89, 47),
        6: (95, 13, 88, 46),
        10: (94, 12, 87, 45),
        15: (93, 11, 86, 44),
        20: (71, 2, 60, 30),
    }
    for number, row in rows.items():
        lists = [[value + d * (1 + (value < 60)) for d in spread] for value in row]
        make.network(number, lists, seeds=3)
    make.cell(1, "standard", 95, 13)
    return make
