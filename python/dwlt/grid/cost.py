"""What is left to do of a plan, and what it will cost on this device: a dry run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

from dwlt.errors import InterruptError
from dwlt.events import Message
from dwlt.grid.joined import joined
from dwlt.grid.target import targets
from dwlt.results.base import jsonable
from dwlt.runs.context import Context
from dwlt.runs.plan import Cell, Plan, Search
from dwlt.runs.plan.cells import once
from dwlt.spec import Experiment

if TYPE_CHECKING:
    from dwlt.results.estimate import Estimate


@dataclass(frozen=True)
class Line:
    """Runs of one kind.

    Attributes:
        stage: ``pretrain``, ``prune`` or ``transfer``.
        label: which ones.
        todo, runs: those left, and all of them; of a search, its rounds.
        cost: of what is left; None where nothing is, or where it costs nothing to speak of.
    """

    stage: str
    label: str
    todo: int
    runs: int
    cost: Estimate | None

    def values(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "stage": self.stage,
            "label": self.label,
            "todo": self.todo,
            "of": self.runs,
            "cost": jsonable(self.cost),
        }


@dataclass(frozen=True)
class Costs:
    """A dry run: a line per kind of runs, and their sum."""

    lines: tuple[Line, ...]

    @property
    def total(self) -> Estimate | None:
        """Of everything that is left; None where nothing is."""
        found = [line.cost for line in self.lines if line.cost is not None]
        return reduce(lambda a, b: a + b, found) if found else None

    def values(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "lines": [line.values() for line in self.lines],
            "total": jsonable(self.total),
        }


def dry_run(plan: Plan, context: Context) -> Costs:
    """Take a few steps of each kind that is left to do, and say what all will cost.

    Nothing is trained or written but the estimates themselves, which results take up later.

    Raises:
        DataError, ModelError, SpecError: a task or network of the plan is not there, or does not
            fit; the run itself would fail in the same way.
        InterruptError: the user asked to stop.
    """
    from dwlt.stages.cost import Prober

    prober = Prober(context)

    def ask() -> None:
        if context.stop():
            raise InterruptError("stopped in the dry run; nothing was begun")

    lines: list[Line] = []
    for pretraining in plan.pretrainings:
        ask()
        if pretraining.given is None:
            missing = pretraining.source() is None
            cost = prober.pretraining(pretraining.spec) if missing else None
            lines.append(Line("pretrain", pretraining.label, int(missing), 1, cost))
    for search, last in plan.searches:
        ask()
        left, trainings = _rounds_left(search, last)
        cost = prober.round(search.spec).times(trainings) if trainings else None
        lines.append(Line("prune", search.label, left, last, cost))
    for label, cells in _grouped(once(plan.cells)):
        ask()
        todo = [cell for cell in cells if cell.result() is None]
        cost = prober.cell(todo[0].spec).times(len(todo)) if todo else None
        lines.append(Line("transfer", label, len(todo), len(cells), cost))
    context.observe(Message("a dry run: a few steps were timed, nothing was trained"))
    return Costs(tuple(lines))


def whole(experiment: Experiment, context: Context) -> Plan:
    """Everything that `dwlt run` may do for an experiment, but for [verify]."""
    cheap = experiment.grid is not None and experiment.grid.strategy == "frontier"
    plan = Plan.of(experiment, context.runs, tickets=not cheap)
    return joined((of_frontier(experiment, context), plan)) if cheap else plan


def of_frontier(experiment: Experiment, context: Context) -> Plan:
    """The most that searches for the frontier may ask for: the full grid of each.

    What they will ask for hangs on what they find.
    """
    context.observe(Message("a search for the frontier asks for a part of these transfers only"))
    return joined(target.plan(target.every()) for target in targets(experiment, context.runs))


def _rounds_left(search: Search, last: int) -> tuple[int, int]:
    """Rounds of a search that are left, and how many of them train."""
    done = [search.round(round_) is not None for round_ in range(1, last + 1)]
    left = done.count(False)
    if search.spec.train is None:
        return left, 0
    return left, left if search.spec.method == "imp" else min(left, int(not done[0]))


def _grouped(cells: Iterable[Cell]) -> list[tuple[str, list[Cell]]]:
    """Cells that differ in round and seed alone, under the label of their variant."""
    found: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        key = (cell.variant.label, cell.spec.data.model_dump_json())
        found.setdefault(key, []).append(cell)
    return [(label, cells) for (label, _), cells in found.items()]
