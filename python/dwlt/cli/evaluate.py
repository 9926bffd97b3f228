"""``dwlt evaluate``"""

from __future__ import annotations

from pathlib import Path

import click

from dwlt.cli.options import Settings, working


@click.command()
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--on", "task", metavar="TASK", help="Default: the task of the run that MODEL lies in."
)
@click.option(
    "--attack",
    default="pgd-20",
    show_default=True,
    help="pgd-K, fgsm, or none (SA only).",
)
@click.option(
    "--eps",
    metavar="A/B",
    help='Attack radius, e.g. "8/255". Default: that of the run that MODEL lies in.',
)
@click.option("--step", metavar="A/B", help="Step length. Default: a quarter of --eps.")
@click.option("--norm", type=click.Choice(["linf", "l2"]), help="Default: the config's.")
@click.option("--restarts", type=click.IntRange(1, 1000), help="Independent tries per sample.")
@click.option("--any", "any_iterate", is_flag=True, help="Judge any point on the way.")
@working
def command(
    settings: Settings,
    model: Path,
    task: str | None,
    attack: str,
    eps: str | None,
    step: str | None,
    norm: str | None,
    restarts: int | None,
    any_iterate: bool,
) -> None:
    """Score MODEL, a model file or a run folder, on the test images of a task.

    The result file holds SA, RA, n, 95% intervals and the outcome of every sample.

    \b
    Examples:
      dwlt evaluate runs/transfer/digits-0a1b2c3d/best-ra.safetensors --attack pgd-50
      dwlt evaluate runs/pretrain/digits-4e5f6a7b --on digits:0-4 --eps 0.1
    """
    from dwlt.cli.cells import score_row
    from dwlt.cli.session import session
    from dwlt.cli.show import emit_json
    from dwlt.stages import evaluate
    from dwlt.stages.weights import find_model
    from dwlt.units import Eps, parse_fraction

    # From weakest to strongest word: the run's own attack, a config's, this command's options.
    file = find_model(model)
    own = evaluate.attack_of(file) if settings.config is None else {}
    changes = {
        "downstream__task": task,
        "attack__evaluate__eps": eps,
        "attack__evaluate__step": step,
        "attack__evaluate__norm": norm,
        "attack__evaluate__restarts": restarts,
        "attack__evaluate__iterate": "any" if any_iterate else None,
    }
    given = {name: value for name, value in changes.items() if value is not None}
    experiment = settings.experiment(**{**own, **evaluate.attack_changes(attack), **given})
    score = experiment.scoring()
    if settings.seed is not None:
        score = score.model_copy(update={"seed": settings.seed})
    if attack == "none":
        if any(value is not None for value in (eps, step, norm, restarts)):
            raise click.UsageError("--attack none takes no eps, step, norm or restarts")
        score = score.model_copy(update={"attack": None})
    elif norm is not None and (eps is None or step is None):
        raise click.UsageError("--norm needs --eps and --step: a radius means another thing there")
    elif eps is not None and step is None:
        # A quarter of the radius, as the presets have it: a step must fit its ball.
        quarter = str(parse_fraction(eps) / 4)
        attacking = experiment.attack.evaluate.model_copy(update={"step": Eps(quarter)})
        score = score.model_copy(update={"attack": attacking})
    with session(settings, experiment.threads) as (context, show):
        folder, result = evaluate.run(experiment, score, file, context, own_task=task is None)
    if settings.as_json:
        emit_json({"folder": str(folder), "result": result})
        return
    show.table(
        "",
        ["model", "task", "SA", "RA", "n", "attack"],
        [[str(model), result["task"]["name"], *score_row(result["test"])]],
        left=2,
    )
    show.say(f"per-sample outcomes: {folder / 'result.json'}")
