"""The plan of an experiment as far as it is known by now; never imports torch."""

from __future__ import annotations

from pathlib import Path

from dwlt.grid.asked import asked_so_far
from dwlt.grid.joined import joined
from dwlt.grid.target import targets
from dwlt.runs.plan import Plan
from dwlt.spec import Experiment


def so_far(experiment: Experiment, runs: Path) -> tuple[Plan, bool]:
    """What an experiment consists of, as far as that is known by now.

    All of it in most cases; with strategy = "frontier" its controls, and what the searches have
    asked for so far.

    Returns:
        The plan, and whether that is all, so that no more will be asked for.

    Raises:
        As ``asked_so_far``.
    """
    if experiment.grid is None or experiment.grid.strategy != "frontier":
        return Plan.of(experiment, runs), True
    plans, ended = [], True
    for target in targets(experiment, runs):
        asked, over = asked_so_far(target)
        plans.append(target.plan(asked.cells))
        ended = ended and over
    # Controls are transferred whole, at the rounds that the grid names.
    plans.append(Plan.of(experiment, runs, tickets=False))
    return joined(plans), ended
