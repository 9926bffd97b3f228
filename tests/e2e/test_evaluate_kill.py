"""Kill a real ``dwlt evaluate`` inside each of its attacks; the result file must be the same."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from dwlt.attacks.auto import SUITE

NET = """
from torch import nn

def make(num_classes, channels):
    return nn.Sequential(
        nn.Conv2d(channels, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2),
        nn.Flatten(), nn.Linear(16, num_classes),
    )
"""


def command(verb: str, *options: str) -> list[str]:
    return [sys.executable, "-m", "dwlt", verb, "--device", "cpu", "--json", *options]


def finish(work: Path, *options: str) -> dict[str, Any]:
    done = subprocess.run(
        command(*options), cwd=work, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def kill_after(work: Path, runs: str, step: str, *options: str) -> None:
    """Start the command and kill it as soon as a step is saved: inside the one that follows."""
    with subprocess.Popen(
        command(*options), cwd=work, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        deadline = time.monotonic() + 120
        while not list((work / runs).glob(f"evaluate/*/shards/{step}-00000.json")):
            assert process.poll() is None, (process.stderr or sys.stdin).read()
            assert time.monotonic() < deadline
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()


def lasting(result: dict[str, Any]) -> dict[str, Any]:
    """A result without its times."""
    return {name: value for name, value in result.items() if name not in ("seconds", "finished")}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_in_each_attack_the_result_file_is_the_same(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "little_net.py").write_text(NET)
    base = ["--config", str(tiny), "--set", "model.name=little_net:make"]
    base += ["--set", "pretrain.regime=standard", "--set", "pretrain.train.epochs=60"]
    made = finish(tmp_path, "pretrain", *base, "--runs", "runs")
    # So small an eps that samples are left for every attack.
    asked = ["evaluate", made["folder"], *base, "--attack", "autoattack", "--eps", "1/1000"]
    asked += ["--samples", "24", "--on", "digits:0-4"]
    whole = finish(tmp_path, *asked, "--runs", "whole")
    assert all(one["tried"] > 0 for one in whole["result"]["attacks"])
    for step in ("clean", *SUITE[:-1]):
        kill_after(tmp_path, "broken", step, *asked, "--runs", "broken")
    left = sorted(path.name for path in (tmp_path / "broken").glob("evaluate/*/shards/*.json"))
    assert "apgd-ce-00000.json" in left
    assert "square-00000.json" not in left
    broken = finish(tmp_path, *asked, "--runs", "broken")
    assert lasting(broken["result"]) == lasting(whole["result"])
    assert Path(broken["folder"]).name == Path(whole["folder"]).name
