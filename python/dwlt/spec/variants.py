"""From an experiment with a grid to the single experiments that it stands for."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from pydantic import ValidationError

from dwlt.errors import SpecError
from dwlt.spec.experiment import Experiment
from dwlt.spec.explain import explain
from dwlt.spec.grid import TRANSFER_REGIMES, Grid, GridFraction, GridTask, TransferRegime
from dwlt.spec.merge import merged
from dwlt.spec.parts import TaskSpec
from dwlt.spec.stages import TRAINED, Method
from dwlt.units import share

SEED_STRIDE = 1000
"""How far the seeds of two replicates lie apart: more than any config's transfer seeds, so that no
two replicates share one."""


@dataclass(frozen=True)
class Variant:
    """One combination of a grid: an experiment without a grid, transferred under one regime.

    Attributes:
        experiment: with one pre-training regime, search, task and fraction.
        regime: of the transfer.
        rounds: the rounds to transfer where the grid says them (for controls); else None.
        dense: whether round 0, the dense network, is among the cells. Controls leave it to the
            tickets that they are compared with.
        replicate: counted from 0.
    """

    experiment: Experiment
    regime: TransferRegime
    rounds: tuple[int, ...] | None
    dense: bool
    replicate: int = 0

    @property
    def combination(self) -> str:
        """What tells it from the other combinations, its transfer regime apart."""
        one = self.experiment
        search: str = one.prune.method
        if one.prune.method in TRAINED:
            search += f"/{one.prune.regime}"
        if one.prune.on == "downstream":
            search += " on downstream"
        part = f" {share(one.downstream.fraction)}" if one.downstream.fraction < 1 else ""
        again = f", replicate {self.replicate + 1}" if self.replicate else ""
        return f"{one.pretrain.regime}, {search}, {one.downstream.task}{part}{again}"

    @property
    def label(self) -> str:
        """What tells it from all others."""
        return f"{self.combination}, {self.regime}"


def variants(experiment: Experiment) -> tuple[Variant, ...]:
    """Every combination, tickets before controls, each under every transfer regime.

    Without a grid: the experiment itself under both regimes.

    Raises:
        SpecError: a combination is not valid; the message names it.
    """
    grid = experiment.grid or Grid()
    return tuple(
        one
        for replicate in range(grid.replicates)
        for one in _combinations(_replicate(experiment, replicate), grid, replicate)
    )


def narrowed(experiment: Experiment, **only: Any) -> Experiment:
    """The experiment with lists of its grid replaced by the values that a command was given.

    Args:
        only: field of the grid and its one value; None leaves the list.
    """
    if experiment.grid is None:
        return experiment
    changes: dict[str, tuple[Any, ...]] = {
        name: (value,) for name, value in only.items() if value is not None
    }
    if "tasks" in changes:
        tasks = [t for t in experiment.grid.tasks if t.task in changes["tasks"]]
        changes["tasks"] = tuple(tasks) or tuple(GridTask(task=t) for t in changes["tasks"])
    if "fractions" in changes:
        shares = [f for f in experiment.grid.fractions if f.fraction in changes["fractions"]]
        changes["fractions"] = tuple(shares) or tuple(
            GridFraction(fraction=f) for f in changes["fractions"]
        )
    return experiment.model_copy(update={"grid": experiment.grid.model_copy(update=changes)})


def searched_on(experiment: Experiment) -> tuple[str, ...]:
    """What the searches of an experiment train on: "source", "downstream", or both.

    Nothing, where all masks are drawn.
    """
    if all(_untrained(method) for method in methods_of(experiment)):
        return ()
    return (experiment.grid or Grid()).on or (experiment.prune.on,)


def _replicate(experiment: Experiment, replicate: int) -> Experiment:
    """The experiment with every seed moved on: 0 leaves it as it is.

    Raises:
        SpecError: a new subset seed would choose other classes, which is another task.
    """
    if replicate == 0:
        return experiment
    shift = replicate * SEED_STRIDE
    changes: dict[str, Any] = {"seed": experiment.seed + shift}
    for name in ("source", "downstream"):
        task: TaskSpec = getattr(experiment, name)
        if isinstance(task.classes, int):
            raise SpecError(
                f"replicates would draw {task.classes} other classes of {name}.task for each",
                hint=f"name the classes that {name} is to have, instead of how many",
            )
        changes[name] = task.model_copy(update={"subset_seed": task.subset_seed + shift})
    return experiment.model_copy(update=changes)


def _combinations(experiment: Experiment, grid: Grid, replicate: int) -> Iterator[Variant]:
    for pretrain, search, on, method in _searches(experiment, grid):
        # Narrowed down to a control, a grid must not grow: what it says of controls still holds.
        several = len(methods_of(experiment)) > 1
        control = method != "imp" and bool(several or grid.control_rounds or grid.control_fractions)
        fractions = grid.fractions or (GridFraction(fraction=experiment.downstream.fraction),)
        if control and grid.control_fractions:
            fractions = tuple(f for f in fractions if f.fraction in grid.control_fractions)
        tasks = grid.tasks or (GridTask(task=experiment.downstream.task),)
        for task, fraction in product(tasks, fractions):
            one = _single(experiment, task, fraction, pretrain, search, on, method)
            for regime in grid.regimes or TRANSFER_REGIMES:
                rounds = grid.control_rounds if control and grid.control_rounds else None
                yield Variant(one, regime, rounds, not control, replicate)


def at_rounds(experiment: Experiment, rounds: Container[int]) -> Experiment:
    """The experiment with its grid's controls at those of their rounds alone that are asked for.

    Controls that have none of them are left out.

    Raises:
        SpecError: nothing but such controls was asked for.
    """
    grid = experiment.grid
    if grid is None or not grid.control_rounds:
        return experiment
    kept = tuple(round_ for round_ in grid.control_rounds if round_ in rounds)
    changes: dict[str, Any] = {"control_rounds": kept}
    if not kept:
        changes = {"methods": tuple(m for m in methods_of(experiment) if m == "imp")}
        if not changes["methods"]:
            have = ", ".join(map(str, grid.control_rounds))
            raise SpecError(
                f"the grid takes {', '.join(methods_of(experiment))} at rounds {have} alone",
                hint="ask for one of them, or change grid.control_rounds",
            )
    return experiment.model_copy(update={"grid": grid.model_copy(update=changes)})


def methods_of(experiment: Experiment) -> tuple[Method, ...]:
    """How the tickets of an experiment are made, in all its combinations."""
    return (experiment.grid or Grid()).methods or (experiment.prune.method,)


def _searches(experiment: Experiment, grid: Grid) -> Iterator[tuple[Any, Any, Any, Method]]:
    if isinstance(experiment.pretrain.weights, str) and len(grid.pretrain) > 1:
        raise SpecError(
            "pretrain.weights names one file for several pre-training regimes",
            hint="name one per regime: weights.standard, weights.fast, weights.adversarial",
        )
    methods = sorted(methods_of(experiment), key=lambda method: method != "imp")
    seen = set()
    for pretrain in grid.pretrain or (experiment.pretrain.regime,):
        same = (pretrain,) if grid.prune == "same" else grid.prune
        for on, search in product(
            grid.on or (experiment.prune.on,), same or (experiment.prune.regime,)
        ):
            for method in methods:
                # What is drawn and not trained is one search, whatever the regimes and tasks.
                one = ("source", "") if _untrained(method) else (on, search)
                if (pretrain, *one, method) not in seen:
                    seen.add((pretrain, *one, method))
                    yield pretrain, search, one[0], method


def _untrained(method: Method) -> bool:
    return method in ("random", "layerwise-random")


def _single(
    experiment: Experiment,
    task: GridTask,
    fraction: GridFraction,
    pretrain: str,
    search: str,
    on: str,
    method: Method,
) -> Experiment:
    values: dict[str, Any] = experiment.model_dump(exclude={"grid"})
    values["pretrain"]["regime"] = pretrain
    values["prune"] |= {"regime": search, "on": on, "method": method}
    share_of = {"task": task.task, **task.data, "fraction": fraction.fraction}
    values["downstream"] = {**values["downstream"], **share_of}
    for part in (task, fraction):
        values["transfer"] = merged(
            values["transfer"], {str(table): settings for table, settings in part.transfer.items()}
        )
    _require_keys(task)
    try:
        return Experiment.model_validate(values)
    except ValidationError as error:
        where = f"[grid] with task {task.task} and fraction {fraction.fraction:g}"
        raise explain(error, where, Experiment) from error


def _require_keys(task: GridTask) -> None:
    unknown = sorted(set(task.data) - (set(TaskSpec.model_fields) - {"task", "fraction"}))
    if unknown:
        raise SpecError(
            f"[grid] task {task.task}: data has no key {unknown[0]!r}",
            hint="data takes the keys of [downstream]; fractions stand in grid.fractions",
        )
