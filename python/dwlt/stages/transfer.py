"""``transfer``: fine-tune a ticket, or the dense network, on the downstream task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from dwlt.checkpoints.ticket import Ticket
from dwlt.data import Task
from dwlt.errors import LedgerError, SpecError
from dwlt.events import StepDone
from dwlt.masks.tensors import to_bool_tensors
from dwlt.models import Model, swap_head
from dwlt.models.files import Blueprint, digest, digest_of, model_bytes, read_model
from dwlt.results import Best, Flag, TransferResult
from dwlt.results.outcomes import OutcomeTable, to_bytes
from dwlt.runs import layout
from dwlt.runs.complete import Prepared, StepResult, Work, complete
from dwlt.runs.context import Context
from dwlt.runs.plan import Cell
from dwlt.runs.store import Run
from dwlt.scoring import Scored
from dwlt.spec import TransferSpec
from dwlt.stages.common import (
    Training,
    checkpoint_of,
    first_of_each,
    open_task,
    score_of,
    stopped,
    task_info,
    used_images,
)
from dwlt.stages.pictures import take_pictures
from dwlt.stages.rehearsed import rehearse_file
from dwlt.stages.together import group_of, score_split
from dwlt.training import BestEpoch, TrainOutcome
from dwlt.training.device import choose_device, describe
from dwlt.units import derive_seed, sparsity_text


def run(cell: Cell, context: Context) -> tuple[Path, TransferResult]:
    """Transfer one ticket under one regime with one seed, or find that it is done.

    Fine-tunes, chooses on validation, and looks at the test images once per chosen checkpoint.

    Returns:
        The run folder and its result.

    Raises:
        LedgerError: the ticket has not been found yet.
        As ``runs.complete``.
    """
    found, folder = cell.ticket(), cell.search.folder
    if found is None or folder is None:
        raise LedgerError(
            f"{cell.search.label} has no finished round {cell.spec.round}", hint="run `dwlt prune`"
        )
    ticket = Ticket.of(cell.source(), folder, found)
    work = _Transfer(cell, ticket, context)
    done = complete(work.spec, cell.starts(found), work, context)
    return done.folder, done.results[0]


class _Transfer(Work[TransferResult]):
    result = TransferResult
    announces = False

    def __init__(self, cell: Cell, ticket: Ticket, context: Context) -> None:
        self.cell = cell
        self.spec = cell.resolved_spec()
        self.ticket = ticket
        self.context = context
        self.device: torch.device
        self.task: Task

    def prepare(self) -> Prepared:
        if self.context.stop():
            raise stopped(f"transfer, before {self.cell.label}")
        self.device = choose_device(self.context.device, self.context.threads)
        self.task = open_task(self.spec, self.context)
        weights = self.ticket.weights
        rehearse_file(weights, self.spec.model, self.task, self.context, self.device)
        return Prepared(self.task.fingerprint, describe(self.device, group_of(self.context).size))

    def do(self, run: Run, step: str) -> StepResult:
        spec, task, device = self.spec, self.task, self.device
        masks = self.ticket.masks()
        model, blueprint = _ready(self.ticket, task, spec)
        training = Training(run, task, self.context, device, into="", label=self.cell.label)
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
        tested: dict[int, Scored] = {}
        flags: list[Flag] = list(outcome.flags)
        for kind, best in chosen.items():
            training.slot.restore_best(best, model)
            run.write(layout.best(kind), model_bytes(model, blueprint))
            # Each checkpoint is scored on the test images once, also where it is the best by both
            # measures.
            if best.epoch not in tested:
                model.to(device)
                tested[best.epoch] = score_split(
                    model,
                    task,
                    "test",
                    spec.score,
                    network=spec.model,
                    data=spec.data,
                    device=device,
                    context=self.context,
                )
                flags += tested[best.epoch].flags
        scored = {kind: tested[best.epoch] for kind, best in chosen.items()}
        run.write(layout.OUTCOMES, to_bytes(_outcomes(scored)))
        values = {
            **self._values(outcome, chosen, scored, flags),
            "outcomes": digest(run.folder / layout.OUTCOMES),
        }
        files = [*training.files, *(layout.best(kind) for kind in chosen), layout.OUTCOMES]
        if most := self.cell.variant.experiment.pictures:
            # The model holds the best-RA checkpoint, which came last.
            taken = take_pictures(
                model.to(device), task.test, task.classes, spec.score, most=most, device=device
            )
            run.write(layout.PICTURES, taken)
            files.append(layout.PICTURES)
        return StepResult(values, files)

    def _values(
        self,
        outcome: TrainOutcome,
        chosen: dict[str, BestEpoch],
        tested: dict[str, Scored],
        flags: list[Flag],
    ) -> dict[str, Any]:
        found = self.ticket.result
        best = {
            kind: Best(one.epoch, score_of(one.validation, self.spec.score), tested[kind].counts)
            for kind, one in chosen.items()
        }
        return {
            "round": self.spec.round,
            "kept": found.kept,
            "total": found.total,
            "layers": found.layers,
            "parameters": found.parameters,
            "mask": found.mask,
            "weights": found.weights,
            "regime": self.spec.train.regime,
            "seed": self.spec.seed,
            "fraction": self.spec.data.fraction,
            # The present name: the regime may have been corrected since the round was made.
            "pretrain": self.cell.source().pretrain,
            "prune": found.prune,
            "task": task_info(self.task),
            "ids": used_images(outcome, best["sa"].validation, best["sa"].test),
            "flags": first_of_each(flags),
            "best_sa": best["sa"],
            "best_ra": best["ra"],
        }

    def clear(self, folder: Path, step: str) -> None:
        checkpoint_of(folder, {}).clear()

    def tell(self, step: str, result: TransferResult) -> None:
        sa, ra = result.best_sa.test.sa, result.accuracy("ra")
        robust = "" if ra is None else f", RA {ra.value:.1%}"
        self.context.observe(
            StepDone(
                self.cell.label,
                f"sparsity {sparsity_text(result.kept, result.total)}, "
                f"test SA {sa.value:.1%}{robust} (n {sa.n})",
            )
        )


def _outcomes(tested: dict[str, Scored]) -> OutcomeTable:
    """Which test images each chosen checkpoint got right, without and with the attack."""
    bits = {}
    for kind, one in tested.items():
        bits[f"best_{kind}.sa"] = one.clean
        if one.robust is not None:
            bits[f"best_{kind}.ra"] = one.robust
    first = tested["sa"]
    return OutcomeTable(first.ids, str(first.images), bits)


def _ready(ticket: Ticket, task: Task, spec: TransferSpec) -> tuple[Model, Blueprint]:
    """The ticket's network with a new head for the task, and its blueprint.

    Raises:
        LedgerError: the weights are not those that the ticket was found on.
        ModelError: the network does not take such images.
    """
    model, blueprint = read_model(ticket.weights)
    found = digest_of(model)
    if found != ticket.result.weights:
        raise LedgerError(
            f"{ticket.weights} now holds {found}; the ticket is made of {ticket.result.weights}",
            hint="put the old weights back, or start another search from these",
        )
    blueprint.require_channels(task)
    swap_head(model, len(task.classes), seed=derive_seed(spec.seed, "head"))
    return model, Blueprint.of(blueprint.model, task)
