"""The plan of searches for the frontier as far as they have come; never imports torch."""

from __future__ import annotations

from pathlib import Path

from dwlt.grid.asked import asked_so_far
from dwlt.grid.joined import joined
from dwlt.grid.target import targets
from dwlt.runs.plan import Plan
from dwlt.spec import Experiment


def of_frontiers(experiment: Experiment, runs: Path) -> tuple[Plan, bool]:
    """What an experiment with strategy = "frontier" has asked for so far, and its controls.

    Returns:
        The plan, and whether every search has ended, so that no more will be asked for.

    Raises:
        As ``asked_so_far``.
    """
    plans, ended = [], True
    for target in targets(experiment, runs):
        asked, over = asked_so_far(target)
        plans.append(target.plan(asked.cells))
        ended = ended and over
    # Controls are transferred whole, at the rounds that the grid names.
    plans.append(Plan.of(experiment, runs, tickets=False))
    return joined(plans), ended
