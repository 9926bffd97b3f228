"""``dwlt frontier``"""

from __future__ import annotations

from typing import Any

import click

from dwlt.cli.engines import EngineOptions, on_engine
from dwlt.cli.options import Settings, dry_run_option, sharing, working
from dwlt.cli.search import SearchOptions, downstream_options, searching


@click.command()
@sharing(*downstream_options(only=False))
@click.option(
    "--max-seeds",
    metavar="N",
    type=click.IntRange(3, 100),
    help="The most transfers of one network under one regime. Default: the config's, usually 9.",
)
@searching
@sharing(dry_run_option)
@on_engine
@working
def command(
    settings: Settings,
    max_seeds: int | None,
    search: SearchOptions,
    dry_run: bool,
    engine: EngineOptions,
) -> None:
    """The extreme sparsity with as few transfers as possible.

    Looks for the sparsest ticket that matches the dense network: by bisection over the rounds of
    [verdict], with one seed each, then a test of what looked promising on seeds of its own, which
    are added only while the answer is unclear. Earlier stages that are missing are run first, and
    only as far as they are needed. What it asks for, and why, is recorded under runs/frontier.

    Killed anywhere, the same command goes on and comes to the same end. Several processes may
    search in one runs folder: each transfer is done by one of them.

    \b
    Examples:
      dwlt frontier
      dwlt frontier --pretrain-regime fast --max-seeds 6
      dwlt frontier --config mine.toml --set verdict.rounds=[6,8,10,12]
    """
    from dwlt.cli import costs
    from dwlt.cli.frontiers import show_frontiers, show_verified, verified_values
    from dwlt.cli.session import session
    from dwlt.cli.show import emit_json
    from dwlt.grid import cost
    from dwlt.grid.frontier import find_all
    from dwlt.grid.target import targets
    from dwlt.grid.verify import verify
    from dwlt.grid.walk import Policy

    experiment = search.experiment(settings, verdict__max_seeds=max_seeds)
    if dry_run:
        costs.dry_run(settings, experiment, lambda one: cost.of_frontier(experiment, one))
        return
    with (
        engine.opened() as opened,
        session(settings, experiment) as (context, show),
    ):
        policy = Policy(engine=opened)
        found = find_all(targets(experiment, context.runs), context, policy)
        asked = experiment.verify.attack is not None
        verified = verify(experiment, context, policy, frontier=True) if asked else ()
    if settings.as_json:
        values: list[dict[str, Any]] = [
            {"folder": str(one.folder), "result": one.result.values()} for one in found
        ]
        for value, one in zip(values, verified, strict=False):
            value["verified"] = verified_values(one)
        emit_json(values)
        return
    show_frontiers(show, found)
    show_verified(show, verified)
