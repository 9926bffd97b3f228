"""Fixtures: an empty runs folder, and a small study that has something of everything."""

from __future__ import annotations

from pathlib import Path

import pytest

from dwlt.report import ReportPaths, write_report
from tests.report.make import PAPER, Maker, make_study


@pytest.fixture
def make(tmp_path: Path) -> Maker:
    root = tmp_path / "runs"
    root.mkdir()
    return Maker(root)


@pytest.fixture
def study(make: Maker) -> Maker:
    make_study(make)
    return make


@pytest.fixture(scope="session")
def study_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs folder of the small study, for tests that leave it as it is."""
    root = tmp_path_factory.mktemp("study") / "runs"
    root.mkdir()
    make_study(Maker(root))
    return root


@pytest.fixture(scope="session")
def written(study_runs: Path) -> ReportPaths:
    """The small study's report, written once: drawing takes most of the time of these tests."""
    return write_report(study_runs, study_runs.parent / "deep" / "out", PAPER, figures=True)
