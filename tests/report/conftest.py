"""Fixtures: an empty runs folder, and a small study that has something of everything."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.report.make import Maker, make_study


@pytest.fixture
def make(tmp_path: Path) -> Maker:
    root = tmp_path / "runs"
    root.mkdir()
    return Maker(root)


@pytest.fixture
def study(make: Maker) -> Maker:
    make_study(make)
    return make
