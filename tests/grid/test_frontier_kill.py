"""Searches for the frontier that are killed and shared; slow, for they start many processes."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.test_kill import last_write
from tests.grid.conftest import command
from tests.grid.test_frontier import lasting

KILLS = 10


def start(hunt: Path, runs: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "dwlt", *command(hunt, runs)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        _, err = process.communicate(timeout=600)
        assert process.returncode == 0, err


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_ten_times_and_shared_by_two_it_ends_with_the_same_bytes(
    hunt: Path, tmp_path: Path
) -> None:
    whole, broken, shared = tmp_path / "whole", tmp_path / "broken", tmp_path / "shared"
    finish(start(hunt, whole))
    rng = random.Random(11)
    kills = 0
    for _ in range(KILLS):
        before = sum(last_write(broken, stage) for stage in ("pretrain", "prune", "transfer"))
        process = start(hunt, broken)
        while process.poll() is None:
            now = sum(last_write(broken, stage) for stage in ("pretrain", "prune", "transfer"))
            if now != before:
                break
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.6))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.communicate()
    assert kills == KILLS, "it ended before it could be killed ten times; make it longer"
    finish(start(hunt, broken))
    assert lasting(broken) == lasting(whole)
    finish(start(hunt, shared), start(hunt, shared))
    assert lasting(shared) == lasting(whole)
    for journal in shared.glob("transfer/*/journal"):
        assert journal.read_text().count('"commit"') == 1, "no transfer is done twice"
