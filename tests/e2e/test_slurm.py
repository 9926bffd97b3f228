"""A grid as jobs: on a Slurm of one node with two slots, and through submitit's local processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.grid.engine_runs import computed, longer, report, small

pytest.importorskip("submitit")
pytestmark = pytest.mark.slow

NODE = Path(__file__).parents[1] / "grid" / "slurm_node.sh"


@pytest.fixture
def slurm(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of clients of a Slurm of this test's own; skips where it cannot start."""
    folder = tmp_path / "slurm"
    started = subprocess.run(
        [str(NODE), "start", str(folder)], capture_output=True, text=True, timeout=120
    )
    if started.returncode == 3:
        pytest.skip(f"Slurm cannot start here: {started.stderr.strip()}")
    assert started.returncode == 0, started.stderr
    try:
        said = dict(line.split("=", 1) for line in started.stdout.splitlines())
        yield {**os.environ, **said, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    finally:
        subprocess.run([str(NODE), "stop", str(folder)], check=True)


def command(config: Path, runs: Path, *more: str) -> list[str]:
    base = ("run", "--config", config, "--device", "cpu", "--runs", runs)
    return [sys.executable, "-m", "dwlt", *map(str, base), *more]


def test_one_job_is_requeued_and_one_cancelled(
    slurm: dict[str, str], cli: Cli, tmp_path: Path
) -> None:
    config, runs = longer(tmp_path), tmp_path / "runs"
    head = subprocess.Popen(
        command(config, runs, "--engine", "slurm", "--engine-option", "minutes=60"),
        env=slurm,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        first, second = _two_running(slurm, runs, head)
        subprocess.run(["scontrol", "requeue", first], env=slurm, check=True)
        subprocess.run(["scancel", second], env=slurm, check=True)
        again = subprocess.run(
            ["scontrol", "show", "job", first], env=slurm, check=True, capture_output=True
        )
        _, err = head.communicate(timeout=1500)
    finally:
        head.kill()
    assert head.returncode == 0, err
    assert b"Restarts=1" in again.stdout
    assert err.count("its worker is lost") == 1
    subprocess.run(command(config, tmp_path / "alone", "--quiet"), check=True, timeout=1500)
    assert computed(runs) == computed(tmp_path / "alone")
    assert report(runs, tmp_path / "a") == report(tmp_path / "alone", tmp_path / "b")
    # Where a cell was computed, and what its job has printed.
    folder = next((runs / "transfer").iterdir())
    code, out, _ = cli("runs", "show", folder.name, "--runs", runs)
    assert code == 0
    log = next(line for line in out.splitlines() if line.startswith("log: ")).split()[1]
    assert Path(log).is_file()


def _two_running(env: dict[str, str], runs: Path, head: subprocess.Popen[str]) -> tuple[str, str]:
    """Two jobs that train cells at the same time."""
    until = time.monotonic() + 900
    while True:
        if len(list(runs.glob("transfer/*/state.safetensors"))) >= 2:
            said = subprocess.run(
                ["squeue", "--noheader", "--array", "--states=RUNNING", "--format=%i"],
                env=env,
                capture_output=True,
                text=True,
                check=True,
            )
            if len(found := said.stdout.split()) == 2:
                return found[0], found[1]
        assert head.poll() is None
        assert time.monotonic() < until
        time.sleep(0.1)


def test_local_processes_take_the_place_of_jobs(tmp_path: Path) -> None:
    config, runs = small(tmp_path), tmp_path / "runs"
    engine = ("--engine", "slurm", "--engine-option", "cluster=local")
    done = subprocess.run(
        command(config, runs, *engine), capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    assert "6 of 6 runs to do, on slurm" in done.stderr
    subprocess.run(command(config, tmp_path / "alone", "--quiet"), check=True, timeout=600)
    assert computed(runs) == computed(tmp_path / "alone")


def test_what_slurm_refuses_is_said(slurm: dict[str, str], tmp_path: Path) -> None:
    asked = ("--engine", "slurm", "--engine-option", "partition=nowhere")
    done = subprocess.run(
        command(small(tmp_path), tmp_path / "runs", *asked),
        env=slurm,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 2
    assert "Slurm does not take the job" in done.stderr
    assert "nowhere" in done.stderr or "invalid partition" in done.stderr.lower()
