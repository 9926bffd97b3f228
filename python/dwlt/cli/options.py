"""Options that several commands share, each spelled once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dwlt.cli import devices
from dwlt.cli.paths import Folder, OutFile
from dwlt.cli.streams import echo, on_terminal
from dwlt.trackers import NAMES

if TYPE_CHECKING:
    from dwlt.ranks import Group
    from dwlt.spec import Experiment

F = TypeVar("F", bound=Callable[..., Any])


class Workers(click.ParamType[int | None]):
    """A number of processes, or "auto" (None)."""

    name = "workers"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | None:
        return None if value == "auto" else click.IntRange(0, 256).convert(value, param, ctx)


class ConfigOption(click.Option):
    """``--config``, whose help names the embedded default, read only when help is asked for."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        from dwlt.spec import DEFAULT_PRESET

        record = super().get_help_record(ctx)
        return record and (record[0], f"{record[1]} Default: {DEFAULT_PRESET}.")


runs_option = click.option(
    "--runs",
    type=Folder(text=True),
    default=Path("runs"),
    show_default=True,
    envvar="DWLT_RUNS",
    help="Folder that holds all runs.",
)


class RegimeName(click.ParamType):  # type: ignore[type-arg]
    """The name of a regime, of dwlt or of an installed package; checked without importing it."""

    name = "regime"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from dwlt.errors import UserError
        from dwlt.spec import require_regime

        try:
            return require_regime(value)
        except UserError as error:
            self.fail(f"{error}; {error.hint}", param, ctx)


REGIME = RegimeName()
REGIME_HELP = (
    "standard: clean images; fast: FGSM with random start; adversarial: PGD; trades; mart; free; "
    "NAME-awp: one of them under adversarial weight perturbation; or an installed package's."
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
engine_options = (
    click.option(
        "--engine",
        metavar="local|ray|slurm",
        default="local",
        show_default=True,
        help="Where the runs are computed: in this process, on a Ray cluster, or as Slurm jobs.",
    ),
    click.option(
        "--engine-option",
        "engine_settings",
        metavar="NAME=VALUE",
        multiple=True,
        help="Ray: address, cpus, gpus. Slurm: minutes, parallel, and whatever sbatch takes, such "
        "as partition. Repeatable.",
    ),
    click.option(
        "--cpus-per-task",
        metavar="N",
        type=click.IntRange(1, 4096),
        default=1,
        show_default=True,
        help="Cores of each run on an engine.",
    ),
    click.option(
        "--gpus-per-task",
        metavar="N",
        type=click.IntRange(0, 64),
        help="GPUs of each run on an engine. Default: one where there are any.",
    ),
)
dry_run_option = click.option(
    "--dry-run",
    is_flag=True,
    help="Say what it will cost, from a few timed steps, and do nothing.",
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
judging_options = (
    click.option(
        "--config",
        "-c",
        metavar="PRESET|FILE",
        envvar="DWLT_CONFIG",
        help="The config whose [verdict] judges. Default: margins by the number of test images.",
    ),
    click.option(
        "--set",
        "changes",
        multiple=True,
        metavar="KEY=VALUE",
        help="Change how to judge, e.g. --set verdict.margin_sa=1. Repeatable.",
    ),
)
config_options = (
    click.option(
        "--config",
        "-c",
        metavar="PRESET|FILE",
        envvar="DWLT_CONFIG",
        cls=ConfigOption,
        help="A preset's name (see `dwlt presets`) or a TOML file.",
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
        "--devices",
        metavar="N",
        type=click.IntRange(1, 1024),
        help="Compute on N devices of this machine together: N GPUs, or N processes on the CPU. "
        "Several machines: start this command under torchrun.",
    ),
    click.option(
        "--workers",
        metavar="auto|N",
        type=Workers(),
        default="auto",
        show_default=True,
        help="Processes that read images of sets too large for memory; auto: one less than cores.",
    ),
    click.option(
        "--tracker",
        "trackers",
        type=click.Choice(NAMES),
        multiple=True,
        help="Tell a tracker of every epoch; its files go below --runs. Repeatable.",
    ),
    json_option,
    quiet_option,
)


@dataclass(frozen=True)
class Settings:
    """What the shared options of a working command said."""

    config: str | None
    changes: tuple[str, ...]
    seed: int | None
    runs: Path
    data_dir: Path
    device: str
    workers: int | None
    as_json: bool
    quiet: bool
    trackers: tuple[str, ...] = ()
    devices: int | None = None

    def group(self) -> Group | None:
        """The other processes that this command computes with, joined; None: it is alone."""
        from dwlt.cli.devices import started

        if not started():
            return None
        from dwlt.ranks import joined

        return joined(self.device)

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
        if (code := devices.elsewhere(settings)) is not None:
            return code
        if not settings.quiet:
            tell_loading()
        return function(settings=settings, **arguments)

    decorated: Callable[..., Any] = inner
    for option in reversed((*config_options, *work_options)):
        decorated = option(decorated)
    return decorated
