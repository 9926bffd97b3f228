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
from dwlt.models.files import Blueprint, digest_of, model_bytes, read_model
from dwlt.runs import layout
from dwlt.runs.plan import Cell
from dwlt.runs.store import Context, Run
from dwlt.scoring import Flag, score
from dwlt.spec import TransferSpec
from dwlt.stages.common import (
    Training,
    flag_values,
    open_task,
    slot_of,
    stopped,
    task_values,
)
from dwlt.training import Best
from dwlt.training.device import describe, pick
from dwlt.units import derive_seed, percent


def run(cell: Cell, context: Context) -> tuple[Path, dict[str, Any]]:
    """Transfer one ticket under one regime with one seed, or find that it is done.

    Fine-tunes, chooses on validation, and looks at the test images once per chosen checkpoint.

    Returns:
        The run folder and the content of its ``result.json``.

    Raises:
        BusyError: another process works on this cell.
        InterruptError: the user asked to stop; the last complete epoch is saved.
        LedgerError: the ticket has not been found yet.
    """
    found, folder = cell.ticket(), cell.folder()
    if found is None or folder is None or cell.search.folder is None:
        raise LedgerError(
            f"{cell.search.label} has no finished round {cell.spec.round}", hint="run `dwlt prune`"
        )
    result = cell.result()
    if result is None:
        ticket = Ticket.of(cell.source(), cell.search.folder, found)
        result = _Transfer(cell, ticket, folder, context).run()
    else:
        # A kill right after the result may have left the checkpoint behind.
        slot_of(folder, {}).clear()
    return folder, result


class _Transfer:
    """One cell at work."""

    def __init__(self, cell: Cell, ticket: Ticket, folder: Path, context: Context) -> None:
        self.cell = cell
        self.spec = cell.settled()
        self.ticket = ticket
        self.folder = folder
        self.context = context
        self.label = cell.label

    def run(self) -> dict[str, Any]:
        """Do it, unless somebody else has meanwhile."""
        if self.context.stop():
            raise stopped(f"transfer, before {self.label}")
        device = pick(self.context.device, self.context.threads)
        # Before the folder is made: a task that cannot be had leaves nothing behind.
        task = open_task(self.spec, self.context)
        starts = {"weights": self.ticket.result["weights"], "mask": self.ticket.result["mask"]}
        with Run(self.folder, self.spec, starts, [("transfer", layout.RESULT)]) as run_:
            if self.cell.result() is None:
                self._train(run_, task, device)
        result = self.cell.result()
        assert result is not None
        return result

    def _train(self, run_: Run, task: Task, device: torch.device) -> None:
        spec = self.spec
        run_.begin(task.fingerprint, describe(device))
        masks = self.ticket.masks()
        model, blueprint = _ready(self.ticket, task, spec)
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
                "weights": found["weights"],
                "regime": self.spec.train.regime,
                "seed": self.spec.seed,
                "fraction": self.spec.data.fraction,
                # As it is called now: a regime may have been put right since the round was made.
                "pretrain": self.cell.source().pretrain,
                "prune": _search_values(found),
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


def _search_values(found: dict[str, Any]) -> dict[str, Any]:
    """What a cell's result says of the search that its ticket comes from."""
    values = {key: found[key] for key in ("id", "name", "method", "regime")}
    values["rewind"] = found.get("rewind", "pretrained")
    values["of"] = found.get("of")
    values["task"] = found["task"]["name"]
    return values


def _ready(ticket: Ticket, task: Task, spec: TransferSpec) -> tuple[Model, Blueprint]:
    """The ticket's network with a new head for the task, and its blueprint.

    Raises:
        LedgerError: the weights are not those that the ticket was found on.
        ModelError: the network does not take such images.
    """
    model, blueprint = read_model(ticket.weights)
    found = digest_of(model)
    if found != ticket.result["weights"]:
        raise LedgerError(
            f"{ticket.weights} now holds {found}; the ticket is made of {ticket.result['weights']}",
            hint="put the old weights back, or start another search from these",
        )
    blueprint.require_channels(task)
    swap_head(model, len(task.classes), seed=derive_seed(spec.seed, "head"))
    return model, Blueprint.of(blueprint.model, task)
