"""``dwlt prune``"""

from __future__ import annotations

from typing import Any

import click

from dwlt.cli.options import (
    Settings,
    given_weights,
    grid_options,
    search_options,
    sharing,
    working,
)


@click.command()
@click.option("--rounds", type=click.IntRange(1, 1000), help="Pruning rounds. Default: 20.")
@click.option(
    "--rate",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Share of the remaining convolution weights removed per round. Default: 0.2.",
)
@click.option(
    "--on",
    metavar="TASK",
    help='What rounds train on: "source", "downstream", or a downstream task by name. '
    "Default: the config's, usually source.",
)
@click.option(
    "--rewind",
    type=click.Choice(["pretrained", "none"]),
    help="Weights that each round starts from: the pre-trained ones, or those that the round "
    "before ended with. Default: the config's, usually pretrained.",
)
@click.option(
    "--rewind-epoch",
    type=click.IntRange(1, 100_000),
    metavar="K",
    help="Rewind to the weights after epoch K of the first round's training.",
)
@sharing(*search_options, *grid_options)
@working
def command(
    settings: Settings,
    rounds: int | None,
    rate: float | None,
    on: str | None,
    rewind: str | None,
    rewind_epoch: int | None,
    method: str | None,
    regime: str | None,
    pretrain_regime: str | None,
    weights: str | None,
    keep_going: bool,
    retry_failed: bool,
) -> None:
    """Find tickets, by iterative magnitude pruning or as a control.

    Each round trains the network under the last mask, removes RATE of the remaining convolution
    weights by global magnitude, and rewinds the others to their pre-trained values. Pre-trains
    first when that is still missing. Round 6 is 73.79% sparse, round 10 89.26%, round 20 98.85%.

    \b
    --method says how tickets are made:
      imp               iterative magnitude pruning, as above
      oneshot           trained once, then cut to the sparsity of each round
      random            drawn from all weights
      layerwise-random  the same share of each layer, drawn
      shuffled          as many weights of each layer as imp keeps, at other places
      reinit            the masks of imp on newly initialised weights

    A config with a [grid] has all its searches done, which the options narrow down.

    \b
    Examples:
      dwlt prune --rounds 20
      dwlt prune --regime standard --pretrain-regime standard
      dwlt prune --method shuffled --rounds 10
      dwlt prune --on downstream --rewind-epoch 2
      dwlt prune --config my.toml --weights resnet18.safetensors
    """
    if rewind is not None and rewind_epoch is not None:
        raise click.UsageError("--rewind and --rewind-epoch exclude each other")
    from dwlt.cli.session import session
    from dwlt.cli.show import emit_json
    from dwlt.plan import Plan
    from dwlt.spec import narrowed
    from dwlt.stages import grid, prune

    named = on not in (None, "source", "downstream")
    experiment = settings.experiment(
        prune__rounds=rounds,
        prune__rate=rate,
        prune__on="downstream" if named else on,
        downstream__task=on if named else None,
        prune__method=method,
        prune__regime=regime,
        prune__rewind=rewind_epoch if rewind is None else rewind,
        pretrain__regime=pretrain_regime,
        pretrain__weights=given_weights(weights, pretrain_regime),
    )
    experiment = narrowed(
        experiment,
        pretrain=pretrain_regime,
        prune=regime,
        methods=method,
        on="downstream" if named else on,
        tasks=on if named else None,
    )
    with session(settings, experiment.threads) as (context, show):
        plan = Plan.of(experiment, context.runs, cells=False)
        if experiment.grid is None:
            search, last = plan.searches[-1]
            searches = [prune.run(search, context, rounds=last)]
        else:
            grid.walk(plan, context, grid.Policy(keep_going, retry_failed), asked=True)
            searches = [prune.found(search, last) for search, last in plan.searches]
    if settings.as_json:
        values = [{"folder": str(folder), "rounds": results} for folder, results in searches]
        emit_json(values[0] if experiment.grid is None else values)
        return
    for folder, results in searches:
        show.table(f"tickets of {folder.name}", HEAD, rows(results))


HEAD = ("round", "sparsity", "kept", "of", "SA before pruning", "RA", "n", "attack")


def rows(results: list[dict[str, Any]]) -> list[list[str]]:
    """The rounds of a search as lines of a table."""
    from dwlt.cli.cells import score_row
    from dwlt.units import percent

    return [
        [
            str(result["round"]),
            percent(result["kept"], result["total"]),
            f"{result['kept']:,}",
            f"{result['total']:,}",
            *score_row((result["search"] or {}).get("validation")),
        ]
        for result in results
    ]
