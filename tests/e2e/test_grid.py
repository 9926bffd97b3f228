"""Grids through the real commands: shared, killed, failing."""

from __future__ import annotations

import contextlib
import json
import random
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dwlt import _core
from tests.conftest import Cli
from tests.processes import Command

Json = Callable[..., Any]

GRID = """
extends = "{tiny}"
name = "grid"
[prune]
rounds = 2
[transfer]
rounds = [0, 2]
[transfer.train]
epochs = 6
[grid]
pretrain = ["standard", "fast"]
prune = "same"
methods = ["imp", "shuffled"]
fractions = [1.0, 0.5]
control_fractions = [1.0]
"""
# Two pre-trainings, each: dense and one ticket at two fractions, a control at one; two regimes.
CELLS = 2 * (2 * 2 + 1) * 2


@pytest.fixture(scope="module")
def config(tiny: Path) -> Path:
    path = tiny.with_name("grid.toml")
    path.write_text(GRID.format(tiny=tiny))
    return path


@pytest.fixture(scope="module")
def whole(config: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs folder of one process that nobody disturbed."""
    runs = tmp_path_factory.mktemp("whole")
    process = start(config, runs)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return runs


def start(config: Path, runs: Path, *options: str) -> Command:
    return Command("run", "--config", config, "--runs", runs, "--device", "cpu", *options)


def table(runs: Path, tmp_path: Path) -> dict[str, Any]:
    """The report's numbers, without what depends on the clock."""
    from dwlt.cli.root import run

    out = tmp_path / f"report-{runs.name}"
    assert run(["report", "--runs", str(runs), "--out", str(out), "--quiet"]) == 0
    found: dict[str, Any] = json.loads((out / "report.json").read_text())
    return {"groups": found["groups"], "unfinished": found["unfinished"]}


def written(runs: Path) -> int:
    """When anything below the runs folder was last written."""
    times = [0]
    for path in runs.rglob("*"):
        # Temporary files come and go between listing and looking.
        with contextlib.suppress(FileNotFoundError):
            times.append(path.stat().st_mtime_ns)
    return max(times)


def weights(runs: Path) -> dict[str, bytes]:
    return {str(path.relative_to(runs)): path.read_bytes() for path in runs.rglob("*.safetensors")}


def test_one_command_does_the_whole_grid(whole: Path, config: Path, cli_json: Json) -> None:
    cells = cli_json("run", "--config", config, "--runs", whole)
    assert len({cell["folder"] for cell in cells}) == CELLS
    methods = [(c["result"]["prune"]["method"], c["result"]["round"]) for c in cells]
    assert ("shuffled", 0) not in methods
    found = cli_json("runs", "matrix", "--config", config, "--runs", whole)
    assert found["totals"] == {"done": CELLS, "running": 0, "failed": 0, "to do": 0}
    assert {search["state"] for search in found["prune"]} == {"done"}


def test_a_stage_of_a_grid_and_a_narrowed_grid_find_it_done(
    whole: Path, config: Path, cli: Cli, cli_json: Json
) -> None:
    assert len(cli_json("pretrain", "--config", config, "--runs", whole)) == 2
    assert len(cli_json("prune", "--config", config, "--runs", whole)) == 4
    before = weights(whole)
    code, out, _ = cli(
        *("transfer", "--adv", "--config", config, "--runs", whole, "--json"),
        *("--pretrain-regime", "fast", "--method", "imp", "--fraction", "0.5"),
    )
    assert code == 0
    assert [cell["result"]["round"] for cell in json.loads(out)] == [0, 2]
    assert weights(whole) == before


@pytest.mark.timeout(600)
def test_shared_by_two_and_killed_it_ends_with_the_same_table(
    whole: Path, config: Path, tmp_path: Path
) -> None:
    rng = random.Random(3)
    runs = tmp_path / "shared"
    kills = 0
    for _ in range(4):
        before = written(runs)
        pair = [start(config, runs), start(config, runs)]
        deadline = time.monotonic() + 60
        while written(runs) == before:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(rng.uniform(0.1, 1))
        for process in pair:
            if process.poll() is None:
                process.kill()
                kills += 1
    pair = [start(config, runs), start(config, runs)]
    for process in pair:
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
    assert kills >= 4
    assert weights(runs) == weights(whole)
    assert table(runs, tmp_path) == table(whole, tmp_path)
    # Nothing was done twice: every run was committed once.
    for journal in runs.glob("transfer/*/journal"):
        events = [json.loads(line)["event"] for line in _core.Ledger.read(str(journal.parent))]
        assert events.count("commit") + events.count("heal") == 1


@pytest.mark.timeout(300)
def test_two_processes_share_the_cells(config: Path, tmp_path: Path) -> None:
    only = ("--pretrain-regime", "fast", "--method", "imp")
    pair = [start(config, tmp_path / "shared", *only) for _ in range(2)]
    done = []
    for process in pair:
        _, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        done.append(len(re.findall(r"round \d seed 0: sparsity", err)))
    # None was done by both, and none was left out.
    assert sum(done) == 8


FAILING = """
extends = "{config}"
name = "failing"
[grid]
methods = ["imp"]
pretrain = ["standard"]
fractions = [1.0]
tasks = ["digits:5-9", {{task = "digits:5-6", transfer = {{standard = {{lr = 1e30}}}}}}]
"""


def test_a_failure_is_kept_apart_named_and_tried_again(
    config: Path, tmp_path: Path, cli: Cli, cli_json: Json
) -> None:
    path = tmp_path / "failing.toml"
    path.write_text(FAILING.format(config=config))
    options = ("--config", path, "--runs", tmp_path / "runs", "--device", "cpu")
    code, _, err = cli("run", *options)
    assert code == 1
    assert "nan" in err
    code, _, err = cli("run", "--keep-going", *options)
    assert code == 1
    assert "2 of" in err
    assert "digits:5-6" in err
    found = cli_json("runs", "matrix", "--config", path, "--runs", tmp_path / "runs")
    assert found["totals"] == {"done": 6, "running": 0, "failed": 2, "to do": 0}
    listed = cli_json("runs", "list", "--runs", tmp_path / "runs")
    assert sum(row["state"].startswith("failed: ") for row in listed) == 2
    code, _, err = cli("run", "--keep-going", *options)
    assert code == 1
    # Left alone: nothing was trained again.
    assert "cells to do" not in err
    code, _, err = cli("run", "--keep-going", "--retry-failed", *options)
    assert code == 1
    assert "2 of 8 cells to do" in err


def test_a_task_that_cannot_be_read_does_not_stop_the_others(
    config: Path, tmp_path: Path, cli: Cli, cli_json: Json
) -> None:
    path = tmp_path / "missing.toml"
    path.write_text(
        f'extends = "{config}"\nname = "missing"\n[prune]\nrounds = 1\n[transfer]\nrounds = [0]\n'
        '[grid]\nmethods = ["imp"]\npretrain = ["standard"]\nfractions = [1.0]\n'
        'control_fractions = []\ntasks = ["digits:5-9", "imagefolder:nowhere"]\n'
    )
    options = ("--config", path, "--runs", tmp_path / "runs", "--device", "cpu")
    code, _, err = cli("run", *options)
    assert code == 2
    assert not (tmp_path / "runs").exists()
    code, _, err = cli("run", "--keep-going", *options)
    assert code == 1
    assert "nowhere" in err
    found = cli_json("runs", "matrix", "--config", path, "--runs", tmp_path / "runs")
    assert (found["totals"]["done"], found["totals"]["to do"]) == (2, 2)


def test_a_control_is_left_out_where_its_search_failed(
    config: Path, tmp_path: Path, cli: Cli
) -> None:
    path = tmp_path / "broken.toml"
    path.write_text(
        f'extends = "{config}"\nname = "broken"\n[prune.standard]\nlr = 1e30\n'
        '[grid]\npretrain = ["standard"]\nfractions = [1.0]\n'
    )
    runs = tmp_path / "runs"
    for _ in range(2):
        code, _, err = cli("run", "--keep-going", "--config", path, "--runs", runs)
        assert code == 1
        assert "runs failed or were left out" in err
    failed = [
        json.loads(line)["event"] == "failed"
        for folder in (runs / "prune").iterdir()
        for line in _core.Ledger.read(str(folder))
    ]
    # Tried once, though two walks and a control wanted it.
    assert sum(failed) == 1
