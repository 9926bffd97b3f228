"""``dwlt pretrain``"""

from __future__ import annotations

from dataclasses import replace

import click

from dwlt.cli.options import REGIME, REGIME_HELP, Settings, dry_run_option, sharing, working
from dwlt.errors import UserError


@click.command()
@click.option(
    "--regime",
    metavar="NAME",
    type=REGIME,
    help=f"{REGIME_HELP} Default: the config's.",
)
@sharing(dry_run_option)
@working
def command(settings: Settings, regime: str | None, dry_run: bool) -> None:
    """Train the whole network on the source task.

    The other commands do this first when it is still missing. A config with a [grid] has all its
    pre-trainings done.

    \b
    Examples:
      dwlt pretrain
      dwlt pretrain --regime standard
      dwlt pretrain --regime trades --set pretrain.trades.options.beta=3
      dwlt pretrain --config my.toml --set pretrain.train.epochs=60
    """
    from dwlt.cli import costs
    from dwlt.cli.session import session
    from dwlt.cli.show import emit_json
    from dwlt.runs.context import Context
    from dwlt.runs.plan import Plan
    from dwlt.spec import narrowed
    from dwlt.stages import pretrain

    experiment = narrowed(settings.experiment(pretrain__regime=regime), pretrain=regime)

    def plan_of(context: Context) -> Plan:
        return replace(Plan.of(experiment, context.runs, cells=False), searches=())

    if dry_run:
        costs.dry_run(settings, experiment, plan_of)
        return
    with session(settings, experiment) as (context, show):
        plan = plan_of(context)
        trained = [
            pretrain.run(each.spec, context) for each in plan.pretrainings if each.given is None
        ]
    if not trained:
        raise UserError(
            "the config gives pre-trained weights, so there is nothing to train",
            hint="remove pretrain.weights, or go on with `dwlt prune`",
        )
    if settings.as_json:
        values = [{"folder": str(folder), "result": result.values()} for folder, result in trained]
        emit_json(values[0] if experiment.grid is None else values)
        return
    from dwlt.cli.cells import score_row

    show.table(
        "",
        ["pre-training", "regime", "split", "SA", "RA", "n", "attack"],
        [
            [folder.name, result.regime, split, *score_row(score)]
            for folder, result in trained
            for split, score in (("validation", result.validation), ("test", result.test))
        ],
        left=3,
    )
