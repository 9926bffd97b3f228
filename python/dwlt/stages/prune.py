"""``prune``: find tickets round by round, by one of the methods."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch

from dwlt import _core
from dwlt.data import Task
from dwlt.errors import DataError, LedgerError
from dwlt.events import Message, StageStarted, StepDone
from dwlt.results import Layer, Origin, PruneRound
from dwlt.runs import layout
from dwlt.runs.complete import Prepared, StepResult, Work, complete
from dwlt.runs.context import Context
from dwlt.runs.done import finished
from dwlt.runs.plan import Search, SourceWeights
from dwlt.runs.store import Run
from dwlt.spec import PruneSpec
from dwlt.stages.common import clear_checkpoints, first_of_each, open_task, stopped, task_info
from dwlt.stages.methods import METHODS, Rounds, RoundTicket
from dwlt.stages.pretrain import summary
from dwlt.stages.rehearsed import rehearse_file
from dwlt.stages.source import ensure_source
from dwlt.stages.together import group_of
from dwlt.training.device import choose_device, describe
from dwlt.units import sparsity_text


def run(
    search: Search, context: Context, *, rounds: int | None = None, asked: bool = True
) -> tuple[Path, list[PruneRound]]:
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
        As ``runs.complete``.
    """
    last = search.spec.rounds if rounds is None else rounds
    source = search.pretraining.proven_source or ensure_source(search.pretraining, context)
    spec = search.resolved(source)
    work = _Prune(search, source, context, last, asked=asked)
    done = complete(spec, search.starts(source), work, context, rounds=last)
    return done.folder, done.results


def found(search: Search, rounds: int) -> tuple[Path, list[PruneRound]]:
    """Folder and results of a search that has been run."""
    folder = search.folder
    assert folder is not None
    results = (search.round(round_) for round_ in range(rounds + 1))
    return folder, [result for result in results if result is not None]


class _Prune(Work[PruneRound]):
    result = PruneRound

    def __init__(
        self, search: Search, source: SourceWeights, context: Context, rounds: int, *, asked: bool
    ) -> None:
        self.search = search
        self.source = source
        self.context = context
        self.rounds = rounds
        self.asked = asked
        self.device: torch.device
        self.task: Task
        self.work: Rounds

    def prepare(self) -> Prepared:
        if self.search.of is not None:
            run(self.search.of, self.context, rounds=self.rounds, asked=False)
        self.device = choose_device(self.context.device, self.context.threads)
        self.task = open_task(self.search.spec, self.context)
        source = self.source
        spec = self.search.spec
        # What a network is pruned by on its own has been looked at when it was pre-trained.
        usual = spec.layers == "auto" and not (spec.include or spec.exclude)
        layers = None if usual else self.search.resolved(source).choice
        rehearse_file(source.path, source.model, self.task, self.context, self.device, layers)
        return Prepared(self.task.fingerprint, describe(self.device, group_of(self.context).size))

    def begin(self, run: Run) -> None:
        if self.asked:
            run.note("asked", rounds=self.rounds)
        _require_images(self.search, self.source, self.task.name, self.task.fingerprint)
        self.work = Rounds(
            run, self.search, self.source, self.task, self.context, self.device, self.rounds
        )
        _announce(run, self.work)

    def do(self, run: Run, step: str) -> StepResult:
        round_ = int(step.removeprefix("round-"))
        if self.context.stop():
            raise stopped(f"pruning, before round {round_}")
        work = self.work
        if round_ == 0:
            parent = None
            ticket = RoundTicket(_core.MaskSet.dense(work.shapes()), self.source.digest)
        else:
            before = work.masks(round_ - 1)
            parent = before.digest
            ticket = METHODS[work.spec.method](work, round_)
            ticket.masks.check_lineage(before)
        _require_parent_of_next(run.folder, round_, ticket.masks.digest)
        return _save(work, round_, ticket, parent)

    def clear(self, folder: Path, step: str) -> None:
        clear_checkpoints(folder / step)

    def tell(self, step: str, result: PruneRound) -> None:
        validation = result.validation
        shown = f"; before pruning: {summary(validation)}" if validation is not None else ""
        kept, total = result.kept, result.total
        self.context.observe(
            StepDone(
                f"round {result.round}/{self.rounds}",
                f"sparsity {sparsity_text(kept, total)}, {kept:,} of {total:,} kept{shown}",
            )
        )


def _require_images(search: Search, source: SourceWeights, name: str, images: str) -> None:
    same = search.spec.data == search.pretraining.spec.data
    if same and source.images is not None and source.images != images:
        raise DataError(
            f"the images of {name} are not those that {source.path} was pre-trained on",
            hint="put the old images back, or pre-train anew in another --runs folder",
        )


def _require_parent_of_next(folder: Path, round_: int, found: str) -> None:
    """A round that is done again must give the masks that the finished round after it started from.

    Raises:
        LedgerError: it does not: another machine or version of PyTorch computes it otherwise.
    """
    following = finished(folder, PruneRound, layout.round_step(round_ + 1))
    if following is not None and following.parent != found:
        raise LedgerError(
            f"{folder}: round {round_}, done again, gives the masks {found}, but round "
            f"{round_ + 1} was made from {following.parent}",
            hint=f"remove {folder} to run the search again",
        )


def _announce(run_: Run, work: Rounds) -> None:
    spec = work.spec
    done = sum(1 for r in range(work.rounds + 1) if run_.ledger.done(layout.round_name(r)))
    left = max(0, work.rounds - max(0, done - 1))
    trainings = min(left, int(done < 2)) if spec.method == "oneshot" else left
    epochs = 0 if spec.train is None else trainings * spec.train.epochs
    work.context.observe(
        StageStarted(
            "prune",
            f"{work.blueprint.model.name} on {work.task.name}, {spec.how}, {work.rounds} "
            f"rounds of {spec.rate:.0%}" + ("" if spec.train is None else f", {spec.regime}"),
            epochs,
        )
    )
    prunable = sum(one.numel() for one in work.prunable().values())
    share = f"{prunable:,} of {work.parameters:,} parameters ({prunable / work.parameters:.1%})"
    kind = "chosen for this kind of network" if work.search.spec.layers == "auto" else "as asked"
    work.context.observe(Message(f"prunable: {spec.choice.text}, {kind}: {share}"))
    for flag in work.flags():
        work.context.observe(Message(flag.text, warning=True))


def _save(work: Rounds, round_: int, ticket: RoundTicket, parent: str | None) -> StepResult:
    """Write a round's masks, and say what its result holds."""
    folder = layout.round_folder(work.run.folder, round_)
    spec, masks = work.spec, ticket.masks
    folder.mkdir(exist_ok=True)
    masks.save(str(folder / layout.MASK), round=round_, weights=ticket.weights, parent=parent)
    return StepResult(
        {
            "round": round_,
            "kept": masks.kept,
            "total": masks.total,
            "rate": _rate(spec),
            "method": spec.method,
            "criterion": spec.criterion,
            "scope": spec.scope,
            "regime": spec.regime,
            "rewind": spec.rewind,
            "of": _of(work),
            "seed": spec.seed,
            "mask": masks.digest,
            "parent": parent,
            "weights": ticket.weights,
            "weights_file": ticket.weights_file,
            "pretrain": work.source.pretrain,
            "layers": layers_of(masks, work.shapes()),
            "parameters": work.parameters,
            "search": ticket.search,
            "task": task_info(work.task),
            **({} if ticket.ids is None else {"ids": ticket.ids}),
            "flags": first_of_each((*work.flags(), *ticket.flags)),
        },
        [*ticket.files, f"{layout.round_name(round_)}/{layout.MASK}"],
    )


def _rate(spec: PruneSpec) -> float:
    """The share of the kept weights that a round removes; a pattern such as 2:4 says its own."""
    if not spec.patterned:
        return spec.rate
    keep, of = map(int, spec.scope.split(":"))
    return 1 - keep / of


def _of(work: Rounds) -> Origin | None:
    if work.search.of is None:
        return None
    folder = work.search.of.folder_from(work.source)
    return Origin(layout.id_of(folder), work.search.of.spec.name)


def layers_of(masks: _core.MaskSet, names: Iterable[str]) -> list[Layer]:
    """The ``layers`` part of result files, in the order of ``names``, which is the network's."""
    counts = {name: (kept, total) for name, kept, total in masks.layers()}
    return [Layer(name, *counts[name]) for name in names]
