"""``dwlt pretrain``"""

from __future__ import annotations

import click

from dwlt.cli.options import Settings, working


@click.command()
@click.option(
    "--regime",
    type=click.Choice(["standard", "fast", "adversarial"]),
    help="standard: clean images; fast: FGSM with random start; adversarial: PGD. "
    "Default: the config's.",
)
@working
def command(settings: Settings, regime: str | None) -> None:
    """Train the whole network on the source task.

    The other commands do this first when it is still missing.

    \b
    Examples:
      dwlt pretrain
      dwlt pretrain --regime standard
      dwlt pretrain --config my.toml --set pretrain.train.epochs=60
    """
    from dwlt.cli.session import session
    from dwlt.cli.show import emit_json
    from dwlt.stages import pretrain

    experiment = settings.experiment(pretrain__regime=regime)
    with session(settings, experiment.threads) as (context, show):
        folder, result = pretrain.run(experiment.pretrain_spec(), context)
    if settings.as_json:
        emit_json({"folder": str(folder), "result": result})
        return
    from dwlt.cli.cells import score_row

    show.table(
        "",
        ["pre-training", "regime", "split", "SA", "RA", "n", "attack"],
        [
            [folder.name, result["regime"], split, *score_row(result[split])]
            for split in ("validation", "test")
        ],
        left=3,
    )
