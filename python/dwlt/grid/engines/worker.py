"""What a worker process does with a task: run its node through the run protocol, and report."""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from dwlt.errors import BusyError, DwltError, InterruptError
from dwlt.grid.engines.base import FAILURES, Outcome, Task
from dwlt.grid.engines.session import Reporter, apart
from dwlt.runs.context import Context

_MEMOS: dict[str, dict[str, Any]] = {}
"""What this process has opened, by session: an engine may give it several tasks."""


def run(task: Task, log: str | None = None) -> Outcome:
    """Do a task. Whatever goes wrong with it is the outcome and no exception.

    Args:
        log: the file that this process prints to, for `dwlt runs show`.
    """
    host = socket.gethostname()
    try:
        return replace(_run(task, log), host=host)
    except OSError as error:
        return Outcome(
            "fault", f"{error.filename or 'the system'}: {error.strerror or error}", host=host
        )
    except Exception as error:
        return Outcome("fault", f"{type(error).__name__}: {error}", host=host)


def _run(task: Task, log: str | None) -> Outcome:
    if (why := apart(task)) is not None:
        return Outcome("apart", why)
    if task.node is None:
        return Outcome("done")
    # Names of files count from the head's folder, and networks of the user's own are found there.
    os.chdir(task.cwd)
    sys.path += [place for place in task.path if place not in sys.path]
    reporter = Reporter(task.session, task.id)
    origin = {"engine": task.engine, "session": task.session.name, "task": task.id}
    context = Context(
        runs=task.runs,
        data_dir=task.data_dir,
        device=task.device,
        workers=task.workers,
        threads=task.threads,
        observe=reporter.observe,
        stop=reporter.stop,
        memo=_MEMOS.setdefault(task.token, {}),
        checkpoint_seconds=task.checkpoint_seconds,
        origin=origin if log is None else {**origin, "log": _inside(log, task)},
    )
    try:
        task.node.run(context)
    except InterruptError as error:
        return Outcome("stopped", str(error))
    except BusyError as error:
        return Outcome("busy", str(error))
    except DwltError as error:
        return Outcome("failed", str(error), error.hint, type(error).__name__)
    except FAILURES as error:
        return Outcome("failed", str(error) or type(error).__name__)
    return Outcome("done")


def _inside(log: str, task: Task) -> str:
    """The file of a worker's output as the runs folder names it, so that the folder may move."""
    runs = task.session.parents[1]
    return str(Path(log).relative_to(runs)) if Path(log).is_relative_to(runs) else log
