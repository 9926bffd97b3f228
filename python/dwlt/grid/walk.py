"""Walk a plan: what is done is skipped, what others work on is left to them, the rest is done.

Several processes may walk one runs folder. Each run is held by one of them at a time, so no cell
is computed twice; a process without anything to do waits for the others.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from dwlt import _core
from dwlt.errors import BusyError, DwltError, InterruptError
from dwlt.events import Message, StageDone, StageStarted
from dwlt.results import TransferResult
from dwlt.runs.context import Context
from dwlt.runs.plan import Cell, Plan, Pretraining, Search
from dwlt.runs.state import failure
from dwlt.stages import prune, transfer
from dwlt.stages.common import open_task, stopped
from dwlt.stages.source import ensure_source

FAILURES = (DwltError, RuntimeError, ValueError, ArithmeticError, MemoryError)
"""What can go wrong with one run and leave the others unharmed. A full disk and a fault in the
code are not among them: they would spoil every run that is still to come."""

WAIT = 0.5
"""Seconds between two looks at what other processes are working on."""


@dataclass(frozen=True)
class Policy:
    """What to do about failures.

    Attributes:
        keep_going: do everything else before reporting them; what failed before is left alone.
        retry_failed: try that again, too.
    """

    keep_going: bool = False
    retry_failed: bool = False


def walk(plan: Plan, context: Context, policy: Policy, *, asked: bool) -> None:
    """Do everything in a plan that is not done.

    Args:
        asked: whether the plan's rounds are how far the searches are to go; see ``prune.run``.

    Raises:
        InterruptError: the user asked to stop.
        DwltError: something failed: at once, or with ``keep_going`` after everything else. What
            is done by then stays done.
    """
    shared = _Shared(plan, context, asked)
    jobs: list[_Job] = [_PretrainJob(each, shared) for each in plan.pretrainings]
    jobs += [_SearchJob(search, rounds, shared) for search, rounds in plan.searches]
    jobs += [_CellJob(cell, shared) for cell in plan.cells]
    shared.look_ahead(jobs, keep_going=policy.keep_going)
    failed = _Walk(jobs, context, policy).run()
    if failed:
        raise _summary(failed, len(jobs))
    shared.end()


def cells(plan: Plan) -> list[tuple[Path, TransferResult]]:
    """Run folder and result of each cell of a plan that has been walked, in its order."""
    found = []
    for cell in plan.cells:
        folder, result = cell.folder(), cell.result()
        assert folder is not None
        assert result is not None
        found.append((folder, result))
    return found


class _Job(Protocol):
    """One run to do."""

    @property
    def label(self) -> str: ...

    def there(self) -> bool:
        """Whether the folder proves that it is done; damage does not, and ``run`` names it."""

    def ready(self) -> bool:
        """Whether what it starts from is there."""

    def folder(self) -> Path | None: ...

    def run(self) -> None: ...


@dataclass
class _Shared:
    """What the jobs of one walk have in common."""

    plan: Plan
    context: Context
    asked: bool
    stage: str = ""
    worked: bool = False

    def look_ahead(self, jobs: list[_Job], *, keep_going: bool) -> None:
        """Open the downstream tasks before earlier stages cost hours: they may not be readable."""
        if all(job.there() for job in jobs if not isinstance(job, _CellJob)):
            return
        for spec in {cell.spec.data.task: cell.spec for cell in self.plan.cells}.values():
            try:
                open_task(spec, self.context)
            except DwltError as error:
                if not keep_going:
                    raise
                self.context.observe(Message(f"{spec.data.task}: {error}", warning=True))

    def begin_cells(self) -> None:
        """Say how many cells there are to do, when the first one begins."""
        self.worked = True
        if self.stage == "transfer":
            return
        self.stage = "transfer"
        # Dense cells may stand in the plan more than once, under several searches.
        all_ = {str(cell.folder() or cell): cell for cell in self.plan.cells}
        todo = [cell for cell in all_.values() if cell.result() is None]
        tasks = {cell.spec.data.task for cell in todo}
        regimes = {cell.spec.train.regime for cell in todo}
        self.context.observe(
            StageStarted(
                "transfer",
                f"{' and '.join(sorted(regimes))} training on {', '.join(sorted(tasks))}, "
                f"{len(todo)} of {len(all_)} cells to do",
                sum(cell.spec.train.epochs for cell in todo),
            )
        )

    def end(self) -> None:
        """Say that the cells are done."""
        if self.plan.cells:
            runs = self.plan.cells[0].search.pretraining.runs
            self.context.observe(
                StageDone("transfer", str(runs / "transfer"), reused=not self.worked)
            )


@dataclass
class _PretrainJob:
    pretraining: Pretraining
    shared: _Shared

    @property
    def label(self) -> str:
        return f"pretrain {self.pretraining.label}"

    def there(self) -> bool:
        return self.pretraining.source() is not None

    def ready(self) -> bool:
        return True

    def folder(self) -> Path | None:
        return None if self.pretraining.given is not None else self.pretraining.folder

    def run(self) -> None:
        self.shared.stage = "pretrain"
        ensure_source(self.pretraining, self.shared.context)


@dataclass
class _SearchJob:
    search: Search
    rounds: int
    shared: _Shared

    @property
    def label(self) -> str:
        return f"prune {self.search.label}"

    def there(self) -> bool:
        return self.search.round(self.rounds) is not None

    def ready(self) -> bool:
        # A control's search comes first in the plan; where that failed, nothing can be made of it.
        base = self.search.of
        found = base is None or base.round(self.rounds) is not None
        return found and self.search.pretraining.source() is not None

    def folder(self) -> Path | None:
        return self.search.folder

    def run(self) -> None:
        self.shared.stage = "prune"
        prune.run(self.search, self.shared.context, rounds=self.rounds, asked=self.shared.asked)


@dataclass
class _CellJob:
    cell: Cell
    shared: _Shared

    @property
    def label(self) -> str:
        return f"transfer {self.cell.variant.label}, {self.cell.label}"

    def there(self) -> bool:
        return self.cell.result() is not None

    def ready(self) -> bool:
        return self.cell.ticket() is not None

    def folder(self) -> Path | None:
        return self.cell.folder()

    def run(self) -> None:
        if not self.there():
            self.shared.begin_cells()
        transfer.run(self.cell, self.shared.context)


@dataclass
class _Walk:
    """Passes over the jobs that are left, until nothing is, or nothing can be done any more."""

    jobs: list[_Job]
    context: Context
    policy: Policy
    failed: list[tuple[str, str]] = field(default_factory=list)

    def run(self) -> list[tuple[str, str]]:
        """Do them; returns what failed, by label, and why."""
        left, waiting = self.jobs, False
        while left:
            rest, busy = self._pass(left)
            moved = len(rest) < len(left)
            left = rest
            if moved:
                waiting = False
            elif not busy:
                missing = "what it starts from is missing"
                self.failed += [(job.label, missing) for job in left]
                break
            else:
                if not waiting:
                    self.context.observe(Message(f"waiting: {busy[0]}"))
                waiting = True
                time.sleep(WAIT)
        return self.failed

    def _pass(self, jobs: list[_Job]) -> tuple[list[_Job], list[str]]:
        """Try each job once; returns those that are left, and who holds the busy ones."""
        left: list[_Job] = []
        busy: list[str] = []
        for job in jobs:
            if self.context.stop():
                raise stopped("the grid")
            if not job.ready():
                left.append(job)
                continue
            if holder := _holder(job):
                left.append(job)
                busy.append(f"{job.label}: {holder}")
                continue
            if old := self._old_failure(job):
                self.failed.append((job.label, old))
                continue
            try:
                job.run()
            except InterruptError:
                raise
            except BusyError as error:
                left.append(job)
                busy.append(f"{job.label}: {error}")
            except FAILURES as error:
                if not self.policy.keep_going:
                    raise
                self.failed.append((job.label, str(error) or type(error).__name__))
                self.context.observe(Message(f"{job.label}: {error}", warning=True))
        return left, busy

    def _old_failure(self, job: _Job) -> str | None:
        """Why a job failed in an earlier walk, where that means to leave it alone."""
        if not self.policy.keep_going or self.policy.retry_failed or job.there():
            return None
        folder = job.folder()
        return failure(folder) if folder is not None and folder.is_dir() else None


def _holder(job: _Job) -> str | None:
    folder = None if job.there() else job.folder()
    if folder is None or not folder.is_dir():
        return None
    holder = _core.Ledger.holder(str(folder))
    return None if holder is None else f"process {holder['pid']} on {holder['host']} works on it"


def _summary(failed: list[tuple[str, str]], jobs: int) -> DwltError:
    label, error = failed[0]
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    return DwltError(
        f"{len(failed)} of {jobs} runs failed or were left out: {label}: {error}{more}",
        hint="everything else is done; `dwlt runs` names them; --retry-failed tries them again",
    )
