"""A grid on a real Ray cluster: two processes of one machine; two nodes, one of which is lost."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli
from tests.grid.engine_runs import computed, longer, report, small
from tests.processes import Command

pytest.importorskip("ray")

RAY = ("--engine", "ray", "--engine-option")


def test_two_cells_on_two_processes(cli: Cli, tmp_path: Path) -> None:
    """What comes before them is done here, so that the test is about cells side by side."""
    config = small(tmp_path)
    base = ["--config", str(config), "--device", "cpu", "--runs"]
    assert cli("prune", *base, tmp_path / "runs")[0] == 0
    assert cli("transfer", *base, tmp_path / "alone")[0] == 0
    process = Command("transfer", *base, tmp_path / "runs", *RAY, "cpus=2")
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert "grid: 2 of 4 runs to do, on ray" in err
    assert err.count("test SA") == 2
    assert "standard transfer to digits:5-9" in out
    assert computed(tmp_path / "runs") == computed(tmp_path / "alone")


@pytest.mark.slow
def test_more_than_any_machine_has_is_refused(cli: Cli, tmp_path: Path) -> None:
    process = Command(
        *("run", "--config", small(tmp_path), "--runs", tmp_path / "runs", "--device", "cpu"),
        *(*RAY, "cpus=1", "--cpus-per-task", "2"),
    )
    _, err = process.communicate(timeout=240)
    assert (process.returncode, "--cpus-per-task 2: no machine" in err) == (2, True), err


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A head that computes nothing, and two worker nodes with a core each."""
    from ray.cluster_utils import Cluster

    node = {"object_store_memory": 100 * 1024 * 1024, "include_dashboard": False}
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **node})
    try:
        yield made
    finally:
        made.shutdown()  # type: ignore[no-untyped-call]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray's own processes, ended while the test still knows them
def test_a_node_is_lost_in_the_middle(cluster: Any, tmp_path: Path) -> None:
    for _ in range(2):
        last = cluster.add_node(num_cpus=1, object_store_memory=100 * 1024 * 1024)
    cluster.wait_for_nodes()
    config = longer(tmp_path)
    command = [sys.executable, "-m", "dwlt", "run", "--config", config, "--device", "cpu"]
    where = ["--runs", tmp_path / "runs", *RAY, f"address={cluster.address}"]
    head = subprocess.Popen(
        [*map(str, (*command, *where))], stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    try:
        _wait_for(tmp_path / "runs", head)
        cluster.remove_node(last, allow_graceful=False)
        _, err = head.communicate(timeout=1500)
    finally:
        head.kill()
    assert head.returncode == 0, err
    assert "its worker is lost" in err
    assert "it is sent again" in err
    alone = [*map(str, (*command, "--runs", tmp_path / "alone", "--quiet"))]
    subprocess.run(alone, check=True, timeout=1500)
    assert computed(tmp_path / "runs") == computed(tmp_path / "alone")
    assert report(tmp_path / "runs", tmp_path / "a") == report(tmp_path / "alone", tmp_path / "b")


def _wait_for(runs: Path, head: subprocess.Popen[str]) -> None:
    """Until two cells are being trained at the same time."""
    until = time.monotonic() + 900
    while len(list(runs.glob("transfer/*/state.safetensors"))) < 2:
        assert head.poll() is None
        assert time.monotonic() < until
        time.sleep(0.1)
