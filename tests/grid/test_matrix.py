"""`dwlt runs matrix` of a grid that is not run whole: it counts what was asked for."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dwlt.runs import layout
from tests.conftest import Cli

FRONTIER = 'grid.strategy="frontier"'


def matrix(cli: Cli, hunt: Path, runs: Path, *more: str) -> tuple[dict[str, Any], str]:
    options = ["--config", str(hunt), "--runs", str(runs), "--set", FRONTIER]
    code, out, err = cli("runs", "matrix", *options, *more, "--json")
    assert code == 0, err
    said = cli("runs", "matrix", *options, *more)
    assert said[0] == 0
    found: dict[str, Any] = json.loads(out)
    return found, said[2]


def test_at_first_it_is_the_first_question(cli: Cli, hunt: Path, tmp_path: Path) -> None:
    found, said = matrix(cli, hunt, tmp_path)
    assert found["totals"]["to do"] == 1
    assert (found["ended"], found["strategy"]) == (False, "frontier")
    assert "has asked for so far, and it has not ended" in said


def test_at_the_end_all_of_it_is_done(cli: Cli, hunt: Path, hunted: Path) -> None:
    result = json.loads(next(hunted.glob("frontier/*/result.json")).read_bytes())
    asked = {run for step in result["path"] for run in step["runs"]}
    found, said = matrix(cli, hunt, hunted)
    assert found["totals"] == {"done": len(asked), "running": 0, "failed": 0, "to do": 0}
    assert found["ended"]
    assert "not ended" not in said


def test_in_between_it_is_what_is_open(cli: Cli, hunt: Path, hunted: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(hunted, runs)
    result = json.loads(next(runs.glob("frontier/*/result.json")).read_bytes())
    last = result["path"][-1]["runs"]
    for name in last:
        shutil.rmtree(runs / "transfer" / name)
    found, _ = matrix(cli, hunt, runs)
    before = {run for step in result["path"][:-1] for run in step["runs"]}
    assert found["totals"]["to do"] == len(last)
    assert found["totals"]["done"] == len(before)
    assert not found["ended"]


def test_controls_are_counted_whole(cli: Cli, hunt: Path, hunted: Path) -> None:
    more = ("--set", 'grid.methods=["imp", "random"]', "--set", "grid.control_rounds=[3]")
    found, _ = matrix(cli, hunt, hunted, *more)
    # Round 3 of the control, under both regimes, with as many seeds as the config has.
    control = [line for line in found["transfer"] if "random" in line["label"]]
    assert len(control) == 2
    assert [line["rounds"].keys() for line in control] == [{"3"}, {"3"}]
    assert found["totals"]["to do"] == sum(line["rounds"]["3"]["to do"] for line in control)


def test_a_damaged_answer_is_named(cli: Cli, hunt: Path, hunted: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    shutil.copytree(hunted, runs)
    file = next(runs.glob(f"transfer/*/{layout.OUTCOMES}"))
    file.write_bytes(b"\0" * file.stat().st_size)
    options = ["--config", str(hunt), "--runs", str(runs), "--set", FRONTIER]
    code, _, err = cli("runs", "matrix", *options)
    assert (code, str(file) in err) == (2, True)


@pytest.mark.slow
def test_torch_is_not_imported(hunt: Path, hunted: Path) -> None:
    code = (
        "import sys; from dwlt.cli.root import run; "
        f"code = run(['runs', 'matrix', '--config', {str(hunt)!r}, '--runs', {str(hunted)!r}, "
        f"'--set', {FRONTIER!r}]); assert 'torch' not in sys.modules; sys.exit(code)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
