"""``dwlt run``"""

from __future__ import annotations

import click

from dwlt.cli.options import Settings, grid_options, sharing, working
from dwlt.cli.search import SearchOptions, searching


@click.command()
@click.option("--to", "task", metavar="TASK", help="Only this downstream task.")
@click.option(
    "--fraction",
    metavar="SHARE",
    type=click.FloatRange(0, 1, min_open=True),
    help="Only this share of the training images.",
)
@searching
@sharing(*grid_options)
@working
def command(
    settings: Settings,
    task: str | None,
    fraction: float | None,
    search: SearchOptions,
    keep_going: bool,
    retry_failed: bool,
) -> None:
    """Do everything that a config describes: pre-train, prune, transfer under both regimes.

    With a [grid] that is every combination of its lists. What is done is skipped, what was begun
    is continued. Several processes may work on one runs folder, also on several machines that
    share it: each run is done by one of them. `dwlt runs matrix` shows how far it all is.

    \b
    Examples:
      dwlt run --config study-digits --keep-going
      dwlt run --config study-digits --pretrain-regime fast --fraction 0.1
    """
    from dwlt.cli.session import session
    from dwlt.cli.show import emit_json
    from dwlt.grid import walk as grid
    from dwlt.runs.plan import Plan

    experiment = search.experiment(settings, task=task, fraction=fraction)
    with session(settings, experiment.threads) as (context, show):
        plan = Plan.of(experiment, context.runs)
        grid.walk(plan, context, grid.Policy(keep_going, retry_failed), asked=True)
        cells = grid.cells(plan)
    if settings.as_json:
        emit_json([{"folder": str(folder), "result": result} for folder, result in cells])
        return
    show.say(f"{len(plan.searches)} searches and {len(cells)} cells; see `dwlt report`")
