"""Ctrl-C, and two processes on one run."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.processes import Command


def start(config: Path, runs: Path) -> Command:
    return Command("pretrain", "--device", "cpu", "--config", config, "--runs", runs)


def wait_for(runs: Path, pattern: str) -> None:
    deadline = time.monotonic() + 60
    while not list(runs.rglob(pattern)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGUSR1, 75)])
def test_a_signal_saves_says_how_to_go_on_and_what_it_was(
    number: signal.Signals, code: int, longer: Path, tmp_path: Path
) -> None:
    process = start(longer, tmp_path)
    wait_for(tmp_path, "state.safetensors")
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "run the same command again to continue" in err
    assert "Traceback" not in err
    assert out == ""
    assert not list(tmp_path.rglob("result.json"))
    again = start(longer, tmp_path)
    _, err = again.communicate(timeout=120)
    assert again.returncode == 0, err
    assert "resuming after epoch" in err
    assert len(list(tmp_path.rglob("result.json"))) == 1
    assert not list(tmp_path.rglob("state.*"))


def test_the_second_process_says_who_works_and_leaves(longer: Path, tmp_path: Path) -> None:
    first = start(longer, tmp_path)
    wait_for(tmp_path, "state.safetensors")
    # Held still, so that it cannot finish before the second one has looked.
    first.send_signal(signal.SIGSTOP)
    try:
        second = start(longer, tmp_path)
        _, err = second.communicate(timeout=60)
    finally:
        first.send_signal(signal.SIGCONT)
    assert second.returncode == 1
    assert str(first.pid) in err
    assert "Traceback" not in err
    _, err = first.communicate(timeout=120)
    assert first.returncode == 0, err
