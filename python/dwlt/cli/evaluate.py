"""``dwlt evaluate``"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dwlt.cli.options import Settings, mask_file, working

if TYPE_CHECKING:
    from dwlt.spec import AttackSpec, Experiment
    from dwlt.stages.threats import Named

PGD_ONLY = ("step", "restarts", "any_iterate")
"""Options that AutoAttack, which has no settings, does not take."""


@click.command()
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--on", "task", metavar="TASK", help="Default: the task of the run that MODEL lies in."
)
@click.option(
    "--attack",
    default="pgd-20",
    show_default=True,
    metavar="NAME",
    help="pgd-K, fgsm, autoattack, one or more of its attacks (apgd-ce, apgd-t, fab-t, square; "
    "joined with +), or none (SA only).",
)
@click.option(
    "--eps",
    metavar="A/B",
    help='Attack radius, e.g. "8/255". Default: the --config\'s, else that of the run that MODEL '
    "lies in.",
)
@click.option("--norm", type=click.Choice(["linf", "l2"]), help="Default: as --eps.")
@click.option("--step", metavar="A/B", help="PGD's step. Default: a quarter of --eps.")
@click.option(
    "--restarts",
    metavar="N",
    type=click.IntRange(1, 1000),
    help="PGD: independent tries per sample.",
)
@click.option("--any", "any_iterate", is_flag=True, help="PGD: judge any point on the way.")
@click.option(
    "--prefilter", is_flag=True, help="Run PGD-20 before AutoAttack: faster, and labelled so."
)
@click.option(
    "--samples",
    metavar="N",
    type=click.IntRange(1),
    help="Only N test images, class-balanced and seeded; results say so.",
)
@click.option("--eps-sweep", "sweep", is_flag=True, help="RA from eps/4 to where all is in reach.")
@click.option(
    "--corruptions",
    metavar="builtin|DIR",
    help="SA on corrupted images, severities 1-5: computed here, or a folder like CIFAR-10-C.",
)
@click.option(
    "--from",
    "source",
    metavar="MODEL",
    type=click.Path(exists=True, path_type=Path),
    help="Make the attack (pgd-K or fgsm) on this other model.",
)
@click.option("--mask", type=mask_file, help="Lay a ticket's masks on the weights first.")
@working
def command(settings: Settings, model: Path, **options: Any) -> None:
    """Measure SA and RA of MODEL, a model file or a run folder, on the test images of a task.

    The result file holds SA, RA after each attack and in the worst case, n, 95% intervals, and
    which attack broke each sample. Killed anywhere, the same command goes on.

    \b
    Examples:
      dwlt evaluate runs/pretrain/digits-4e5f6a7b --attack pgd-50
      dwlt evaluate runs/pretrain/digits-4e5f6a7b --attack autoattack --eps 0.1
      dwlt evaluate my.safetensors --on cifar10 --attack autoattack --samples 1000
      dwlt evaluate my.safetensors --attack none --corruptions builtin
    """
    from dwlt.cli.evaluated import figures, show_result
    from dwlt.cli.session import session
    from dwlt.cli.show import emit_json
    from dwlt.models.files import find_model
    from dwlt.stages import evaluate
    from dwlt.stages.threats import read_name

    named = read_name(options["attack"])
    _require_fitting(named, options)
    # From weakest to strongest word: the run's own attack, a config's, --set, the other options.
    file = find_model(model)
    own = evaluate.attack_of(file) if settings.config is None else {}
    experiment = settings.experiment(under=own, **_changes(named, options))
    if options["task"] is None and evaluate.task_of(file) is not None:
        _require_no_images(settings, file)
    score = experiment.scoring()
    if settings.seed is not None:
        score = score.model_copy(update={"seed": settings.seed})
    score = score.model_copy(update={"attack": _attack(experiment, named, options)})
    wanted = evaluate.EvaluationRequest(
        score=score,
        suite=() if named is None else named.suite,
        prefilter=options["prefilter"],
        sweep=options["sweep"],
        samples=options["samples"],
        corruptions=options["corruptions"],
        mask=options["mask"],
        source=options["source"],
    )
    with session(settings, experiment) as (context, show):
        folder, result = evaluate.run(
            experiment, wanted, file, context, own_task=options["task"] is None
        )
    drawn = figures(folder, result)
    if settings.as_json:
        emit_json({"folder": str(folder), "result": result.values()})
        return
    show_result(show, folder, result, drawn)


def _require_no_images(settings: Settings, file: Path) -> None:
    """Refuse changes of images that are not looked at, because the run of MODEL says which are."""
    for change in settings.changes:
        if change.strip().startswith("downstream."):
            raise click.UsageError(
                f"--set {change} changes nothing here: the images are those of the run in "
                f"{file.parent}. Name a task with --on"
            )


def _require_fitting(named: Named | None, options: dict[str, Any]) -> None:
    """Refuse options that the attack does not have."""
    given = [name for name in PGD_ONLY if options[name]]
    if named is None:
        given += [n for n in ("eps", "norm", "sweep", "source", "prefilter") if options[n]]
        if given:
            raise click.UsageError(f"--attack none takes no {_spelled(given)}: it measures SA only")
        return
    if options["restarts"] and not named.random_start:
        raise click.UsageError("fgsm starts at the image itself, so --restarts would repeat it")
    if options["sweep"] and options["source"] is not None:
        raise click.UsageError(
            "--eps-sweep attacks MODEL itself, and --from another model; ask for them one by one"
        )
    if named.suite and given:
        raise click.UsageError(
            f"AutoAttack has no settings but --eps and --norm, and takes no {_spelled(given)}"
        )
    if named.suite and options["source"] is not None:
        raise click.UsageError("--from makes the attack with pgd-K or fgsm")
    if options["prefilter"] and not named.suite:
        raise click.UsageError("--prefilter goes before AutoAttack; name --attack autoattack")
    if options["norm"] is not None:
        missing = [name for name in ("eps", "step") if options[name] is None]
        if missing and not (named.suite and missing == ["step"]):
            raise click.UsageError(
                "--norm needs --eps and --step: a radius means another thing there"
            )


def _spelled(names: list[str]) -> str:
    flags = {"any_iterate": "--any", "sweep": "--eps-sweep", "source": "--from"}
    return ", ".join(flags.get(name, f"--{name}") for name in names)


def _changes(named: Named | None, options: dict[str, Any]) -> dict[str, Any]:
    """What the options change in the experiment."""
    from dwlt.units import parse_fraction

    eps, step = options["eps"], options["step"]
    if eps is not None and step is None:
        # A quarter of the radius, as the presets have it: a step must fit its ball.
        step = str(parse_fraction(eps) / 4)
    changes = {
        "downstream__task": options["task"],
        "attack__evaluate__eps": eps,
        "attack__evaluate__step": step,
        "attack__evaluate__norm": options["norm"],
        "attack__evaluate__restarts": options["restarts"],
        "attack__evaluate__iterate": "any" if options["any_iterate"] else None,
        "attack__evaluate__steps": None if named is None else named.steps,
    }
    if named is not None and named.steps == 1 and not named.random_start:
        changes["attack__evaluate__random_start"] = False
    return {name: value for name, value in changes.items() if value is not None}


def _attack(
    experiment: Experiment, named: Named | None, options: dict[str, Any]
) -> AttackSpec | None:
    """The attack of this evaluation; of AutoAttack, the ball."""
    from dwlt.stages.threats import ball_of
    from dwlt.units import Eps

    if named is None:
        return None
    attack = experiment.attack.evaluate
    if named.suite:
        return ball_of(attack)
    if named.steps == 1 and not named.random_start and options["step"] is None:
        # FGSM is one step to the border of the ball.
        return attack.model_copy(update={"step": Eps(attack.eps)})
    return attack
