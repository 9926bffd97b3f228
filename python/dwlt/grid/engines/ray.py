"""The engine ``ray``: tasks on a Ray cluster, or on one that this process starts on its machine.

Options (``--engine-option NAME=VALUE``):
    address         of a cluster that is there, or "auto"; default: RAY_ADDRESS, else a new one here
    cpus, gpus      of the cluster that is started here; default: what the machine has
    object_store    MB of its object store; default 100, for nothing large goes through it
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dwlt.errors import UserError
from dwlt.grid.engines import worker
from dwlt.grid.engines.base import Outcome, Resources, Task
from dwlt.grid.engines.options import Options

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    # Of Ray's own choice between two ways of hiding GPUs, the one that it announces as its next.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
"""Said of Ray's surroundings unless the user has said it: it reports nothing to anybody."""


class RayCluster:
    """See ``Cluster``."""

    name = "ray"

    def __init__(self, options: Mapping[str, str], resources: Resources) -> None:
        said = Options("ray", options)
        self._address = said.text("address", os.environ.get("RAY_ADDRESS"))
        self._cpus = said.number("cpus")
        self._gpus = said.number("gpus")
        self._store = said.number("object_store") or 100
        said.require_all_known()
        self._resources = resources
        self._refs: dict[Any, int] = {}
        self._started = False
        self._task: Any = None

    def start(self, session: Path, device: str) -> None:
        """See ``Cluster``."""
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        try:
            import ray
        except ImportError as error:
            raise UserError(
                f"the engine ray needs Ray: {error}", hint='pip install "dwlt[ray]"'
            ) from error
        if ray.is_initialized():
            pass  # of whoever called; it is left as it is
        elif self._address:
            try:
                ray.init(address=self._address, log_to_driver=False, logging_level=logging.ERROR)
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise UserError(
                    f"no Ray cluster answers at {self._address}: {error}",
                    hint="start one with `ray start --head`, or leave out the address",
                ) from error
            self._started = True
        else:
            ray.init(
                # Without it Ray would look for a cluster that it was told of in some other way.
                address="local",
                num_cpus=self._cpus,
                num_gpus=self._gpus,
                object_store_memory=self._store * 1024 * 1024,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
            self._started = True
        cpus, gpus = self._resources.cpus, self._require_room(device)
        # A lost worker is the head's business, which tells the user of it.
        self._task = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=0)(worker.run)

    def places(self) -> int:
        """See ``Cluster``."""
        return len(_nodes())

    def submit(self, tasks: Sequence[Task]) -> None:
        """See ``Cluster``."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        probes = [task for task in tasks if task.node is None]
        for task, node in zip(probes, _nodes(), strict=False):
            # Of every machine it is asked whether it sees the runs folder.
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            once = self._task.options(scheduling_strategy=there, num_gpus=0, num_cpus=0)
            self._refs[once.remote(task)] = task.id
        for task in tasks:
            if task.node is not None:
                self._refs[self._task.remote(task)] = task.id

    def poll(self) -> list[tuple[int, Outcome]]:
        """See ``Cluster``."""
        import ray

        if not self._refs:
            return []
        ready, _ = ray.wait(list(self._refs), num_returns=len(self._refs), timeout=0)
        ended = []
        for ref in ready:
            try:
                outcome = ray.get(ref)
            except ray.exceptions.RayError as error:
                said = (str(error).strip() or type(error).__name__).splitlines()[0]
                outcome = Outcome("lost", f"{type(error).__name__}: {said}")
            ended.append((self._refs.pop(ref), outcome))
        return ended

    def close(self) -> None:
        """See ``Cluster``."""
        import sys

        ray = sys.modules.get("ray")
        if ray is None or not ray.is_initialized():
            return
        for ref in self._refs:
            ray.cancel(ref, force=True)
        self._refs.clear()
        if self._started:
            ray.shutdown()
            self._started = False

    def _require_room(self, device: str) -> int:
        """GPUs of a task; refuses what no machine of the cluster has.

        Raises:
            UserError: naming what the largest machine has.
        """
        most = {
            kind: max((int(node["Resources"].get(kind, 0)) for node in _nodes()), default=0)
            for kind in ("CPU", "GPU")
        }
        gpus = self._resources.gpus
        if gpus is None:
            gpus = int(most["GPU"] > 0 and device != "cpu")
        for kind, wanted, option in (
            ("CPU", self._resources.cpus, "--cpus-per-task"),
            ("GPU", gpus, "--gpus-per-task"),
        ):
            if wanted > most[kind]:
                raise UserError(
                    f"{option} {wanted}: no machine of the Ray cluster has more than "
                    f"{most[kind]} {kind}s",
                    hint=f"ask for fewer with {option}",
                )
        return gpus


def _nodes() -> list[dict[str, Any]]:
    import ray

    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return [node for node in nodes if node["Alive"]]
