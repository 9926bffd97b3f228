"""A plan as a matrix: a line per search, task, fraction and regime; a column per round."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from dwlt.errors import LedgerError
from dwlt.runs import layout
from dwlt.runs.done import StepState, check_steps
from dwlt.runs.plan.cells import once
from dwlt.runs.plan.experiment import Plan
from dwlt.runs.plan.searches import Search
from dwlt.runs.state import State, state_of


@dataclass
class Line:
    """One line: cells that differ in round and seed alone.

    Attributes:
        counts: states of the cells by round.
        seconds: of those that are done.
    """

    label: str
    counts: dict[int, Counter[State]] = field(default_factory=lambda: defaultdict(Counter))
    seconds: list[float] = field(default_factory=list)

    @property
    def left(self) -> int:
        """Cells that are neither done nor failed."""
        return sum(count[State.TODO] + count[State.RUNNING] for count in self.counts.values())

    def values(self) -> dict[str, Any]:
        """JSON-ready."""
        rounds = {
            str(round_): {state.value: count[state] for state in State if count[state]}
            for round_, count in sorted(self.counts.items())
        }
        return {"label": self.label, "rounds": rounds}


@dataclass(frozen=True)
class Matrix:
    """How far a plan has come.

    Attributes:
        searches: label, rounds done, rounds wanted and state of each.
        lines: the transfers.
        workers: processes that are working on it now.
        seconds_left: an estimate from what is done so far; None before anything is.
    """

    pretrainings: tuple[tuple[str, State], ...]
    searches: tuple[tuple[str, int, int, State], ...]
    lines: tuple[Line, ...]
    workers: int
    seconds_left: float | None

    @property
    def totals(self) -> Counter[State]:
        """States of all cells."""
        return sum((count for line in self.lines for count in line.counts.values()), Counter())

    @property
    def left(self) -> bool:
        """Whether anything is neither done nor failed."""
        states = [state for _, state in self.pretrainings] + [state for *_, state in self.searches]
        return any(s in (State.TODO, State.RUNNING) for s in (*states, *self.totals.elements()))

    @property
    def failed(self) -> bool:
        """Whether anything has failed."""
        states = [state for _, state in self.pretrainings] + [state for *_, state in self.searches]
        return State.FAILED in (*states, *self.totals)

    def values(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "pretrain": [{"label": label, "state": state} for label, state in self.pretrainings],
            "prune": [
                {"label": label, "rounds": done, "of": of, "state": state}
                for label, done, of, state in self.searches
            ],
            "transfer": [line.values() for line in self.lines],
            "totals": {state.value: self.totals[state] for state in State},
            "workers": self.workers,
            "seconds_left": self.seconds_left,
        }


def matrix(plan: Plan) -> Matrix:
    """Look at every run of a plan."""
    pretrainings = tuple(
        (
            each.label,
            state_of(
                None if each.given else each.folder,
                layout.steps("pretrain"),
                done=each.source() is not None,
            ),
        )
        for each in plan.pretrainings
    )
    searched = tuple((search.label, *_rounds(search, last)) for search, last in plan.searches)
    lines: dict[tuple[str, str], Line] = {}
    for cell in once(plan.cells):
        # Two tasks of one name may differ in which of its images they take.
        key = (cell.variant.label, cell.spec.data.model_dump_json())
        line = lines.setdefault(key, Line(cell.variant.label))
        result = cell.result()
        state = state_of(cell.folder(), layout.steps("transfer"), done=result is not None)
        line.counts[cell.spec.round][state] += 1
        if result is not None:
            line.seconds.append(result.seconds)
    running = [state for _, state in pretrainings] + [state for *_, state in searched]
    workers = sum(state is State.RUNNING for state in running)
    workers += sum(
        count[State.RUNNING] for line in lines.values() for count in line.counts.values()
    )
    found = tuple(lines.values())
    return Matrix(pretrainings, searched, found, workers, _left(plan, found, max(1, workers)))


def _rounds(search: Search, last: int) -> tuple[int, int, State]:
    folder = search.folder
    if folder is None:
        return 0, last, State.TODO
    steps = layout.steps("prune", last)
    try:
        found = check_steps(folder, steps)
    except LedgerError:
        return 0, last, State.FAILED
    done = sum(one.state is StepState.DONE for one in found[1:])
    return done, last, state_of(folder, steps, done=done == last)


def _left(plan: Plan, lines: tuple[Line, ...], workers: int) -> float | None:
    """Seconds until all is done, if everything takes as long as the median of its kind has."""
    every = [second for line in lines for second in line.seconds]
    cell = statistics.median(every) if every else None
    total = 0.0
    for line in lines:
        usual = statistics.median(line.seconds) if line.seconds else cell
        if line.left and usual is None:
            return None
        total += line.left * (usual or 0.0)
    for search, last in plan.searches:
        if search.round(last) is not None:
            continue
        found = [result for r in range(1, last) if (result := search.round(r)) is not None]
        if not found:
            return None
        total += (last - len(found)) * statistics.median(r.seconds for r in found)
    return total / workers
