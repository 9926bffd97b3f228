"""``prune``: find tickets by iterative magnitude pruning with rewinding."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch

from dwlt import _core, layout, store
from dwlt.data import Task, load_task
from dwlt.errors import DataError, LedgerError, ModelError
from dwlt.events import StageDone, StageStarted, StepDone
from dwlt.masking import magnitude_masks, to_bool_tensors
from dwlt.models import Model, prunable
from dwlt.results import asked_rounds, read_result
from dwlt.scoring import Flag
from dwlt.spec import ModelSpec, PruneSpec, validate_spec
from dwlt.stages.device import describe, pick
from dwlt.stages.pretrain import summary
from dwlt.stages.ticket import Source, Ticket
from dwlt.stages.training import (
    Training,
    flag_values,
    open_task,
    slot_of,
    stopped,
    task_values,
)
from dwlt.stages.weights import (
    Blueprint,
    adopt,
    digest,
    digest_of,
    find_model,
    load_into,
    read_model,
)
from dwlt.store import Context, Run
from dwlt.units import percent


def pretrained(folder: Path, result: dict[str, Any]) -> Source:
    """The weights of a finished pre-training run as the source of a search."""
    return Source(
        path=folder / layout.MODEL,
        digest=result["weights"],
        model=validate_spec(ModelSpec, result["spec"]["model"], str(folder)),
        images=result["task"]["fingerprint"],
        pretrain={"id": result["id"], "name": result["name"], "regime": result["regime"]},
    )


def weights_file(path: Path, spec: PruneSpec, context: Context) -> Source:
    """Weights given as a file as the source of a search.

    A plain checkpoint is first rewritten as a model file below ``runs/weights``.

    Raises:
        FormatError: the file cannot be read as safetensors.
        ModelError: its tensors are not those of the spec's network.
    """
    file = find_model(path)
    task = load_task(spec.data, data_dir=context.data_dir, workers=context.workers)
    model, content = adopt(file, spec.model, task)
    if content is not None:
        # Named by what it becomes, not by what was given: other settings are another network.
        name = hashlib.blake2b(content, digest_size=4).hexdigest()
        file = layout.adopted(context.runs, path.stem, name)
        file.parent.mkdir(parents=True, exist_ok=True)
        _core.write_atomic(str(file), content)
    return Source(
        path=file,
        digest=digest(file),
        model=model,
        images=None,
        pretrain={"id": None, "name": path.stem, "regime": "given"},
    )


def folder_of(spec: PruneSpec, source: Source, context: Context) -> Path:
    """Where this search lives or would live."""
    spec = spec.model_copy(update={"model": source.model})
    run_id = store.run_id("prune", spec, {"weights": source.digest})
    return layout.run_folder(context.runs, "prune", spec.name, run_id)


def asked(spec: PruneSpec, source: Source, context: Context) -> int | None:
    """How many rounds this search was asked for so far; None where it never began."""
    return asked_rounds(folder_of(spec, source, context))


def run(
    spec: PruneSpec, source: Source, context: Context, *, asked: bool = True
) -> tuple[Path, list[dict[str, Any]]]:
    """Find tickets up to round ``spec.rounds``, or find that they are there.

    Round r trains the network from the pre-trained weights under the masks of round r - 1,
    removes ``round(rate * remaining)`` of the weights still kept, those of smallest magnitude
    over all convolutions, and records the masks. The next round starts from the pre-trained
    weights again (proven by digest).

    Args:
        asked: whether ``spec.rounds`` is how far the search is to go. `dwlt transfer` only needs
            some of its rounds, and must not shorten what was asked for.

    Returns:
        The run folder and the results of rounds 0 to ``spec.rounds``.

    Raises:
        BusyError: another process works on this run.
        InterruptError: the user asked to stop; the last complete epoch is saved.
    """
    folder = folder_of(spec, source, context)
    spec = spec.model_copy(update={"model": source.model})
    results = _results(folder, spec.rounds)
    if len(results) == spec.rounds + 1:
        slot_of(layout.round_folder(folder, spec.rounds), {}).clear()
        context.observe(StageDone("prune", str(folder), reused=True))
        return folder, results
    device = pick(context.device, context.threads)
    starts = {"weights": source.digest}
    plan = [
        (layout.round_name(r), str(Path(layout.round_name(r)) / layout.RESULT))
        for r in range(spec.rounds + 1)
    ]
    with Run(folder, spec, starts, plan) as run_:
        if asked:
            run_.ledger.note(json.dumps({"event": "asked", "rounds": spec.rounds}))
        search = _Search(run_, spec, source, context, device)
        while (step := run_.ledger.next()) is not None:
            search.round(int(step.removeprefix("round-")))
    context.observe(StageDone("prune", str(folder), reused=False))
    return folder, _results(folder, spec.rounds)


def ticket(folder: Path, source: Source, round_: int) -> Ticket:
    """The ticket of a finished round.

    Raises:
        LedgerError: the round is not there.
    """
    result = read_result(layout.round_folder(folder, round_) / layout.RESULT)
    if result is None:
        raise LedgerError(f"{folder} has no finished round {round_}", hint="run `dwlt prune`")
    return Ticket(source, layout.round_folder(folder, round_) / layout.MASK, round_, result)


def _results(folder: Path, rounds: int) -> list[dict[str, Any]]:
    found = (read_result(layout.round_folder(folder, r) / layout.RESULT) for r in range(rounds + 1))
    return [result for result in found if result is not None]


class _Search:
    """The rounds of one search. One model object serves all of them."""

    def __init__(
        self, run_: Run, spec: PruneSpec, source: Source, context: Context, device: torch.device
    ) -> None:
        self.run = run_
        self.spec = spec
        self.source = source
        self.context = context
        self.device = device
        self.task: Task = open_task(spec, context)
        if source.images is not None and source.images != self.task.fingerprint:
            raise DataError(
                f"the images of {self.task.name} are not those that {source.path} was "
                "pre-trained on",
                hint="put the old images back, or pre-train anew in another --runs folder",
            )
        run_.begin(self.task.fingerprint, describe(device))
        self.model: Model
        self.blueprint: Blueprint
        self.model, self.blueprint = read_model(source.path)
        self.blueprint.require(self.task)
        done = sum(1 for r in range(spec.rounds + 1) if run_.ledger.done(layout.round_name(r)))
        left = max(0, spec.rounds - max(0, done - 1)) * spec.train.epochs
        context.observe(
            StageStarted(
                "prune",
                f"{self.blueprint.model.name} on {self.task.name}, {spec.rounds} rounds of "
                f"{spec.rate:.0%}, {spec.train.regime}",
                left,
            )
        )

    def round(self, round_: int) -> None:
        """Do one round and commit it."""
        if self.context.stop():
            raise stopped(f"pruning, before round {round_}")
        if round_ == 0:
            shapes = {name: tuple(p.shape) for name, p in prunable(self.model).items()}
            if not shapes:
                raise ModelError(
                    f"{self.blueprint.model.name} has no 2-d convolution, so there is nothing to "
                    "prune",
                    hint="dwlt prunes the weights of nn.Conv2d layers",
                )
            self._commit(0, _core.MaskSet.dense(shapes), None, None, (), [])
            return
        before = _core.MaskSet.load(str(self._file(round_ - 1, layout.MASK)))
        training = Training(
            self.run,
            self.task,
            self.context,
            self.device,
            into=layout.round_name(round_),
            label=f"round {round_}/{self.spec.rounds}",
        )
        rewound = self._rewind()
        outcome = training.fit(
            self.model,
            self.spec.train,
            augment=self.spec.data.augment,
            seed=self.spec.seed,
            scoring=self.spec.score,
            masks=to_bool_tensors(before, self.device),
        )
        keep = before.kept - _core.count_to_remove(before.kept, self.spec.rate)
        masks = magnitude_masks(prunable(self.model), keep=keep, within=before)
        masks.check_lineage(before)
        search = {
            "under_round": round_ - 1,
            "rewound_to": rewound,
            "validation": outcome.records[-1].validation if outcome.records else None,
        }
        self._commit(round_, masks, before.digest, search, outcome.flags, training.files)
        training.slot.clear()

    def _rewind(self) -> str:
        """Load the pre-trained weights anew, and prove it: the model's digest is the file's.

        Raises:
            LedgerError: the file has changed since the search began.
        """
        load_into(self.model, self.source.path)
        found = digest_of(self.model)
        if found != self.source.digest:
            raise LedgerError(
                f"{self.source.path} now holds {found}; the search began from {self.source.digest}",
                hint="put the old weights back, or start another search from these",
            )
        return found

    def _commit(
        self,
        round_: int,
        masks: _core.MaskSet,
        parent: str | None,
        search: dict[str, Any] | None,
        flags: tuple[Flag, ...],
        files: list[str],
    ) -> None:
        into = layout.round_name(round_)
        (self.run.folder / into).mkdir(exist_ok=True)
        masks.save(
            str(self._file(round_, layout.MASK)),
            round=round_,
            weights=self.source.digest,
            parent=parent,
        )
        self.run.finish(
            into,
            {
                "round": round_,
                "kept": masks.kept,
                "total": masks.total,
                "rate": self.spec.rate,
                "method": self.spec.method,
                "regime": self.spec.train.regime,
                "seed": self.spec.seed,
                "mask": masks.digest,
                "parent": parent,
                "weights": self.source.digest,
                "pretrain": self.source.pretrain,
                "layers": layer_values(masks),
                "search": search,
                "task": task_values(self.task),
                "flags": flag_values(flags),
            },
            files=[*files, str(Path(into) / layout.MASK)],
            into=into,
            device=describe(self.device),
        )
        found = (
            "" if search is None or search["validation"] is None else summary(search["validation"])
        )
        shown = f"; before pruning: {found}" if found else ""
        self.context.observe(
            StepDone(
                f"round {round_}/{self.spec.rounds}",
                f"sparsity {percent(masks.kept, masks.total)}, {masks.kept:,} of "
                f"{masks.total:,} kept{shown}",
            )
        )

    def _file(self, round_: int, name: str) -> Path:
        return layout.round_folder(self.run.folder, round_) / name


def layer_values(masks: _core.MaskSet) -> list[dict[str, Any]]:
    """The ``layers`` part of result files."""
    return [{"name": n, "kept": kept, "total": total} for n, kept, total in masks.layers()]
