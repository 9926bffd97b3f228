"""Every regime by real commands: killed and run again it leaves the same bytes."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.e2e.test_kill import final_bytes, last_write
from tests.processes import Command

REGIMES = {
    "mart": [],
    "free": ["pretrain.free.options.replays=2"],
    "fast": ["pretrain.fast.options={n_fgsm = 2, grad_align = 0.2}"],
    "adversarial-awp": ["pretrain.train.options.awp_warmup=1"],
    "trades-awp": [],
}


def command(regime: str, config: Path, runs: Path, changes: list[str]) -> list[object]:
    sets = [word for change in changes for word in ("--set", change)]
    return ["pretrain", "-c", config, "--regime", regime, "--runs", runs, "--device", "cpu", *sets]


def killed_and_whole(regime: str, config: Path, folder: Path, changes: list[str]) -> None:
    words = command(regime, config, folder / "whole", changes)
    done = Command(*words)
    _, err = done.communicate(timeout=300)
    assert done.returncode == 0, err
    again = command(regime, config, folder / "broken", changes)
    rng = random.Random(13)
    kills = 0
    for _ in range(2):
        before = last_write(folder / "broken", "pretrain")
        process = Command(*again)
        while process.poll() is None and last_write(folder / "broken", "pretrain") == before:
            time.sleep(0.005)
        time.sleep(rng.uniform(0.1, 0.4))
        if process.poll() is None:
            process.kill()
            kills += 1
    last = Command(*again)
    _, err = last.communicate(timeout=300)
    assert last.returncode == 0, err
    assert kills >= 1
    assert len(final_bytes(folder / "whole")) == 1
    assert final_bytes(folder / "broken") == final_bytes(folder / "whole")


def test_trades_killed_anywhere_leaves_the_same_bytes(longer: Path, tmp_path: Path) -> None:
    killed_and_whole("trades", longer, tmp_path, ["pretrain.train.epochs=15"])


@pytest.mark.slow
@pytest.mark.parametrize("regime", REGIMES)
def test_killed_anywhere_leaves_the_same_bytes(regime: str, longer: Path, tmp_path: Path) -> None:
    killed_and_whole(regime, longer, tmp_path, REGIMES[regime])


def test_a_search_under_trades_stands_in_the_report(tiny: Path, tmp_path: Path, cli: Cli) -> None:
    options = ["-c", tiny, "--runs", tmp_path, "--regime", "trades", "--quiet"]
    start = ["--pretrain-regime", "trades"]
    for verb, more in (("prune", ["--rounds", 1]), ("transfer", ["--rounds", "1"])):
        code, _, err = cli(verb, *options, *start, *more)
        assert code == 0, err
    code, out, err = cli("report", "--runs", tmp_path, "--out", tmp_path / "report", "--json")
    assert code == 0, err
    assert json.loads(out)
    page = next((tmp_path / "report").rglob("*.html")).read_text(encoding="utf-8")
    assert "trades" in page
