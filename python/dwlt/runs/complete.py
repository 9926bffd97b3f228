"""The run protocol, once for all stages: find that a run is done, or do what is left of it.

    look (no lock) -> prepare -> take the folder and heal it -> begin -> step by step -> done

A stage describes what is special to it as a ``Work``; everything that makes a run safe to kill and
to run again stands here, in ``done`` and in ``store``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic

from dwlt.errors import BusyError, FormatError
from dwlt.events import Message, StageDone
from dwlt.runs import layout
from dwlt.runs.context import Context
from dwlt.runs.done import Checked, R, Steps, StepState, check_steps, read_step
from dwlt.runs.store import Run, damaged, run_id, spec_is_intact
from dwlt.spec import StageSpec


@dataclass(frozen=True)
class Prepared:
    """What a run is computed with.

    Attributes:
        images: the fingerprint of the task's images; a run is tied to them.
        device: in words, for results.
    """

    images: str
    device: str


@dataclass(frozen=True)
class StepResult:
    """What a step found.

    Attributes:
        values: what its result file holds besides identity, environment and times.
        files: what it has written besides, relative to the run folder.
    """

    values: Mapping[str, Any]
    files: Sequence[str] = field(default_factory=list)


class Work(ABC, Generic[R]):
    """What is special to a stage. The methods are called in the order in which they stand here."""

    result: type[R]
    """The model of the stage's result file; it says what the stage is called."""
    announces: ClassVar[bool] = True
    """Whether ``complete`` says when the run is done. Cells of a grid leave that to the grid."""

    @abstractmethod
    def prepare(self) -> Prepared:
        """Choose the device and open task and network, before the run's folder is made.

        So that a wrong name or an unreadable file leaves nothing behind. Not called where nothing
        is left to do.
        """

    def begin(self, run: Run) -> None:
        """Called once the folder is locked and at least one step is left to do.

        Whatever is wrong with what the run starts from is refused here.
        """

    @abstractmethod
    def do(self, run: Run, step: str) -> StepResult:
        """Compute one step and write its files, except its result.

        Raises:
            InterruptError: the user asked to stop; what is saved is gone on with next time.
        """

    def clear(self, folder: Path, step: str) -> None:
        """Remove what only served a step in progress. It may be gone already."""

    def tell(self, step: str, result: R) -> None:
        """Report to the observer that a step is done and on disk."""


@dataclass(frozen=True)
class Completed(Generic[R]):
    """A run that is done.

    Attributes:
        folder: where it lives.
        results: of its steps, in order.
        reused: everything was there already and nothing was computed.
    """

    folder: Path
    results: list[R]
    reused: bool


def complete(
    spec: StageSpec,
    starts: Mapping[str, str],
    work: Work[R],
    context: Context,
    *,
    rounds: int = 0,
) -> Completed[R]:
    """Do what is left of a run, or prove that nothing is.

    Args:
        spec: the run's settings.
        starts: digests of what it starts from, by what they are; with the settings they name it.
        work: what is special to the stage.
        rounds: how far to go, for a stage that has rounds.

    Raises:
        BusyError: another process works on this run.
        LedgerError: the folder contradicts itself; the message names the file and what to do.
        InterruptError: the user asked to stop; what is saved is gone on with next time.
    """
    stage = work.result.STAGE
    identity = run_id(stage, spec, starts)
    folder = layout.run_folder(context.runs, stage, spec.name, identity)
    steps = layout.steps(stage, rounds)
    results = _proven(folder, spec, starts, steps, work.result, context)
    reused = results is not None
    if results is None:
        prepared = work.prepare()
        with Run(folder, spec, starts, steps) as run:
            _tell_healed(run, context)
            # Another process may have finished between the look above and the lock.
            if run.ledger.next() is not None:
                work.begin(run)
                run.begin(prepared.images, prepared.device)
                if context.origin:
                    run.note("engine", **context.origin)
            while (step := run.ledger.next()) is not None:
                done = work.do(run, step)
                result = run.finish(step, done.values, files=done.files, device=prepared.device)
                assert isinstance(result, work.result)  # the folder is one of this stage
                work.clear(folder, step)
                work.tell(step, result)
        results = [_result(folder, one, work.result) for one in check_steps(folder, steps)]
    for step, _ in steps:
        # A kill after a step's commit may have left its checkpoint behind.
        work.clear(folder, step)
    if work.announces:
        context.observe(StageDone(stage, str(folder), reused=reused))
    return Completed(folder, results, reused)


def _proven(
    folder: Path,
    spec: StageSpec,
    starts: Mapping[str, str],
    steps: Steps,
    model: type[R],
    context: Context,
) -> list[R] | None:
    """The results of a run that is done, healed if need be; None where something is to do.

    Raises:
        LedgerError: a finished step's files are not what they were.
    """
    if not folder.is_dir():
        return None
    found = check_steps(folder, steps)
    results = _results(folder, found, model)
    unproven = any(one.state is StepState.UNPROVEN for one in found)
    if results is not None and _is_tidy(folder, spec, starts):
        return results
    if results is None and not unproven:
        return None
    try:
        with Run(folder, spec, starts, steps) as run:
            _tell_healed(run, context)
    except BusyError:
        # The steps are done; the process that works on later ones healed the rest when it opened
        # the folder.
        if results is not None:
            return results
        raise
    return _results(folder, check_steps(folder, steps), model)


def _results(folder: Path, found: Sequence[Checked], model: type[R]) -> list[R] | None:
    for one in found:
        if one.state is StepState.DAMAGED:
            raise damaged(folder, one)
    if any(one.result is None for one in found):
        return None
    return [_result(folder, one, model) for one in found]


def _result(folder: Path, checked: Checked, model: type[R]) -> R:
    if checked.result is None:
        raise damaged(folder, checked, [f"{folder / checked.marker} changed while it was read"])
    try:
        return read_step(folder, checked, model)
    except FormatError as error:
        raise damaged(folder, checked, [f"{folder / checked.marker}: {error}"]) from error


def _is_tidy(folder: Path, spec: StageSpec, starts: Mapping[str, str]) -> bool:
    """Whether spec and journal are whole: a cut last line of a journal is one that nobody ended."""
    with (folder / layout.JOURNAL).open("rb") as journal:
        journal.seek(-1, 2)
        whole = journal.read() == b"\n"
    return whole and spec_is_intact(folder, spec, starts)


def _tell_healed(run: Run, context: Context) -> None:
    for text in run.healed:
        context.observe(Message(text, warning=True))
