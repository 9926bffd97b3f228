"""The engine ``slurm``: each wave of ready tasks is one job array, through submitit.

A job that is preempted or runs out of time is requeued by submitit and goes on where its stage had
saved; one that was cancelled, or whose machine is gone, is lost, and the head sends it again.

Options (``--engine-option NAME=VALUE``):
    cluster         "slurm"; "local" starts processes on this machine instead, for trying out
    minutes         time limit of a job; default 1440
    parallel        the most jobs of one array that run at once; default 256, or 2 if local
    every other     goes to sbatch: partition=gpu, account=x, qos=y, mem=32G, constraint=a100, ...
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dwlt.errors import UserError
from dwlt.grid.engines import worker
from dwlt.grid.engines.base import Outcome, Resources, Task
from dwlt.grid.engines.options import Options

ASK = 3.0
"""Seconds between two questions to squeue, which all users of a cluster share."""

GONE = 3
"""How often in a row a job without a result must be missing before it counts as lost: results come
through a file system that may show them late."""


class SlurmTask:
    """What a job runs. submitit keeps it, and asks it what to do when the job is to end early."""

    def __call__(self, task: Task) -> Outcome:
        """Do the task."""
        import submitit

        return worker.run(task, log=str(submitit.JobEnvironment().paths.stdout))

    def checkpoint(self, task: Task) -> Any:
        """The same task again: its stage goes on where it had saved."""
        import submitit

        return submitit.helpers.DelayedSubmission(self, task)


class SlurmCluster:
    """See ``Cluster``."""

    name = "slurm"

    def __init__(self, options: Mapping[str, str], resources: Resources) -> None:
        said = Options("slurm", options)
        self._where = said.text("cluster", "slurm")
        if self._where not in ("slurm", "local"):
            raise UserError(f"cluster={self._where}: it is slurm or local")
        self._minutes = said.number("minutes") or 1440
        self._parallel = said.number("parallel") or (2 if self._where == "local" else 256)
        self._more = said.rest()
        self._resources = resources
        self._executor: Any = None
        self._waiting: list[Task] = []
        self._jobs: dict[int, Any] = {}
        self._gone: dict[int, int] = {}
        self._asked = 0.0

    def start(self, session: Path, device: str) -> None:
        """See ``Cluster``."""
        try:
            import submitit
        except ImportError as error:
            raise UserError(
                f"the engine slurm needs submitit: {error}", hint='pip install "dwlt[slurm]"'
            ) from error
        gpus = self._resources.gpus
        if gpus is None:
            gpus = int(device.startswith("cuda"))
        logs = session / "logs"
        try:
            self._executor = submitit.AutoExecutor(folder=logs, cluster=self._where)
        except RuntimeError as error:
            raise UserError(
                f"this machine cannot submit to Slurm: {error}",
                hint="run on a login node; --engine-option cluster=local tries it out without",
            ) from error
        said: dict[str, Any] = {"timeout_min": self._minutes, "gpus_per_node": gpus}
        if self._where == "slurm":
            said |= {
                "name": "dwlt",
                "cpus_per_task": self._resources.cpus,
                "slurm_array_parallelism": self._parallel,
                "slurm_additional_parameters": {"requeue": True, **self._more},
            }
        self._executor.update_parameters(**said)

    def places(self) -> int:
        """See ``Cluster``. Which machines jobs will get is not known; each task looks again."""
        return 1

    def submit(self, tasks: Sequence[Task]) -> None:
        """See ``Cluster``."""
        self._waiting += tasks
        self._send()

    def poll(self) -> list[tuple[int, Outcome]]:
        """See ``Cluster``."""
        ended = [(id_, _outcome(job)) for id_, job in self._jobs.items() if _has_ended(job)]
        ended += self._lost({id_ for id_, _ in ended})
        for id_, _ in ended:
            del self._jobs[id_]
            self._gone.pop(id_, None)
        self._send()
        return ended

    def close(self) -> None:
        """See ``Cluster``."""
        for job in self._jobs.values():
            job.cancel(check=False)
        self._jobs.clear()
        self._waiting.clear()

    def _send(self) -> None:
        """Submit what waits as one array; local processes, which nothing schedules, a few."""
        room = len(self._waiting)
        if self._where == "local":
            room = max(0, self._parallel - len(self._jobs))
        now, self._waiting = self._waiting[:room], self._waiting[room:]
        if not now:
            return
        try:
            jobs = self._executor.map_array(SlurmTask(), now)
        except (subprocess.CalledProcessError, RuntimeError, OSError) as error:
            said = getattr(error, "stderr", None) or str(error)
            raise UserError(
                f"Slurm does not take the job: {said.strip().splitlines()[-1]}",
                hint="see what --engine-option gives to sbatch",
            ) from error
        self._jobs |= {task.id: job for task, job in zip(now, jobs, strict=True)}

    def _lost(self, ended: set[int]) -> list[tuple[int, Outcome]]:
        """Jobs that left neither a result nor themselves."""
        if time.monotonic() - self._asked < ASK:
            return []
        self._asked = time.monotonic()
        open_ = {id_: job for id_, job in self._jobs.items() if id_ not in ended}
        alive = self._alive(open_)
        if alive is None:
            return []  # Slurm does not answer now
        lost = []
        for id_, job in open_.items():
            self._gone[id_] = 0 if job.job_id in alive else self._gone.get(id_, 0) + 1
            if self._gone[id_] >= GONE and not _has_ended(job):
                lost.append((id_, Outcome("lost", f"job {job.job_id} ended without a result")))
        return lost

    def _alive(self, jobs: Mapping[int, Any]) -> set[str] | None:
        """Ids of the jobs that wait or run; None where nobody answers."""
        if not jobs:
            return set()
        if self._where == "local":
            return {job.job_id for job in jobs.values() if not job.done()}
        command = ["squeue", "--noheader", "--array", "--format=%i", "--me"]
        try:
            said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        except (OSError, subprocess.SubprocessError):
            return None
        return set(said.stdout.split())


def _has_ended(job: Any) -> bool:
    found: bool = job.paths.result_pickle.exists()
    return found


def _outcome(job: Any) -> Outcome:
    try:
        found: Outcome = job.result()
    except Exception as error:
        # Of the machinery around the task: a task's own trouble is an outcome.
        said = (str(error).strip() or type(error).__name__).splitlines()[-1]
        return Outcome("lost", said)
    return found
