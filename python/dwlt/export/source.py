"""What is exported: a finished run's network, its masks, and the results that speak of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dwlt import _core
from dwlt.errors import LedgerError, UserError
from dwlt.results import PretrainResult, PruneRound, Score, TransferResult
from dwlt.runs import layout
from dwlt.runs.done import finished
from dwlt.runs.folder import steps_on_disk
from dwlt.runs.verify import require_as_committed

Exportable = PretrainResult | PruneRound | TransferResult


@dataclass(frozen=True)
class Source:
    """A network that can be exported.

    Attributes:
        runs: the runs folder.
        weights: its model file.
        masks: the ticket's masks; None for a dense network.
        mask_file: where these are.
        result: the result of the run, or of the round.
        checkpoint: "sa" or "ra" of a transfer: the best on validation by that; None for others.
    """

    runs: Path
    weights: Path
    masks: _core.MaskSet | None
    mask_file: Path | None
    result: Exportable
    checkpoint: str | None = None

    @property
    def test(self) -> Score | None:
        """How it scored on the test images; None where it was not scored there."""
        if isinstance(self.result, PretrainResult):
            return self.result.test
        if isinstance(self.result, TransferResult):
            best = self.result.best_ra if self.checkpoint == "ra" else self.result.best_sa
            return None if best is None else best.test
        return None


def find_source(run: Path, *, round_: int | None = None, checkpoint: str | None = None) -> Source:
    """The network of a finished run, with every file proven to be the one that was committed.

    Args:
        run: a run folder of ``pretrain``, ``prune`` or ``transfer``.
        round_: of a search; None: its last finished one.
        checkpoint: "sa" or "ra", of a transfer; None: "ra" where RA was measured, else "sa".

    Raises:
        UserError: it is no such folder, not finished, or an option does not belong to its stage.
        LedgerError: a file of it is gone or no longer as it was.
    """
    folder = run.resolve()
    stage, runs = folder.parent.name, folder.parent.parent
    if not folder.is_dir() or stage not in ("pretrain", "prune", "transfer"):
        raise UserError(
            f"{run} is no run folder of pretrain, prune or transfer",
            hint="`dwlt runs` lists them; name one, as in runs/transfer/digits-0a1b2c3d",
        )
    if round_ is not None and stage != "prune":
        raise UserError(f"{run} is a {stage} run: --round belongs to a search (prune)")
    if checkpoint is not None and stage != "transfer":
        raise UserError(f"{run} is a {stage} run: --checkpoint belongs to a transfer")
    if stage == "pretrain":
        found = finished(folder, PretrainResult)
        if found is None:
            raise _unfinished(run)
        return Source(runs, _proven(folder / layout.MODEL), None, None, found)
    if stage == "prune":
        return _round(run, folder, runs, round_)
    return _cell(run, folder, runs, checkpoint)


def _unfinished(run: Path) -> UserError:
    return UserError(f"{run} is not finished", hint="run its command again; `dwlt runs` shows it")


def _proven(file: Path) -> Path:
    if not file.is_file():
        raise LedgerError(f"{file} is gone", hint="put it back, or run its command again")
    require_as_committed(file)
    return file


def _round(run: Path, folder: Path, runs: Path, round_: int | None) -> Source:
    there = range(len(steps_on_disk(folder)))
    wanted = [round_] if round_ is not None else [*reversed(there)]
    for number in wanted:
        found = finished(folder, PruneRound, layout.round_step(number))
        if found is not None:
            break
    else:
        if round_ is None:
            raise _unfinished(run)
        raise UserError(f"{run} has no finished round {round_}", hint="`dwlt runs show` lists them")
    if found.weights_file is not None:
        weights = _proven(folder / found.weights_file)
    else:
        weights = _pretrained(runs, found)
    mask = _proven(layout.round_folder(folder, found.round) / layout.MASK)
    return Source(runs, weights, _masks(mask, found.mask), mask, found)


def _pretrained(runs: Path, found: PruneRound) -> Path:
    """The model file whose digest a round names: a pre-training's, or one that was given."""
    ref = found.pretrain
    own = layout.run_folder(runs, "pretrain", ref.name, ref.id) / layout.MODEL
    given = sorted((runs / "weights").glob("*.safetensors"))
    for file in (own, *given):
        if file.is_file() and _core.digest_file(file) == found.weights:
            return file
    raise LedgerError(
        f"the weights of {found.label} ({found.weights}) are not in {runs}",
        hint=f"put back the pre-training {ref.label} that the search started from",
    )


def _cell(run: Path, folder: Path, runs: Path, checkpoint: str | None) -> Source:
    found = finished(folder, TransferResult)
    if found is None:
        raise _unfinished(run)
    kind = checkpoint or ("sa" if found.best_ra is None else "ra")
    if kind == "ra" and found.best_ra is None:
        raise UserError(f"{run} has no checkpoint chosen by RA", hint="take --checkpoint sa")
    weights = _proven(folder / layout.best(kind))
    if found.kept == found.total:
        return Source(runs, weights, None, None, found, kind)
    search = layout.run_folder(runs, "prune", found.prune.name, found.prune.id)
    mask = _proven(layout.round_folder(search, found.round) / layout.MASK)
    return Source(runs, weights, _masks(mask, found.mask), mask, found, kind)


def _masks(file: Path, digest: str) -> _core.MaskSet:
    masks = _core.MaskSet.load(file)
    if masks.digest != digest:
        raise LedgerError(
            f"{file} now holds {masks.digest}; its round ended with {digest}",
            hint="put the old file back",
        )
    return masks
