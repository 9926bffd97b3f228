"""Run folders read byte by byte: `dwlt runs verify`, and files that are about to be used."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from dwlt import _core
from dwlt.errors import LedgerError
from dwlt.runs import layout
from dwlt.runs.done import StepState, check_steps
from dwlt.runs.folder import read_settings, steps_on_disk
from dwlt.runs.store import run_id
from dwlt.spec import EvaluateSpec, PretrainSpec, PruneSpec, StageSpec, TransferSpec

SPECS: dict[str, type[StageSpec]] = {
    "pretrain": PretrainSpec,
    "prune": PruneSpec,
    "transfer": TransferSpec,
    "evaluate": EvaluateSpec,
}
"""The settings of each stage."""


def verify_run(folder: Path) -> list[str]:
    """Compare every file of a run with its journal, and its settings with its id.

    Returns:
        What is wrong, one line each; empty where nothing is. A result that was never committed, or
        that an old version committed without its other files, is wrong: running the command again
        proves the files or computes the step anew.
    """
    problems = _core.Ledger.verify(str(folder), result=layout.RESULT)
    if folder.parent.name not in SPECS:
        return problems
    return [*problems, *_settings(folder), *_unvouched(folder)]


def require_as_committed(file: Path) -> None:
    """Refuse a file of a finished step whose content is no longer what the journal committed.

    Called before a stage computes with the file. One that lies in no run folder is not checked,
    since no journal says what it must hold.

    Raises:
        LedgerError: naming the file, and what to do.
    """
    for folder in (file.parent, file.parent.parent):
        if folder.parent.name not in SPECS or not (folder / layout.JOURNAL).is_file():
            continue
        checked = _core.Ledger.check(str(folder), steps_on_disk(folder), digests=True)
        for problem in (line for one in checked.values() for line in one["problems"]):
            if problem.startswith(f"{file}:"):
                raise LedgerError(
                    problem,
                    hint=f"put the file back as it was, or remove {folder} to compute it again",
                )


def _settings(folder: Path) -> list[str]:
    """What is wrong with ``spec.toml``: its settings must give the run's id."""
    path = folder / layout.SPEC
    stage = folder.parent.name
    try:
        header = json.loads(_core.Ledger.read(str(folder))[0])["header"]
        spec = read_settings(folder, SPECS[stage])
        found = run_id(stage, spec, header["starts"])
    except (LedgerError, IndexError, KeyError):
        return []  # the journal's own fault, which is told already
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors()[0]["loc"])
        return [f"{path}: not the settings of a {stage} run: {where or 'values'}"]
    except (OSError, ValueError) as error:
        return [f"{path}: cannot be read: {error}"]
    if found != layout.id_of(folder):
        return [f"{path}: holds the settings of run {found}"]
    return []


def _unvouched(folder: Path) -> list[str]:
    """Steps that are committed by their result alone."""
    try:
        checked = check_steps(folder, steps_on_disk(folder))
    except LedgerError:
        return []
    return [
        f"{folder / one.marker}: committed without the other files of its step"
        for one in checked
        if one.state is StepState.UNPROVEN and one.committed
    ]
