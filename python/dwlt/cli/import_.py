"""``dwlt import``"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dwlt.cli.options import REGIME, config_options, data_dir_option, json_option, out_option
from dwlt.cli.streams import echo, others_to_stderr

if TYPE_CHECKING:
    from dwlt.checkpoints.importing import Imported
    from dwlt.spec import ModelSpec, Regime


@click.command("import")
@click.argument("source", metavar="FILE|torchvision:NAME[:WEIGHTS]|hub:ORG/NAME[@REV]")
@out_option
@click.option("--model", metavar="NAME", help="The network in FILE. Default: the config's.")
@click.option(
    "--zoo",
    metavar="robustbench[:DATASET/THREAT/NAME]",
    help="Take the network, its normalisation and what to leave out from what this library says "
    "of FILE. Default of the name: where FILE lies, as in models/cifar10/Linf/NAME.pt.",
)
@config_options[0]
@config_options[1]
@click.option(
    "--num-classes",
    metavar="N",
    type=click.IntRange(2),
    help="Refuse a head of any other size. Default: the file decides.",
)
@click.option("--channels", type=click.Choice(["1", "3"]), help="Of its images. Default: FILE's.")
@click.option(
    "--size",
    metavar="N",
    type=click.IntRange(4, 1024),
    help="Pixels of its images. Default: 224, or 32 for networks for small images.",
)
@click.option(
    "--on",
    "task",
    metavar="TASK",
    help="Name the classes as this task does, e.g. imagefolder:imagenet. Default: numbers.",
)
@data_dir_option
@click.option(
    "--mean",
    metavar="A,B,C",
    help="What FILE's images were normalised with, in units of pixels in [0, 1], where the file "
    "does not say. One value counts for all channels.",
)
@click.option("--std", metavar="A,B,C", help="Its standard deviation, like --mean.")
@click.option(
    "--entry", metavar="NAME", help="Which state dict in FILE, e.g. state_dict_ema. Default: found."
)
@click.option(
    "--prefix", metavar="TEXT", help="What stands before the names in FILE. Default: found."
)
@click.option(
    "--ignore",
    multiple=True,
    metavar="NAME",
    help="Leave out a tensor of FILE, or all below NAME. Repeatable.",
)
@click.option(
    "--regime",
    metavar="NAME",
    type=REGIME,
    help="How the weights were trained: reports then say so.",
)
@json_option
def command(
    source: str,
    out: Path,
    model: str | None,
    zoo: str | None,
    config: str | None,
    changes: tuple[str, ...],
    num_classes: int | None,
    channels: str | None,
    size: int | None,
    task: str | None,
    data_dir: Path,
    mean: str | None,
    std: str | None,
    entry: str | None,
    prefix: str | None,
    ignore: tuple[str, ...],
    regime: Regime | None,
    as_json: bool,
) -> None:
    """Make a model file of a published checkpoint, or of torchvision's published weights.

    hub:ORG/NAME is a repository of the Hugging Face hub; the commit that was taken is said, and
    hub:ORG/NAME@COMMIT takes it again. Needs dwlt[hub].

    FILE is what torch.save wrote, or safetensors (or the .index.json of several). Known layouts
    are undone: wrappers (state_dict, model, net, ...), prefixes (module., model.,
    attacker.model.), averages (state_dict_ema, model_ema), and a normalisation beside the network
    (normalizer, normalize, mu and sigma) moves into the model. No code from the file is run. Every
    tensor must find its place, and every place its tensor; else nothing is written.

    Checkpoints name no classes, so they are numbered: `dwlt prune --weights` then takes any task
    with as many classes and relies on their order (torchvision's ImageNet networks have the order
    of the sorted folder names).

    \b
    Examples:
      dwlt import torchvision:resnet50:IMAGENET1K_V1 -o standard.safetensors
      dwlt import l4.pt --model resnet50 --regime adversarial -o my.safetensors
      dwlt import Wong2020Fast.pt --zoo robustbench \\
        -o my.safetensors
      dwlt import a.pth --model resnet18-32 --mean 0.5 --std 0.2 -o my.safetensors
    """
    from dwlt.checkpoints import Choice
    from dwlt.checkpoints.importing import TORCHVISION, ImportRequest, checked, load
    from dwlt.checkpoints.robustbench import published
    from dwlt.models.files import digest_of, model_bytes
    from dwlt.outputs import require_other, write_file

    require_other(out, Path(source))
    if source.startswith(TORCHVISION):
        given = {
            "--model": model,
            "--zoo": zoo,
            "--mean": mean,
            "--std": std,
            "--set": changes,
            "--entry": entry,
            "--prefix": prefix,
            "--ignore": ignore,
        }
        _require_none(source, [name for name, value in given.items() if value])
    below = None
    if zoo is not None:
        others = {"--model": model, "--config": config, "--set": changes}
        others |= {"--mean": mean, "--std": std}
        twice = [name for name, value in others.items() if value]
        if twice:
            raise click.UsageError(f"--zoo says what {', '.join(twice)} would say: leave one out")
        found = published(zoo, source)
        model, below, ignore = found.model, found.below, (*found.ignore, *ignore)
        mean, std = (",".join(map(str, values)) for values in (found.mean, found.std))
    spec = _network(source, model, config, changes, mean, std)
    wanted = ImportRequest(
        choice=Choice(entry, prefix, ignore, below),
        num_classes=num_classes,
        classes=None if task is None else _classes(task, data_dir),
        channels=None if channels is None else int(channels),
        size=size,
        regime=regime,
    )
    with others_to_stderr():
        imported = checked(load(source, spec, wanted))
        content = model_bytes(imported.model, imported.blueprint)
    if wanted.classes is not None and not imported.blueprint.named:
        raise click.UsageError(
            f"--on {task} has {len(wanted.classes)} classes, the head in {source} "
            f"{len(imported.blueprint.classes)}"
        )
    write_file(out, content)
    # Of the model and not of the file: a pipe or a device cannot be read again.
    _tell(imported, out, digest_of(imported.model), as_json)


def _require_none(source: str, given: list[str]) -> None:
    """Refuse options about a file, where there is none."""
    if given:
        raise click.UsageError(
            f"{source} says itself which network it is and how its images are normalised, and "
            f"takes no {', '.join(given)}"
        )


def _network(
    source: str,
    model: str | None,
    config: str | None,
    changes: tuple[str, ...],
    mean: str | None,
    std: str | None,
) -> ModelSpec:
    """The network that the options name, without published weights of its own."""
    from dwlt.errors import SpecError
    from dwlt.spec import load_experiment

    if not (model or config or changes or source.startswith("torchvision:")):
        raise SpecError(
            f"nothing says which network {source} holds",
            hint="give --model, e.g. --model resnet50, --zoo, or --config with its [model]",
        )
    if (mean is None) != (std is None):
        raise click.UsageError("--mean and --std belong together")
    named = {"model.name": model, "model.mean": _numbers(mean), "model.std": _numbers(std)}
    given: dict[str, Any] = {key: one for key, one in named.items() if one is not None}
    return load_experiment(config, changes, given).model.model_copy(update={"weights": None})


def _numbers(text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise click.UsageError(
            f"{text!r} is not one number per channel: 0.485,0.456,0.406"
        ) from error


def _classes(task: str, data_dir: Path) -> tuple[str, ...]:
    from dwlt.data import class_names
    from dwlt.spec import TaskSpec

    return class_names(TaskSpec(task=task), data_dir=data_dir)


def _tell(imported: Imported, out: Path, digest: str, as_json: bool) -> None:
    from dwlt.cli.show import emit_json

    blueprint = imported.blueprint
    if as_json:
        values = {key: one for key, one in blueprint.values().items() if key != "classes"}
        classes = {"num_classes": len(blueprint.classes), "named": blueprint.named}
        emit_json({"out": str(out), "weights": digest, **imported.origin, **values, **classes})
        return
    for note in imported.notes:
        echo(f"  {note}", err=True)
    count = f"{len(blueprint.classes)} classes{'' if blueprint.named else ', numbered'}"
    echo(f"{out}: {blueprint.model.name}, {count}, {digest}", err=True)
