"""All results below one runs folder."""

from __future__ import annotations

from dataclasses import dataclass, field

from dwlt.results.evaluate import EvaluateResult
from dwlt.results.flags import Notice
from dwlt.results.frontier import FrontierResult
from dwlt.results.pretrain import PretrainResult
from dwlt.results.prune import PruneRound
from dwlt.results.run import RunResult
from dwlt.results.transfer import TransferResult


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A run folder without its last result file; ``detail`` says how far it came."""

    stage: str
    folder: str
    detail: str


@dataclass(frozen=True, slots=True)
class ReportData:
    """Everything that could be read below a runs folder, in a fixed order."""

    pretrain: tuple[PretrainResult, ...] = ()
    prune: tuple[PruneRound, ...] = ()
    transfer: tuple[TransferResult, ...] = ()
    evaluate: tuple[EvaluateResult, ...] = ()
    unfinished: tuple[Unfinished, ...] = ()
    warnings: tuple[Notice, ...] = field(default=())
    frontier: tuple[FrontierResult, ...] = ()

    @property
    def runs(self) -> tuple[RunResult, ...]:
        """Each finished run once, by folder (the rounds of a prune run share theirs)."""
        runs: list[RunResult] = [*self.pretrain, *self.prune, *self.transfer]
        runs += [*self.evaluate, *self.frontier]
        by_folder = {run.folder: run for run in runs}
        return tuple(by_folder[folder] for folder in sorted(by_folder))
