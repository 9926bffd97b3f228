"""``transfer``: fine-tune tickets and the dense network on the downstream task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from dwlt import layout, store
from dwlt.data import Task
from dwlt.engine import Best
from dwlt.errors import BusyError, SpecError
from dwlt.events import Notice, StageDone, StageStarted, StepDone
from dwlt.masking import to_bool_tensors
from dwlt.models import Model, swap_head
from dwlt.results import read_result
from dwlt.scoring import Flag, score
from dwlt.spec import Experiment, Regime, TransferSpec, spread
from dwlt.stages import pretrain, prune
from dwlt.stages.device import describe, pick
from dwlt.stages.ticket import Source, Ticket
from dwlt.stages.training import (
    Training,
    flag_values,
    open_task,
    slot_of,
    stopped,
    task_values,
)
from dwlt.stages.weights import Blueprint, model_bytes, read_model
from dwlt.store import Context, Run
from dwlt.units import derive_seed, percent

Cell = tuple[Path, dict[str, Any]]
"""A cell's run folder and the content of its result file."""


def run_grid(
    experiment: Experiment, regime: Regime, context: Context, *, weights: Path | None = None
) -> list[Cell]:
    """Transfer the chosen tickets under one regime, once per seed; earlier stages first.

    Args:
        weights: pre-trained weights given as a file instead of a pre-training.

    Returns:
        All cells in the order of rounds, then seeds.

    Raises:
        BusyError: another process works on a cell; all others are done by then.
        InterruptError: the user asked to stop.
    """
    spec = experiment.prune_spec()
    # A downstream task that cannot be read must show before the earlier stages cost hours.
    open_task(experiment.transfer_spec(regime, 0, experiment.seed), context)
    source = (
        prune.weights_file(weights, spec, context)
        if weights is not None
        else prune.pretrained(*pretrain.run(experiment.pretrain_spec(), context))
    )
    rounds = _rounds(experiment, prune.asked(spec, source, context))
    folder, results = prune.run(
        spec.model_copy(update={"rounds": max(1, *rounds)}), source, context, asked=False
    )
    tickets = [prune.ticket(folder, source, round_) for round_ in rounds]
    work = [
        (experiment.transfer_spec(regime, ticket.round, experiment.seed + offset), ticket)
        for ticket in tickets
        for offset in range(experiment.transfer.seeds)
    ]
    return _walk(work, regime, experiment.downstream.task, results[0], context)


def _rounds(experiment: Experiment, asked: int | None) -> tuple[int, ...]:
    wanted = experiment.transfer.rounds
    # What `dwlt prune` was asked for says how far "all" goes; else the config does.
    last = asked if asked is not None else experiment.prune.rounds
    if not isinstance(wanted, str) and max(wanted, default=0) > max(last, experiment.prune.rounds):
        raise SpecError(
            f"round {max(wanted)} is beyond the search's {last} rounds",
            hint=f"run `dwlt prune --rounds {max(wanted)}` first, or choose lower rounds",
        )
    if wanted == "spread":
        return spread(last)
    if wanted == "all":
        return tuple(range(last + 1))
    return tuple(sorted({0, *wanted}))


def _walk(
    work: list[tuple[TransferSpec, Ticket]],
    regime: Regime,
    to: str,
    search: dict[str, Any],
    context: Context,
) -> list[Cell]:
    cells = [_Cell(spec, ticket, search, context) for spec, ticket in work]
    todo = [cell for cell in cells if cell.result() is None]
    stage_folder = str(context.runs / "transfer")
    if not todo:
        for cell in cells:
            cell.tidy()
        context.observe(StageDone("transfer", stage_folder, reused=True))
        return [cell.done() for cell in cells]
    context.observe(
        StageStarted(
            "transfer",
            f"{regime} training on {to}, {len(todo)} of {len(cells)} cells to do",
            sum(cell.spec.train.epochs for cell in todo),
        )
    )
    device = pick(context.device, context.threads)
    busy: list[BusyError] = []
    for cell in todo:
        try:
            cell.run(device)
        except BusyError as error:
            # Somebody shares the work. Do what is left, then see.
            context.observe(Notice(f"{cell.label}: {error}"))
            busy.append(error)
    if any(cell.result() is None for cell in cells):
        raise busy[0]
    context.observe(StageDone("transfer", stage_folder, reused=False))
    return [cell.done() for cell in cells]


class _Cell:
    """One ticket under one regime with one seed: a run of its own."""

    def __init__(
        self, spec: TransferSpec, ticket: Ticket, search: dict[str, Any], context: Context
    ) -> None:
        self.spec = spec
        self.ticket = ticket
        self.search = search
        self.context = context
        self.label = f"round {spec.round} seed {spec.seed}"
        self.starts = {"weights": ticket.source.digest, "mask": ticket.result["mask"]}
        run_id = store.run_id("transfer", spec, self.starts)
        self.folder = layout.run_folder(context.runs, "transfer", spec.name, run_id)

    def result(self) -> dict[str, Any] | None:
        """The cell's result file, or None while it is not done."""
        return read_result(self.folder / layout.RESULT)

    def done(self) -> Cell:
        """The cell, which must be done."""
        result = self.result()
        assert result is not None
        return self.folder, result

    def tidy(self) -> None:
        """Remove a checkpoint that a kill right after the result may have left."""
        slot_of(self.folder, {}).clear()

    def run(self, device: torch.device) -> None:
        """Fine-tune, choose on validation, test once, commit."""
        if self.context.stop():
            raise stopped(f"transfer, before {self.label}")
        with Run(self.folder, self.spec, self.starts, [("transfer", layout.RESULT)]) as run_:
            if self.result() is None:
                self._train(run_, device)

    def _train(self, run_: Run, device: torch.device) -> None:
        spec = self.spec
        task = open_task(spec, self.context)
        run_.begin(task.fingerprint, describe(device))
        masks = self.ticket.masks()
        model, blueprint = _ready(self.ticket.source, task, spec)
        training = Training(run_, task, self.context, device, into="", label=self.label)
        outcome = training.fit(
            model,
            spec.train,
            augment=spec.data.augment,
            seed=spec.seed,
            scoring=spec.score,
            masks=to_bool_tensors(masks, device),
            keep_best=True,
        )
        if not outcome.best:
            raise SpecError("transfer needs at least one epoch", hint="set transfer.train.epochs")
        # Without an attack in the scoring there is no RA to choose by: one checkpoint is both.
        chosen = {kind: outcome.best.get(kind, outcome.best["sa"]) for kind in ("sa", "ra")}
        tested: dict[int, dict[str, Any]] = {}
        flags: list[Flag] = list(outcome.flags)
        for kind, best in chosen.items():
            training.slot.restore_best(best, model)
            run_.write(layout.best(kind), model_bytes(model, blueprint))
            # The test images are looked at once per checkpoint, and never twice for the same one.
            if best.epoch not in tested:
                model.to(device)
                found = score(model, task.test, spec.score, device=device)
                flags += found.flags
                tested[best.epoch] = found.values()
        self._commit(run_, training, task, chosen, tested, flags, describe(device))

    def _commit(
        self,
        run_: Run,
        training: Training,
        task: Task,
        chosen: dict[str, Best],
        tested: dict[int, dict[str, Any]],
        flags: list[Flag],
        device: str,
    ) -> None:
        found = self.ticket.result
        best: dict[str, dict[str, Any]] = {
            f"best_{kind}": {
                "epoch": one.epoch,
                "validation": one.validation,
                "test": tested[one.epoch],
            }
            for kind, one in chosen.items()
        }
        run_.finish(
            "transfer",
            {
                "round": self.spec.round,
                "kept": found["kept"],
                "total": found["total"],
                "layers": found["layers"],
                "mask": found["mask"],
                "weights": self.ticket.source.digest,
                "regime": self.spec.train.regime,
                "seed": self.spec.seed,
                "fraction": self.spec.data.fraction,
                "pretrain": self.ticket.source.pretrain,
                "prune": {key: self.search[key] for key in ("id", "name", "method", "regime")},
                "task": task_values(task),
                "flags": flag_values(flags),
                **best,
            },
            files=[*training.files, *(layout.best(kind) for kind in chosen)],
            device=device,
        )
        training.slot.clear()
        sa, ra = best["best_sa"]["test"]["sa"], best["best_ra"]["test"]["ra"]
        robust = "" if ra is None else f", RA {ra['value']:.1%}"
        self.context.observe(
            StepDone(
                self.label,
                f"sparsity {percent(found['kept'], found['total'])}, test SA {sa['value']:.1%}"
                f"{robust} (n {sa['n']})",
            )
        )


def _ready(source: Source, task: Task, spec: TransferSpec) -> tuple[Model, Blueprint]:
    """The pre-trained network with a new head for the task, and its blueprint."""
    model, blueprint = read_model(source.path)
    blueprint.require_channels(task)
    swap_head(model, len(task.classes), seed=derive_seed(spec.seed, "head"))
    return model, Blueprint.of(blueprint.model, task)
