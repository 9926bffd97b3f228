"""`dwlt runs matrix` of a grid that is not run whole."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Cli


@pytest.mark.parametrize("strategy", ["full", "frontier"])
def test_it_says_that_a_frontier_needs_less(
    hunt: Path, tmp_path: Path, cli: Cli, strategy: str
) -> None:
    options = ["--config", str(hunt), "--runs", str(tmp_path), "--set"]
    code, _, err = cli("runs", "matrix", *options, f"grid.strategy={strategy}")
    assert code == 0, err
    assert ("this is the full grid" in err) == (strategy == "frontier")
    code, out, err = cli("runs", "matrix", *options, f"grid.strategy={strategy}", "--json")
    assert code == 0, err
    assert json.loads(out)["strategy"] == strategy
