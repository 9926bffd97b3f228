"""What is shown of a dry run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dwlt.cli.cells import duration
from dwlt.cli.options import Settings
from dwlt.cli.show import Show, emit_json

if TYPE_CHECKING:
    from dwlt.grid.cost import Costs
    from dwlt.results.estimate import Estimate
    from dwlt.runs.context import Context
    from dwlt.runs.plan import Plan
    from dwlt.spec import Experiment

HEAD = ("stage", "what", "to do", "of", "epochs", "images", "forward", "backward", "memory", "time")


def dry_run(settings: Settings, experiment: Experiment, plan_of: Callable[[Context], Plan]) -> None:
    """Say what a plan will cost on this device; see ``grid.cost.dry_run``."""
    from dwlt.cli.session import session
    from dwlt.grid import cost

    with session(settings, experiment) as (context, show):
        costs = cost.dry_run(plan_of(context), context)
    _show(settings, show, costs)


def _show(settings: Settings, show: Show, costs: Costs) -> None:
    """A line per kind of runs, the sum, and how both were found."""
    if settings.as_json:
        emit_json(costs.values())
        return
    rows = [
        [line.stage, line.label, f"{line.todo:,}", f"{line.runs:,}", *_figures(line.cost)]
        for line in costs.lines
    ]
    total = costs.total
    if len(rows) > 1:
        todo, of = (sum(getattr(line, name) for line in costs.lines) for name in ("todo", "runs"))
        rows.append(["all", "", f"{todo:,}", f"{of:,}", *_figures(total)])
    show.table("dry run", HEAD, rows, left=2, optional=("images", "of"))
    if total is None:
        show.say("nothing is left that costs time")
        return
    show.say(
        f"timed on {total.device}, as one process does it all: between {duration(total.low)} and "
        f"{duration(total.high)} if every step were the fastest or the slowest of those measured"
    )
    show.say(
        "passes count images; scoring counts as if every image had to be attacked, which is the "
        "most it can be"
    )
    if total.memory_from == "saved tensors":
        show.say(
            "memory: weights, gradients, momentum and what a step keeps for its way back (counted "
            "on the CPU; a lower bound)"
        )


def _figures(cost: Estimate | None) -> list[str]:
    if cost is None:
        return ["0", "0", "0", "0", "-", "0 s"]
    return [
        f"{cost.epochs:,}",
        _count(cost.images),
        _count(cost.forward),
        _count(cost.backward),
        "-" if cost.memory is None else _size(cost.memory),
        _time(cost),
    ]


def _time(cost: Estimate) -> str:
    """``3 h 20 min``, and where days are meant ``52 days``."""
    days = cost.seconds / 86_400
    return f"{days:,.0f} days" if days >= 3 else duration(cost.seconds)


def _count(number: int) -> str:
    """``1.2M``: four figures would be more than is known."""
    for unit, name in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**4, "k")):
        if number >= unit:
            return f"{number / (1000 if name == 'k' else unit):.1f}{name}"
    return str(number)


def _size(number: int) -> str:
    return f"{number / 1e9:.1f} GB" if number >= 1e8 else f"{number / 1e6:.1f} MB"
