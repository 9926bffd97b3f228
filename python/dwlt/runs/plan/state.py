"""How far a run has come: done, running, failed, or to do."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path

from dwlt import _core


class State(StrEnum):
    """The state of a run."""

    DONE = "done"
    RUNNING = "running"
    FAILED = "failed"
    TODO = "to do"


def state_of(folder: Path | None, *, done: bool) -> State:
    """The state of a run that is ``done`` or not.

    Args:
        folder: the run's folder, which need not exist; None where it is not known yet.
    """
    if done:
        return State.DONE
    if folder is None or not folder.is_dir():
        return State.TODO
    if _core.Ledger.holder(str(folder)) is not None:
        return State.RUNNING
    return State.FAILED if failure(folder) is not None else State.TODO


def failure(folder: Path) -> str | None:
    """Why a run failed when it was last worked on; None where it did not.

    A kill or a polite stop is no failure.
    """
    error: str | None = None
    for line in _core.Ledger.read(str(folder)):
        entry = json.loads(line)
        if entry.get("event") == "failed":
            error = str(entry["error"])
        elif entry.get("event") in ("work", "commit"):
            error = None
    return error
