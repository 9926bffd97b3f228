"""The options of a search, which every command that needs tickets shares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from dwlt.cli.options import REGIME, REGIME_HELP, F, Settings, sharing

if TYPE_CHECKING:
    from dwlt.spec import Experiment

pretrain_options = (
    click.option(
        "--pretrain-regime",
        metavar="NAME",
        type=REGIME,
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
        help="Share of the remaining prunable weights removed per round. Default: the config's, "
        "usually 0.2.",
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
        type=click.Choice(
            ["imp", "oneshot", "hydra", "random", "layerwise-random", "shuffled", "reinit"]
        ),
        help="How tickets are made: imp, iterative magnitude pruning; or a control. "
        "Default: the config's.",
    ),
    click.option(
        "--criterion",
        metavar="NAME",
        help="What weights are ranked by, of --method imp and oneshot: magnitude, lamp, random, "
        "snip, grasp, synflow, taylor, hydra, or another package's. Default: the config's.",
    ),
    click.option(
        "--scope",
        metavar="SCOPE",
        help="Which weights are ranked together: global, tensor (each layer keeps its share), erk "
        "(Erdos-Renyi-Kernel densities), or a pattern such as 2:4. Default: the config's.",
    ),
    click.option(
        "--regime",
        metavar="NAME",
        type=REGIME,
        help="How a pruning round is trained (the transfer's own regime is --adv or not). "
        f"{REGIME_HELP} Default: the config's.",
    ),
    *pretrain_options,
)


def downstream_options(*, only: bool) -> tuple[Callable[[F], F], ...]:
    """``--to`` and ``--fraction``, for commands that transfer tickets.

    Args:
        only: whether the help says that they leave out the rest of a config's grid.
    """
    task = "Only this downstream task." if only else "Downstream task. Default: the config's."
    part = "Only this share of the training images."
    if not only:
        part = "Share of the training images, class-balanced. Default: the config's, usually 1."
    return click.option("--to", metavar="TASK", help=task), fraction_option(part)


def fraction_option(text: str) -> Callable[[F], F]:
    """``--fraction``, with a command's own words for what it is a share of."""
    share = click.FloatRange(0, 1, min_open=True)
    return click.option("--fraction", metavar="SHARE", type=share, help=text)


@dataclass(frozen=True)
class SearchOptions:
    """What the options of a search said; see ``search_options`` and ``downstream_options``."""

    rate: float | None
    on: str | None
    rewind: str | None
    rewind_epoch: int | None
    method: str | None
    criterion: str | None
    scope: str | None
    regime: str | None
    pretrain_regime: str | None
    weights: str | None
    to: str | None = None
    fraction: float | None = None

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
            "prune__criterion": self.criterion,
            "prune__scope": self.scope,
            "prune__regime": self.regime,
            "prune__rewind": self.rewind_epoch if self.rewind is None else self.rewind,
            "pretrain__regime": self.pretrain_regime,
            "pretrain__weights": weights,
        }

    def experiment(self, settings: Settings, **overrides: Any) -> Experiment:
        """The experiment that a command's options describe, its grid narrowed down to them.

        The downstream task is that of ``--to``, else the one that ``--on`` names.

        Args:
            overrides: the command's own dotted keys with ``__``.
        """
        from dwlt.spec import narrowed

        if self.to is not None and self.task not in (None, self.to):
            raise click.UsageError(f"--to {self.to} and --on {self.task} name two downstream tasks")
        task = self.to or self.task
        found = settings.experiment(
            downstream__task=task,
            downstream__fraction=self.fraction,
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
            fractions=self.fraction,
        )
        self._require_effect(found)
        return found

    def _require_effect(self, experiment: Experiment) -> None:
        """Refuse options that no search of this experiment would heed.

        Controls made of an imp search heed what that search does.
        """
        from dwlt.spec import OF_A_SEARCH, SCORED, TRAINED, methods_of

        methods = methods_of(experiment)
        if self.criterion is not None and not set(methods) & {*SCORED, *OF_A_SEARCH}:
            raise click.UsageError(
                f"--criterion belongs to --method imp and oneshot, not to {', '.join(methods)}"
            )
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
        # A command need not have the options of the downstream task.
        values = {name: arguments.pop(name, None) for name in SearchOptions.__dataclass_fields__}
        return function(search=SearchOptions(**values), **arguments)

    return sharing(*search_options)(inner)
