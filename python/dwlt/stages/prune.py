"""``prune``: find tickets round by round, by one of the methods."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dwlt import _core
from dwlt.errors import DataError
from dwlt.events import StageDone, StageStarted, StepDone
from dwlt.results.files import read_result
from dwlt.runs import layout
from dwlt.runs.plan import Search, Source
from dwlt.runs.store import Context, Run
from dwlt.stages.common import flag_values, open_task, slot_of, stopped, task_values
from dwlt.stages.methods import METHODS, Found, Rounds
from dwlt.stages.pretrain import summary
from dwlt.stages.source import obtain
from dwlt.training.device import describe, pick
from dwlt.units import percent


def run(
    search: Search, context: Context, *, rounds: int | None = None, asked: bool = True
) -> tuple[Path, list[dict[str, Any]]]:
    """Find tickets up to a round, or find that they are there. What it starts from comes first.

    Round 0 is the dense network. Round r removes ``round(rate * remaining)`` of the weights still
    kept, as the method of ``search.spec`` chooses, and records the masks.

    Args:
        rounds: how far to go; None: as far as the spec says.
        asked: whether that is how far the search is to go. `dwlt transfer` only needs some of
            its rounds, and must not shorten what was asked for.

    Returns:
        The run folder and the results of rounds 0 to ``rounds``.

    Raises:
        BusyError: another process works on this run.
        InterruptError: the user asked to stop; the last complete epoch is saved.
    """
    last = search.spec.rounds if rounds is None else rounds
    source = search.pretraining.settled or obtain(search.pretraining, context)
    folder = search.folder_from(source)
    results = _results(folder, last)
    if len(results) == last + 1:
        slot_of(layout.round_folder(folder, last), {}).clear()
        context.observe(StageDone("prune", str(folder), reused=True))
        return folder, results
    if search.of is not None:
        run(search.of, context, rounds=last, asked=False)
    device = pick(context.device, context.threads)
    # Before the folder is made: a task that cannot be had leaves nothing behind.
    task = open_task(search.spec, context)
    spec = search.spec.model_copy(update={"model": source.model})
    plan = [
        (layout.round_name(r), str(Path(layout.round_name(r)) / layout.RESULT))
        for r in range(last + 1)
    ]
    with Run(folder, spec, search.starts(source), plan) as run_:
        if asked:
            run_.ledger.note(json.dumps({"event": "asked", "rounds": last}))
        _require_images(search, source, task.name, task.fingerprint)
        run_.begin(task.fingerprint, describe(device))
        work = Rounds(run_, search, source, task, context, device, last)
        _announce(run_, work)
        while (step := run_.ledger.next()) is not None:
            _round(work, int(step.removeprefix("round-")))
    context.observe(StageDone("prune", str(folder), reused=False))
    return folder, _results(folder, last)


def _results(folder: Path, rounds: int) -> list[dict[str, Any]]:
    found = (read_result(layout.round_folder(folder, r) / layout.RESULT) for r in range(rounds + 1))
    return [result for result in found if result is not None]


def found(search: Search, rounds: int) -> tuple[Path, list[dict[str, Any]]]:
    """Folder and results of a search that has been run."""
    folder = search.folder
    assert folder is not None
    return folder, _results(folder, rounds)


def _require_images(search: Search, source: Source, name: str, images: str) -> None:
    same = search.spec.data == search.pretraining.spec.data
    if same and source.images is not None and source.images != images:
        raise DataError(
            f"the images of {name} are not those that {source.path} was pre-trained on",
            hint="put the old images back, or pre-train anew in another --runs folder",
        )


def _announce(run_: Run, work: Rounds) -> None:
    spec = work.spec
    done = sum(1 for r in range(work.rounds + 1) if run_.ledger.done(layout.round_name(r)))
    left = max(0, work.rounds - max(0, done - 1))
    trainings = left if spec.method == "imp" else min(left, int(done < 2))
    epochs = 0 if spec.train is None else trainings * spec.train.epochs
    work.context.observe(
        StageStarted(
            "prune",
            f"{work.blueprint.model.name} on {work.task.name}, {spec.method}, {work.rounds} "
            f"rounds of {spec.rate:.0%}" + ("" if spec.train is None else f", {spec.regime}"),
            epochs,
        )
    )


def _round(work: Rounds, round_: int) -> None:
    """Do one round and commit it."""
    if work.context.stop():
        raise stopped(f"pruning, before round {round_}")
    if round_ == 0:
        found = Found(_core.MaskSet.dense(work.shapes()), work.source.digest)
        _commit(work, 0, found, None)
        return
    before = work.masks(round_ - 1)
    found = METHODS[work.spec.method](work, round_)
    found.masks.check_lineage(before)
    _commit(work, round_, found, before.digest)
    slot_of(layout.round_folder(work.run.folder, round_), {}).clear()


def _commit(work: Rounds, round_: int, found: Found, parent: str | None) -> None:
    into = layout.round_name(round_)
    spec, masks = work.spec, found.masks
    (work.run.folder / into).mkdir(exist_ok=True)
    mask_file = Path(into) / layout.MASK
    masks.save(str(work.run.folder / mask_file), round=round_, weights=found.weights, parent=parent)
    device = describe(work.device)
    work.run.finish(
        into,
        {
            "round": round_,
            "kept": masks.kept,
            "total": masks.total,
            "rate": spec.rate,
            "method": spec.method,
            "regime": spec.regime,
            "rewind": spec.rewind,
            "of": _of(work),
            "seed": spec.seed,
            "mask": masks.digest,
            "parent": parent,
            "weights": found.weights,
            "weights_file": found.weights_file,
            "pretrain": work.source.pretrain,
            "layers": layer_values(masks, work.shapes()),
            "search": found.search,
            "task": task_values(work.task),
            "flags": flag_values(found.flags),
        },
        files=[*found.files, str(mask_file)],
        into=into,
        device=device,
    )
    validation = (found.search or {}).get("validation")
    shown = f"; before pruning: {summary(validation)}" if validation else ""
    work.context.observe(
        StepDone(
            f"round {round_}/{work.rounds}",
            f"sparsity {percent(masks.kept, masks.total)}, {masks.kept:,} of "
            f"{masks.total:,} kept{shown}",
        )
    )


def _of(work: Rounds) -> dict[str, str] | None:
    if work.search.of is None:
        return None
    folder = work.search.of.folder_from(work.source)
    return {"id": layout.id_of(folder), "name": work.search.of.spec.name}


def layer_values(masks: _core.MaskSet, names: Iterable[str]) -> list[dict[str, Any]]:
    """The ``layers`` part of result files, in the order of ``names``, which is the network's."""
    counts = {name: (kept, total) for name, kept, total in masks.layers()}
    return [{"name": n, "kept": counts[n][0], "total": counts[n][1]} for n in names]
