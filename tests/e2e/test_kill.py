"""Kill real commands at random moments; the final bytes must be those of an undisturbed run."""

from __future__ import annotations

import contextlib
import random
import time
from pathlib import Path

import pytest

from tests.processes import Command

KILLS_PER_STAGE = 4
LONGEST_DELAY = 0.5
"""Seconds of work before a kill; each stage works several times longer."""
COMMANDS = {
    "pretrain": ["pretrain"],
    "prune": ["prune"],
    "transfer": ["transfer", "--adv", "--rounds", "0,3"],
}


def start(stage: str, config: Path, runs: Path) -> Command:
    verb, *options = COMMANDS[stage]
    return Command(verb, "--config", config, "--runs", runs, "--device", "cpu", *options)


def run_whole(stage: str, config: Path, runs: Path) -> None:
    done = start(stage, config, runs)
    _, err = done.communicate(timeout=120)
    assert done.returncode == 0, err


def last_write(runs: Path, stage: str) -> int:
    """When the stage last wrote: it moves on with every epoch, at a first try and a later one."""
    times = [0]
    for path in (runs / stage).rglob("*"):
        # Temporary files come and go between listing and looking.
        with contextlib.suppress(FileNotFoundError):
            times.append(path.stat().st_mtime_ns)
    return max(times)


def run_and_kill(stage: str, config: Path, runs: Path, delay: float) -> bool:
    """Start the stage, kill it ``delay`` seconds after it first writes. True: it was killed."""
    before = last_write(runs, stage)
    process = start(stage, config, runs)
    deadline = time.monotonic() + 60
    while process.poll() is None and last_write(runs, stage) == before:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    time.sleep(delay)
    if process.poll() is not None:
        return False
    process.kill()
    return True


def final_bytes(runs: Path) -> dict[str, bytes]:
    """Everything an experiment leaves that must not depend on how often it was interrupted."""
    return {str(path.relative_to(runs)): path.read_bytes() for path in runs.rglob("*.safetensors")}


@pytest.mark.timeout(600)
def test_killed_anywhere_the_bytes_are_the_same(longer: Path, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    rng = random.Random(20)
    kills = 0
    for stage in COMMANDS:
        run_whole(stage, longer, whole)
        for _ in range(KILLS_PER_STAGE):
            kills += run_and_kill(stage, longer, broken, rng.uniform(0, LONGEST_DELAY))
        run_whole(stage, longer, broken)
    assert kills >= 10, "the runs ended before they could be killed; make them longer"
    expected = final_bytes(whole)
    # 1 pre-trained model, 4 masks, 2 cells with two checkpoints, outcomes and pictures each; no
    # leftovers.
    assert len(expected) == 1 + 4 + 2 * 4
    assert final_bytes(broken) == expected
