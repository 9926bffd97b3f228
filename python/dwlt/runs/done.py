"""Who decides that a step of a run is done: its journal, with the files that it vouches for.

A step is done when the journal has committed it and every committed file is still there with the
size that it had. Sizes cost a look at the folder, so a grid of hundreds of finished cells is
skipped at once; content is compared by `dwlt runs verify`, and where a file is read to compute
with it. Nothing here takes a lock or changes anything.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from dwlt import _core
from dwlt.errors import DwltError, FormatError, LedgerError
from dwlt.results.files import read_result
from dwlt.runs import layout

if TYPE_CHECKING:
    from dwlt.results import RunResult

R = TypeVar("R", bound="RunResult")

Steps = Sequence[tuple[str, str]]
"""The steps of a run in order, each with its result file, relative to the run folder."""


class StepState(StrEnum):
    """How far a step is, as the folder proves."""

    OPEN = "open"
    """Neither committed nor is its result there."""

    UNPROVEN = "unproven"
    """Its result is there, but the journal does not vouch for it or for one of its files: the work
    was stopped between the two. Whoever takes the folder proves the files, or does it again."""

    DONE = "done"
    DAMAGED = "damaged"
    """Committed, but a file is missing, has another size, or is no result."""


@dataclass(frozen=True)
class Checked:
    """What a run folder proves about one step.

    Attributes:
        step: the plan's word for it.
        marker: its result file, relative to the run folder.
        state: how far it is.
        journalled: the files that the journal has for it, relative to the run folder.
        committed: whether the journal says that it is done. Of a step that it does not, the files
            are those that were prepared when its result was last about to be written, if any.
        problems: what is wrong, one line each, naming the file.
        result: the content of its result file; None unless it is done.
    """

    step: str
    marker: str
    state: StepState
    journalled: frozenset[str] = frozenset()
    committed: bool = False
    problems: tuple[str, ...] = ()
    result: dict[str, Any] | None = None


def check_steps(folder: Path, steps: Steps) -> list[Checked]:
    """How far each step of a run is, without a lock and without reading large files.

    Raises:
        LedgerError: the journal is damaged; the message names file and line.
    """
    if not folder.is_dir():
        return [Checked(step, marker, StepState.OPEN) for step, marker in steps]
    found = _core.Ledger.check(str(folder), list(steps))
    return [_checked(folder, step, marker, found[step]) for step, marker in steps]


def finished(folder: Path, model: type[R], step: tuple[str, str] | None = None) -> R | None:
    """The result of a step that is done, as its stage's model; None otherwise.

    Damage is no error here: the stage that is run for whatever is not done names it.

    Args:
        step: which one, for a stage that has several.
    """
    try:
        (checked,) = check_steps(folder, layout.steps(model.STAGE) if step is None else [step])
        return None if checked.result is None else read_step(folder, checked, model)
    except (FormatError, LedgerError):
        return None


def read_step(folder: Path, checked: Checked, model: type[R]) -> R:
    """The result of a step that is done, as its stage's model.

    Raises:
        FormatError: its file lacks a value or garbles one; the message begins with the dotted key.
    """
    from dwlt.results.read import as_model  # `dwlt runs` lists runs without pydantic

    return as_model(checked.result, model, "/".join(folder.parts[-2:]))


def is_damaged(folder: Path, steps: Steps) -> bool:
    """Whether a run folder holds something that no run of its command will mend."""
    try:
        return any(one.state is StepState.DAMAGED for one in check_steps(folder, steps))
    except LedgerError:
        return True


def _checked(folder: Path, step: str, marker: str, found: _core._Checked) -> Checked:
    journalled = frozenset(found["files"])
    problems = tuple(found["problems"])
    if found["state"] == "open":
        return Checked(step, marker, StepState.OPEN)
    if found["state"] == "uncommitted":
        return Checked(step, marker, StepState.UNPROVEN, journalled, False, problems)
    if found["state"] == "damaged":
        return Checked(step, marker, StepState.DAMAGED, journalled, True, problems)
    try:
        result = read_result(folder / marker)
    except LedgerError as error:
        return Checked(step, marker, StepState.DAMAGED, journalled, True, (str(error),))
    if result is None:  # removed since its size was compared
        gone = f"{folder / marker}: it is gone"
        return Checked(step, marker, StepState.DAMAGED, journalled, True, (gone,))
    if not journalled >= set(files_of(folder, step, result)):
        # As version 1 journalled a result that it found after a crash: by its name alone.
        return Checked(step, marker, StepState.UNPROVEN, journalled, True)
    return Checked(step, marker, StepState.DONE, journalled, True, (), result)


def files_of(folder: Path, step: str, result: dict[str, Any]) -> list[str]:
    """The files that a finished step must have besides its result, relative to the run folder."""
    stage = folder.parent.name
    if stage == "pretrain":
        return [layout.METRICS, layout.MODEL]
    # Results of before there were outcomes image by image have no such file.
    outcomes = [layout.OUTCOMES] if result.get("outcomes") is not None else []
    if stage == "transfer":
        return [layout.METRICS, layout.best("sa"), layout.best("ra"), *outcomes]
    if stage == "prune":
        trained = [f"{step}/{layout.METRICS}"] if result.get("search") is not None else []
        return [f"{step}/{layout.MASK}", *trained]
    return outcomes


def contradictions(folder: Path, step: str, result: dict[str, Any]) -> list[str]:
    """Why a step's files cannot be taken for those that its result was written with.

    For a result that no line of the journal vouches for. Results name the digests of weights and
    masks, and how many epochs were trained; where that covers every file of the step, agreement
    proves them.

    Returns:
        One line for each reason; empty where all files are proven.
    """
    stage = folder.parent.name
    if result["stage"] != stage or result["id"] != layout.id_of(folder):
        return [f"{folder / step}: its result is of {result['stage']} run {result['id']}"]
    claimed = _claimed(stage, step, result)
    if claimed is None:
        return [f"{folder}: nothing says what the files of {step!r} held"]
    found = (_differs(folder / path, digest) for path, digest in claimed.items())
    problems = [problem for problem in found if problem is not None]
    for path in files_of(folder, step, result):
        if Path(path).name == layout.METRICS:
            problems += _metrics_differ(folder / path, result)
    return problems


def _claimed(stage: str, step: str, result: dict[str, Any]) -> dict[str, str] | None:
    """Digests that a result names, by file; None where it names none for one of its files."""
    if stage == "pretrain":
        return {layout.MODEL: result["weights"]}
    if stage != "prune":
        return None
    claimed = {f"{step}/{layout.MASK}": result["mask"]}
    if result.get("weights_file") is not None:
        claimed[result["weights_file"]] = result["weights"]
    elif result["method"] == "oneshot" and result["round"] == 1:
        return None  # the trained weights that later rounds are cut from
    return claimed


def _differs(path: Path, digest: str) -> str | None:
    try:
        if path.name == layout.MASK:
            found = _core.MaskSet.load(str(path)).digest
        else:
            found = _core.digest_file(str(path))
    except DwltError as error:
        return str(error)
    return None if found == digest else f"{path} holds {found}, not {digest}"


def _metrics_differ(path: Path, result: dict[str, Any]) -> list[str]:
    epochs = int(result["spec"]["train"]["epochs"])
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        found = [json.loads(line)["epoch"] for line in lines]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return [f"{path} cannot be read: {error}"]
    return [] if found == list(range(1, epochs + 1)) else [f"{path} is not of {epochs} epochs"]
