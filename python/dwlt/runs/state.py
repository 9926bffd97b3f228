"""How far a run has come: done, running, failed, or to do."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path

from dwlt import _core
from dwlt.errors import LedgerError
from dwlt.runs.done import Steps, is_damaged


class State(StrEnum):
    """The state of a run."""

    DONE = "done"
    RUNNING = "running"
    FAILED = "failed"
    TODO = "to do"


def state_of(folder: Path | None, steps: Steps, *, done: bool) -> State:
    """The state of a run that is ``done`` or not.

    Args:
        folder: the run's folder, which need not exist; None where it is not known yet.
        steps: of the run. One whose files are damaged counts as failed.
    """
    if done:
        return State.DONE
    if folder is None or not folder.is_dir():
        return State.TODO
    if _core.Ledger.holder(str(folder)) is not None:
        return State.RUNNING
    failed = failure(folder) is not None or is_damaged(folder, steps)
    return State.FAILED if failed else State.TODO


def failure(folder: Path) -> str | None:
    """Why a run failed when it was last worked on; None where it did not.

    A kill or a polite stop is no failure; a damaged journal is.
    """
    error: str | None = None
    try:
        lines = _core.Ledger.read(str(folder))
    except LedgerError as damage:
        return str(damage)
    for line in lines:
        entry = json.loads(line)
        if entry.get("event") == "failed":
            error = str(entry["error"])
        elif entry.get("event") in ("work", "commit", "heal"):
            error = None
    return error
