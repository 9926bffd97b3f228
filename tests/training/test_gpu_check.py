"""``make gpu-check`` on a machine without a GPU: the same code, small, against the CPU itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from benchmarks import gpu_check, train


def test_the_check_runs_on_a_cpu(tmp_path: Path) -> None:
    out = tmp_path / "check.json"
    assert gpu_check.main(["--device", "cpu", "--small", "--out", str(out)]) == 0
    found = json.loads(out.read_bytes())
    assert found["failed"] == []
    assert found["training"]["largest_difference"] == 0
    assert found["attack"]["agreeing"] == 1
    (case,) = found["bench-train"]
    assert case["seconds_per_step"].keys() == {"scripts", "by hand", "dwlt"}


def test_what_does_not_hold_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = iter([{"w": torch.ones(2)}, {"w": torch.tensor([1.0, 1.1])}])
    monkeypatch.setattr(train, "trained", lambda case, device: next(ends))
    monkeypatch.setattr(train, "bench", lambda device, small, rounds: [])
    out = tmp_path / "check.json"
    assert gpu_check.main(["--device", "cpu", "--small", "--out", str(out)]) == 1
    found = json.loads(out.read_bytes())
    assert found["failed"] == ["training"]
    assert found["training"]["largest_difference"] == pytest.approx(0.1)
