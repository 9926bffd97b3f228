"""The stages as functions: the same runs folder, identities and results as the commands.

``dwlt.pretrain`` and its kin are these functions. Called twice with the same settings they compute
nothing the second time; interrupted, they go on where they were; a command on the same folder sees
their runs as its own. None of them prints.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypedDict, TypeVar, Unpack

from dwlt.errors import UserError
from dwlt.events import Event
from dwlt.runs.context import Context
from dwlt.spec import (
    AttackSpec,
    Experiment,
    TransferRegime,
    load_experiment,
    load_verdict,
    narrowed,
)

if TYPE_CHECKING:
    from dwlt.results import EvaluateResult, PretrainResult, PruneRound, TransferResult
    from dwlt.verdict.together import GroupJudged

R = TypeVar("R")
Config = Experiment | str | Path | None
"""An experiment, a preset's name, the path of a TOML file, or None: the embedded default."""


class Work(TypedDict, total=False):
    """Where and how to work; no number depends on any of it.

    Attributes:
        runs: the folder of runs; "runs" by default.
        data_dir: of data sets; "data" by default.
        device: "auto" by default.
        workers: processes that read images of large sets; the machine decides by default.
        progress: told of every event (see ``dwlt.events``); nobody by default.
        stop: polled between steps; True saves and raises ``InterruptError``.
    """

    runs: str | Path
    data_dir: str | Path
    device: str
    workers: int | None
    progress: Callable[[Event], None]
    stop: Callable[[], bool]


@dataclass(frozen=True)
class Done(Generic[R]):
    """A finished run.

    Attributes:
        folder: of the run.
        result: its ``result.json`` as a model; for a search, one per round, round 0 first.
    """

    folder: Path
    result: R


def pretrain(
    config: Config = None,
    *,
    regime: str | None = None,
    changes: Mapping[str, Any] | None = None,
    **work: Unpack[Work],
) -> Done[PretrainResult]:
    """Train the whole network on the source task, or find that it is done; see ``dwlt pretrain``.

    Args:
        config: what to do.
        regime: instead of the config's.
        changes: settings by dotted key, such as ``{"pretrain.train.epochs": 10}``.
        work: see ``Work``.

    Raises:
        DwltError: as the command; ``hint`` is the next step.
    """
    from dwlt.runs.plan import Plan
    from dwlt.stages import pretrain as stage

    experiment = narrowed(
        _experiment(config, changes, {"pretrain.regime": regime}), pretrain=regime
    )
    context = _context(experiment, work)
    first = Plan.of(experiment, context.runs, cells=False).pretrainings[0]
    if first.given is not None:
        raise UserError(
            "the config gives pre-trained weights, so there is nothing to train",
            hint="remove pretrain.weights, or go on with dwlt.prune",
        )
    return Done(*stage.run(first.spec, context))


def prune(
    config: Config = None,
    *,
    rounds: int | None = None,
    method: str | None = None,
    regime: str | None = None,
    changes: Mapping[str, Any] | None = None,
    **work: Unpack[Work],
) -> Done[list[PruneRound]]:
    """Find tickets, pre-training first where that is missing; see ``dwlt prune``.

    Args:
        config: what to do; of a grid, its first search.
        rounds, method, regime: instead of the config's.
        changes, work: as ``pretrain``.

    Raises:
        DwltError: as the command.
    """
    from dwlt.runs.plan import Plan
    from dwlt.stages import prune as stage

    given = {"prune.rounds": rounds, "prune.method": method, "prune.regime": regime}
    experiment = _experiment(config, changes, given)
    context = _context(experiment, work)
    searches = Plan.of(experiment, context.runs, cells=False).searches
    # Without a grid a control's own search comes before it.
    wanted, last = searches[-1] if experiment.grid is None else searches[0]
    return Done(*stage.run(wanted, context, rounds=last))


def transfer(
    config: Config = None,
    *,
    adv: bool = False,
    to: str | None = None,
    rounds: Sequence[int] | str | None = None,
    seeds: int | None = None,
    changes: Mapping[str, Any] | None = None,
    **work: Unpack[Work],
) -> list[Done[TransferResult]]:
    """Fine-tune tickets and the dense network, earlier stages first; see ``dwlt transfer``.

    Args:
        config: what to do.
        adv: adversarially instead of on clean images.
        to: the downstream task instead of the config's.
        rounds: which tickets: numbers, "all" or "spread"; round 0 is always among them.
        seeds: runs per ticket.
        changes, work: as ``pretrain``.

    Raises:
        DwltError: as the command.
    """
    from dwlt.grid import walk as grid
    from dwlt.runs.plan import Plan

    which = tuple(rounds) if rounds is not None and not isinstance(rounds, str) else rounds
    given = {"downstream.task": to, "transfer.rounds": which, "transfer.seeds": seeds}
    experiment = _experiment(config, changes, given)
    context = _context(experiment, work)
    regime: TransferRegime = "adversarial" if adv else "standard"
    plan = Plan.of(experiment, context.runs, [regime], full_searches=False)
    grid.walk(plan, context, grid.Policy(False, False), asked=False)
    return [Done(folder, result) for folder, result in grid.cells(plan)]


def evaluate(
    model: str | Path,
    config: Config = None,
    *,
    on: str | None = None,
    attack: AttackSpec | None = None,
    changes: Mapping[str, Any] | None = None,
    **work: Unpack[Work],
) -> Done[EvaluateResult]:
    """SA and RA of a model file or run folder on test images; see ``dwlt evaluate``.

    Args:
        model: the file, or the folder of a run.
        config: its evaluation attack is taken; None: the one of the model's own run.
        on: a task; None: that of the model's own run.
        attack: instead of the config's.
        changes, work: as ``pretrain``.

    Raises:
        DwltError: as the command.
    """
    from dwlt.models.files import find_model
    from dwlt.stages import evaluate as stage

    file = find_model(Path(model))
    own = {key.replace("__", "."): value for key, value in stage.attack_of(file).items()}
    given = {**(own if config is None else {}), "downstream.task": on}
    experiment = _experiment(config, changes, given)
    score = experiment.scoring()
    if attack is not None:
        score = score.model_copy(update={"attack": attack})
    wanted = stage.EvaluationRequest(score=score)
    context = _context(experiment, work)
    return Done(*stage.run(experiment, wanted, file, context, own_task=on is None))


def verdict(runs: str | Path = "runs", config: str | None = None) -> tuple[GroupJudged, ...]:
    """What ``dwlt report`` judges of the transfers in a runs folder, one group of tickets each.

    Args:
        runs: the folder.
        config: a preset's name or TOML file, whose ``[verdict]`` says how to judge.

    Raises:
        UserError: ``runs`` is not a folder.
    """
    from dwlt.masks.overlaps import mask_overlaps
    from dwlt.report import assess, collect

    data = collect(Path(runs))
    return tuple(assess(data, mask_overlaps(Path(runs), data), load_verdict(config)).groups)


def _experiment(
    config: Config, changes: Mapping[str, Any] | None, given: Mapping[str, Any]
) -> Experiment:
    """The experiment with what a caller changes; None changes nothing."""
    overrides = {**(changes or {}), **{k: v for k, v in given.items() if v is not None}}
    if not isinstance(config, Experiment):
        return load_experiment(None if config is None else str(config), overrides=overrides)
    if overrides:
        raise UserError(
            "an Experiment is whole: changes and options go with a preset's name or a file",
            hint="change the experiment with load_experiment, or name its config",
        )
    return config


def _context(experiment: Experiment, work: Work) -> Context:
    return Context(
        runs=Path(work.get("runs", "runs")),
        data_dir=Path(work.get("data_dir", "data")),
        device=work.get("device", "auto"),
        workers=work.get("workers"),
        threads=None if "OMP_NUM_THREADS" in os.environ else experiment.threads,
        observe=work.get("progress", lambda event: None),
        stop=work.get("stop", lambda: False),
        checkpoint_seconds=60 * experiment.checkpoint_minutes,
    )
