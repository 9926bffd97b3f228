"""Options that several commands share, each spelled once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dwlt.cli.paths import Folder, OutFile
from dwlt.cli.streams import echo, on_terminal

if TYPE_CHECKING:
    from dwlt.spec import Experiment

F = TypeVar("F", bound=Callable[..., Any])

runs_option = click.option(
    "--runs",
    type=Folder(text=True),
    default=Path("runs"),
    show_default=True,
    envvar="DWLT_RUNS",
    help="Folder that holds all runs.",
)
REGIMES = click.Choice(["standard", "fast", "adversarial"])
pretrain_options = (
    click.option(
        "--pretrain-regime",
        type=REGIMES,
        help="Which pre-training to start from. Default: the config's.",
    ),
    click.option(
        "--weights",
        metavar="FILE|torchvision:NAME",
        help="Start from these pre-trained weights instead of pre-training: a model file, a run "
        "folder, or any checkpoint that `dwlt import` reads. Where its classes have no names, "
        "only their number must be that of the task.",
    ),
)
search_options = (
    click.option(
        "--rate",
        metavar="SHARE",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        help="Share of the remaining convolution weights removed per round. Default: the "
        "config's, usually 0.2.",
    ),
    click.option(
        "--on",
        metavar="TASK",
        help='What pruning rounds train on: "source", "downstream", or a downstream task by name. '
        "Default: the config's, usually source.",
    ),
    click.option(
        "--rewind",
        type=click.Choice(["pretrained", "none"]),
        help="Weights that each pruning round starts from: the pre-trained ones, or those that "
        "the round before ended with. Default: the config's, usually pretrained.",
    ),
    click.option(
        "--rewind-epoch",
        type=click.IntRange(1, 100_000),
        metavar="K",
        help="Rewind to the weights after epoch K of the first pruning round's training.",
    ),
    click.option(
        "--method",
        type=click.Choice(["imp", "oneshot", "random", "layerwise-random", "shuffled", "reinit"]),
        help="How tickets are made: imp, iterative magnitude pruning; or a control. "
        "Default: the config's.",
    ),
    click.option(
        "--regime",
        type=REGIMES,
        help="How a pruning round is trained (the transfer's own regime is --adv or not). "
        "Default: the config's.",
    ),
    *pretrain_options,
)
grid_options = (
    click.option(
        "--keep-going/--fail-fast",
        default=False,
        help="After a failure, do everything else first, or stop at once (default).",
    ),
    click.option(
        "--retry-failed",
        is_flag=True,
        help="With --keep-going: try again what failed before, instead of leaving it alone.",
    ),
)
mask_file = click.Path(exists=True, dir_okay=False, path_type=Path)
out_option = click.option(
    "--out",
    "-o",
    type=OutFile(),
    required=True,
    help="The file to write.",
)
data_dir_option = click.option(
    "--data-dir",
    type=Folder(),
    default=Path("data"),
    show_default=True,
    envvar="DWLT_DATA",
    help="Folder of data sets; downloads go there.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Data to stdout as JSON.")
quiet_option = click.option("--quiet", "-q", is_flag=True, help="Say nothing but errors.")
config_options = (
    click.option(
        "--config",
        "-c",
        metavar="PRESET|FILE",
        envvar="DWLT_CONFIG",
        help="A preset's name (see `dwlt presets`) or a TOML file. Default: digits.",
    ),
    click.option(
        "--set",
        "changes",
        multiple=True,
        metavar="KEY=VALUE",
        help="Change one setting, e.g. --set prune.train.epochs=10. Repeatable.",
    ),
    click.option(
        "--seed", metavar="N", type=int, help="Seed of everything random (default: the config's)."
    ),
)
work_options = (
    runs_option,
    data_dir_option,
    click.option(
        "--device",
        metavar="DEVICE",
        default="auto",
        show_default=True,
        help="auto, cpu, cuda or cuda:i.",
    ),
    click.option(
        "--workers",
        metavar="N",
        type=click.IntRange(0, 256),
        default=0,
        show_default=True,
        help="Processes that read images of sets too large for memory.",
    ),
    json_option,
    quiet_option,
)


@dataclass(frozen=True)
class Search:
    """What the options of a search said; see ``search_options``."""

    rate: float | None
    on: str | None
    rewind: str | None
    rewind_epoch: int | None
    method: str | None
    regime: str | None
    pretrain_regime: str | None
    weights: str | None

    @property
    def task(self) -> str | None:
        """The downstream task that ``--on`` names, if it names one."""
        return None if self.on in ("source", "downstream") else self.on

    def overrides(self) -> dict[str, Any]:
        """The same as overrides of a config.

        Raises:
            UsageError: options exclude each other.
        """
        if self.rewind is not None and self.rewind_epoch is not None:
            raise click.UsageError("--rewind and --rewind-epoch exclude each other")
        weights: str | dict[str, str] | None = self.weights
        if self.weights is not None and self.pretrain_regime is not None:
            weights = {self.pretrain_regime: self.weights}
        return {
            "prune__rate": self.rate,
            "prune__on": self._on,
            "prune__method": self.method,
            "prune__regime": self.regime,
            "prune__rewind": self.rewind_epoch if self.rewind is None else self.rewind,
            "pretrain__regime": self.pretrain_regime,
            "pretrain__weights": weights,
        }

    def experiment(
        self, settings: Settings, *, task: str | None, fraction: float | None, **overrides: Any
    ) -> Experiment:
        """The experiment that a command's options describe, its grid narrowed down to them.

        Args:
            task: downstream task that the command was given, else the one that ``--on`` names.
            fraction: of its training images.
            overrides: the command's own dotted keys with ``__``.
        """
        from dwlt.spec import narrowed

        if task is not None and self.task not in (None, task):
            raise click.UsageError(f"--to {task} and --on {self.task} name two downstream tasks")
        task = task or self.task
        found = settings.experiment(
            downstream__task=task,
            downstream__fraction=fraction,
            **self.overrides(),
            **overrides,
        )
        found = narrowed(
            found,
            pretrain=self.pretrain_regime,
            prune=self.regime,
            methods=self.method,
            on=self._on,
            tasks=task,
            fractions=fraction,
        )
        self._require_effect(found)
        return found

    def _require_effect(self, experiment: Experiment) -> None:
        """Refuse options that no search of this experiment would heed.

        Controls made of an imp search heed what that search does.
        """
        from dwlt.spec import OF_A_SEARCH, TRAINED, methods_of

        methods = methods_of(experiment)
        if not set(methods) & {*TRAINED, *OF_A_SEARCH}:
            for name, value in (("--regime", self.regime), ("--on", self.on)):
                if value is not None:
                    raise click.UsageError(
                        f"--method {', '.join(methods)} draws masks and trains nothing, so "
                        f"{name} {value} would change nothing"
                    )
        rewind = self.rewind if self.rewind_epoch is None else self.rewind_epoch
        if rewind is not None and not set(methods) & {"imp", *OF_A_SEARCH}:
            raise click.UsageError(
                f"rewinding belongs to --method imp; {', '.join(methods)} always starts from the "
                "pre-trained weights"
            )

    @property
    def _on(self) -> str | None:
        return self.on if self.task is None else "downstream"


def searching(function: F) -> Callable[..., Any]:
    """Give a command the options of a search, gathered into one ``search`` argument."""

    @wraps(function)
    def inner(**arguments: Any) -> Any:
        values = {name: arguments.pop(name) for name in Search.__dataclass_fields__}
        return function(search=Search(**values), **arguments)

    return sharing(*search_options)(inner)


@dataclass(frozen=True)
class Settings:
    """What the shared options of a working command said."""

    config: str | None
    changes: tuple[str, ...]
    seed: int | None
    runs: Path
    data_dir: Path
    device: str
    workers: int
    as_json: bool
    quiet: bool

    def experiment(self, *, under: Mapping[str, Any] | None = None, **overrides: Any) -> Experiment:
        """The experiment these options describe.

        Args:
            under: dotted keys with ``__`` that ``--set`` may change.
            overrides: the same for options of the command, which come last.
        """
        from dwlt.spec import load_experiment

        given = _dotted(overrides)
        if self.seed is not None:
            given["seed"] = self.seed
        return load_experiment(self.config, self.changes, given, under=_dotted(under or {}))


def _dotted(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key.replace("__", "."): one for key, one in values.items() if one is not None}


def sharing(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Give a command options that it shares with others, in this order."""

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


LOADING = "loading PyTorch ..."


def tell_loading() -> None:
    """Say on a terminal what the first seconds go to. The next line that is shown replaces it."""
    if on_terminal(sys.stderr) and "torch" not in sys.modules:
        echo(LOADING, end="\r", err=True)


def working(function: F) -> Callable[..., Any]:
    """Give a command the shared options, gathered into one ``settings`` argument."""

    @wraps(function)
    def inner(**arguments: Any) -> Any:
        shared = {name: arguments.pop(name) for name in Settings.__dataclass_fields__}
        settings = Settings(**shared)
        if not settings.quiet:
            tell_loading()
        return function(settings=settings, **arguments)

    decorated: Callable[..., Any] = inner
    for option in reversed((*config_options, *work_options)):
        decorated = option(decorated)
    return decorated
