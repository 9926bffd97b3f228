"""``dwlt prune``"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dwlt.cli.options import Settings, dry_run_option, grid_options, sharing, working
from dwlt.cli.search import SearchOptions, fraction_option, searching

if TYPE_CHECKING:
    from dwlt.results import PruneRound


@click.command()
@click.option(
    "--rounds",
    metavar="N",
    type=click.IntRange(1, 1000),
    help="Pruning rounds. Default: the config's, usually 20.",
)
@fraction_option("With --on downstream: share of that task's training images.")
@searching
@sharing(*grid_options, dry_run_option)
@working
def command(
    settings: Settings,
    rounds: int | None,
    search: SearchOptions,
    keep_going: bool,
    retry_failed: bool,
    dry_run: bool,
) -> None:
    """Find tickets, by iterative magnitude pruning, another criterion, or as a control.

    Each round trains the network under the last mask, removes RATE of the remaining prunable
    weights by global magnitude, and rewinds the others to their pre-trained values. Pre-trains
    first when that is still missing. Round 6 is 73.79% sparse, round 10 89.26%, round 20 98.85%.

    \b
    --method says how tickets are made:
      imp               iterative magnitude pruning, as above
      oneshot           trained once, then cut to the sparsity of each round
      hydra             scores trained under the regime, on pre-trained weights
      random            drawn from all weights
      layerwise-random  the same share of each layer, drawn
      shuffled          as many weights of each layer as imp keeps, elsewhere
      reinit            the masks of imp on newly initialised weights

    A config with a [grid] has all its searches done, which the options narrow down.

    \b
    Examples:
      dwlt prune --rounds 20
      dwlt prune --regime standard --pretrain-regime standard
      dwlt prune --method shuffled --rounds 10
      dwlt prune --method oneshot --criterion snip --set prune.train.epochs=0
      dwlt prune --method random --scope erk
      dwlt prune --scope 2:4 --rounds 1
      dwlt prune --on downstream --rewind-epoch 2
      dwlt prune --config my.toml --weights resnet18.safetensors
    """
    from dwlt.cli import costs
    from dwlt.cli.session import session
    from dwlt.cli.show import emit_json
    from dwlt.grid import walk as grid
    from dwlt.runs.plan import Plan
    from dwlt.spec import at_rounds, searched_on
    from dwlt.stages import prune

    experiment = search.experiment(settings, prune__rounds=rounds)
    if rounds is not None:
        experiment = at_rounds(experiment, range(rounds + 1))
    if search.fraction is not None and "downstream" not in searched_on(experiment):
        raise click.UsageError(
            "--fraction is a share of the downstream task's images, and nothing here is searched "
            "on that task; add --on downstream, or give --fraction to `dwlt transfer`"
        )
    if dry_run:
        costs.dry_run(settings, experiment, lambda one: Plan.of(experiment, one.runs, cells=False))
        return
    with session(settings, experiment) as (context, show):
        plan = Plan.of(experiment, context.runs, cells=False)
        if experiment.grid is None:
            # A control's own search comes before it.
            wanted, last = plan.searches[-1]
            searches = [prune.run(wanted, context, rounds=last)]
        else:
            grid.walk(plan, context, grid.Policy(keep_going, retry_failed), asked=True)
            searches = [prune.found(each, last) for each, last in plan.searches]
    if settings.as_json:
        values = [
            {"folder": str(folder), "rounds": [one.values() for one in results]}
            for folder, results in searches
        ]
        emit_json(values[0] if experiment.grid is None else values)
        return
    for folder, results in searches:
        show.table(f"tickets of {folder.name}", HEAD, rows(results))


HEAD = ("round", "sparsity", "kept", "of", "SA before pruning", "RA", "n", "attack")


def rows(results: list[PruneRound]) -> list[list[str]]:
    """The rounds of a search as lines of a table."""
    from dwlt.cli.cells import score_row
    from dwlt.units import sparsity_text

    return [
        [
            str(result.round),
            sparsity_text(result.kept, result.total),
            f"{result.kept:,}",
            f"{result.total:,}",
            *score_row(result.validation),
        ]
        for result in results
    ]
