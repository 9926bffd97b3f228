"""Find the extreme sparsity with few transfers: ask the strategy, walk what it asks for, repeat.

What to run next is a function of the results of the transfers that were asked for before, and of
nothing else. So a search that was killed anywhere begins again from the first question, finds its
answers on disk, and comes to the same end; and several processes that search side by side ask
for the same transfers, each of which is done by one of them.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dwlt.errors import BusyError, DwltError
from dwlt.events import Event, Message, StageDone
from dwlt.grid.asked import Asked
from dwlt.grid.target import Target
from dwlt.grid.walk import WAIT, Policy, walk
from dwlt.results import FrontierResult, SearchRef
from dwlt.results.frontier import FrontierAttempt, FrontierProbe, FrontierStep
from dwlt.runs import layout, store
from dwlt.runs.complete import Prepared, StepResult, Work, complete
from dwlt.runs.context import Context
from dwlt.runs.done import finished
from dwlt.runs.plan import Cell
from dwlt.runs.store import Run
from dwlt.spec import FrontierSpec
from dwlt.verdict.frontier import Found, Step


@dataclass(frozen=True)
class Frontier:
    """A search that has ended.

    Attributes:
        target: what it was about.
        folder: of its run.
        result: the content of its ``result.json``.
        cells: the transfers behind the decision, dense network included; none where no round
            was confirmed.
    """

    target: Target
    folder: Path
    result: FrontierResult
    cells: tuple[Cell, ...]


def find(target: Target, context: Context, policy: Policy) -> Frontier:
    """Search, or go on where a search was stopped, or find that it is done.

    Raises:
        DwltError: a transfer, or what comes before it, failed; the message says why. What is
            done stays done, and the same command tries again.
        InterruptError: the user asked to stop.
        As ``runs.complete``.
    """
    search = _Search(target=target, context=context, policy=policy)
    found = search.run()
    folder, result = _record(search, found, context)
    return Frontier(target, folder, result, search.deciding(found))


def find_all(targets: tuple[Target, ...], context: Context, policy: Policy) -> tuple[Frontier, ...]:
    """Search for the frontier of each target, one after another.

    Raises:
        DwltError: one of them failed: at once, or with ``keep_going`` after all the others.
    """
    done, failed = [], []
    for target in targets:
        try:
            done.append(find(target, context, policy))
        except DwltError as error:
            if not policy.keep_going or error.exit_code == 130:
                raise
            failed.append(f"{target.label}: {error}")
            context.observe(Message(failed[-1], warning=True))
    if failed:
        raise DwltError(
            f"{len(failed)} of {len(targets)} searches for the frontier failed: {failed[0]}",
            hint="the others are done; the same command tries the failed ones again",
        )
    return tuple(done)


@dataclass(kw_only=True)
class _Search(Asked):
    """Asks, and has done what is asked for."""

    context: Context
    policy: Policy

    def run(self) -> Found:
        while True:
            answer = self.ask()
            if isinstance(answer, Found):
                return answer
            self._do(answer)

    def deciding(self, found: Found) -> tuple[Cell, ...]:
        """The cells that the last look compared, where it confirmed a round."""
        if found.extreme is None:
            return ()
        seeds = self.plan().confirming(found.attempts[-1].seeds)
        return tuple(
            cell
            for cell in self.cells
            if cell.spec.seed in seeds and cell.spec.round in (0, found.extreme)
        )

    def _do(self, step: Step) -> None:
        cells = self.cells_of(step)
        self._tell(step)
        # Never past a failure: what to ask next hangs on every answer.
        walk(
            self.target.plan(cells),
            replace(self.context, observe=self._observe),
            replace(self.policy, keep_going=False),
            asked=False,
        )
        self.take(cells)

    def _observe(self, event: Event) -> None:
        """Pass on what is news: that earlier stages are done would be said at every step."""
        if not (isinstance(event, StageDone) and (event.reused or event.stage == "transfer")):
            self.context.observe(event)

    def _tell(self, step: Step) -> None:
        spent, full = self.target.cost(self.cells).total, self.target.full_cost().total
        seeds = f"seed{'s' * (len(step.seeds) > 1)} {', '.join(map(str, step.seeds))}"
        network = f"round {step.round}" if step.round else "the dense network"
        self.context.observe(
            Message(
                f"{step.reason} -> {network}, {step.regime} transfer, {seeds}; "
                f"{spent:,} epochs so far, the full grid has {full:,}"
            )
        )


def recorded(target: Target) -> bool:
    """Whether a search for this frontier has ended."""
    named = _named(target)
    if named is None:
        return False
    spec, starts = named
    run_id = store.run_id("frontier", spec, starts)
    folder = layout.run_folder(target.search.pretraining.runs, "frontier", spec.name, run_id)
    return finished(folder, FrontierResult) is not None


def _named(target: Target) -> tuple[FrontierSpec, dict[str, str]] | None:
    """What names the search for a frontier; None while the pre-training is still to be made."""
    source, search = target.search.pretraining.source(), target.search.folder
    if source is None or search is None:
        return None
    return target.spec(), {"weights": source.digest, "search": layout.id_of(search)}


def _record(search: _Search, found: Found, context: Context) -> tuple[Path, FrontierResult]:
    """Write the result, or prove that it is written: by this process or another one."""
    named = _named(search.target)
    assert named is not None  # its tickets were transferred
    spec, starts = named
    work = _Frontier(search, found, context)
    while True:
        try:
            done = complete(spec, starts, work, context)
        except BusyError:
            # Another process has come to the same end, and is writing it down.
            time.sleep(WAIT)
            continue
        return done.folder, done.results[0]


class _Frontier(Work[FrontierResult]):
    result = FrontierResult

    def __init__(self, search: _Search, found: Found, context: Context) -> None:
        self.search = search
        self.found = found
        self.context = context
        self.first = search.results[0]

    def prepare(self) -> Prepared:
        device = self.first.run.environment.device or "cpu"
        return Prepared(self.first.run.task.fingerprint, device)

    def do(self, run: Run, step: str) -> StepResult:
        path = [self._step(asked, cells) for asked, cells in self.search.steps]
        for asked in path:
            run.note(
                "asked for",
                round=asked.round,
                regime=asked.regime,
                seeds=list(asked.seeds),
                why=asked.reason,
            )
        return StepResult(self._values(tuple(path)))

    def _step(self, step: Step, cells: tuple[Cell, ...]) -> FrontierStep:
        runs = tuple(folder.name for cell in cells if (folder := cell.folder()) is not None)
        return FrontierStep(step.round, step.regime, step.seeds, step.phase, step.reason, runs)

    def _ref(self) -> SearchRef:
        """The search as it calls itself: a transfer may have been made for another one."""
        dense = self.search.target.search.round(0)
        assert dense is not None  # its tickets were transferred
        return dense.prune

    def _values(self, path: tuple[FrontierStep, ...]) -> dict[str, Any]:
        found, first, target = self.found, self.first, self.search.target
        ticket = next((one for one in self.search.results if one.round == found.extreme), None)
        attacks = (one.attack for one in self.search.results if one.attack is not None)
        return {
            "weights": first.weights,
            "pretrain": first.pretrain,
            "prune": self._ref(),
            "task": first.run.task,
            "fraction": first.fraction,
            "declared": self.search.target.experiment.verdict.declared(target.rounds),
            "extreme": found.extreme,
            "kept": None if ticket is None else ticket.kept,
            "total": None if ticket is None else ticket.total,
            "confidence": found.confidence,
            "reason": found.reason,
            "attack": next(attacks, None),
            "path": path,
            "probes": [
                FrontierProbe(p.round, p.promising, p.worst if math.isfinite(p.worst) else None)
                for p in found.probes
            ],
            "attempts": [
                FrontierAttempt(a.round, a.seeds, a.confidence, a.decision.value)
                for a in found.attempts
            ],
            "spent": target.cost(self.search.cells),
            "full": target.full_cost(),
        }
