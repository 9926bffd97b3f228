"""``dwlt run``"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dwlt.cli.engines import EngineOptions, on_engine
from dwlt.cli.options import Settings, dry_run_option, grid_options, sharing, working
from dwlt.cli.search import SearchOptions, downstream_options, searching

if TYPE_CHECKING:
    from dwlt.results import RunResult


@click.command()
@sharing(*downstream_options(only=True))
@searching
@sharing(*grid_options, dry_run_option)
@on_engine
@working
def command(
    settings: Settings,
    search: SearchOptions,
    keep_going: bool,
    retry_failed: bool,
    dry_run: bool,
    engine: EngineOptions,
) -> None:
    """Do everything that a config describes: pre-train, prune, transfer under both regimes.

    With a [grid] that is every combination of its lists, or with strategy = "frontier" only what
    finds the extreme sparsity of each. With [verify] the verdict is verified at the end. What is
    done is skipped, what was begun is continued. Several processes may work on one runs folder,
    also on several machines that share it: each run is done by one of them. `dwlt runs matrix`
    shows how far it all is.

    With --engine the runs are tasks on a Ray cluster or jobs of Slurm, and this command waits for
    them: docs/scale.md. The runs folder must be shared with all machines.

    \b
    Examples:
      dwlt run --config study-digits --dry-run
      dwlt run --config study-digits --keep-going
      dwlt run -c study-digits --engine ray --engine-option address=auto
      dwlt run -c mine.toml --engine slurm --engine-option partition=gpu
      dwlt run --config study-digits --pretrain-regime fast --fraction 0.1
    """
    from dwlt.cli import costs
    from dwlt.cli.frontiers import show_frontiers, show_variance, show_verified
    from dwlt.cli.session import session
    from dwlt.cli.show import emit_json
    from dwlt.grid import cost
    from dwlt.grid import walk as grid
    from dwlt.grid.frontier import find_all
    from dwlt.grid.replicates import variance
    from dwlt.grid.target import targets
    from dwlt.grid.verify import verify
    from dwlt.runs.plan import Plan

    experiment = search.experiment(settings)
    cheap = experiment.grid is not None and experiment.grid.strategy == "frontier"
    replicated = experiment.grid is not None and experiment.grid.replicates > 1
    if dry_run:
        costs.dry_run(settings, experiment, lambda context: cost.whole(experiment, context))
        return
    with (
        engine.opened() as opened,
        session(settings, experiment) as (context, show),
    ):
        policy = grid.Policy(keep_going, retry_failed, opened)
        found = find_all(targets(experiment, context.runs), context, policy) if cheap else ()
        plan = Plan.of(experiment, context.runs, tickets=not cheap)
        grid.walk(plan, context, policy, asked=not cheap)
        cells = grid.cells(plan)
        asked = experiment.verify.attack is not None
        verified = verify(experiment, context, policy, frontier=cheap) if asked else ()
    if settings.as_json:
        runs: list[tuple[Path, RunResult]] = [(one.folder, one.result) for one in found]
        emit_json(
            [{"folder": str(at), "result": result.values()} for at, result in (*runs, *cells)]
        )
        return
    show_frontiers(show, found)
    if cells or not cheap:
        show.say(f"{len(plan.searches)} searches and {len(cells)} cells; see `dwlt report`")
    show_variance(show, variance(experiment, settings.runs) if replicated else ())
    show_verified(show, verified)
