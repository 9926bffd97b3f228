"""What the result files say, as plain typed values. No file access and no judgement here.

Counts stay integers (``correct`` / ``n``, ``kept`` / ``total``); shares are derived from them
when they are shown, so a report never rounds twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dwlt.units import percent


@dataclass(frozen=True, slots=True)
class Accuracy:
    """``correct`` of ``n`` images; 0 <= correct <= n, n > 0."""

    correct: int
    n: int

    @property
    def value(self) -> float:
        """The share in [0, 1]."""
        return self.correct / self.n


@dataclass(frozen=True, slots=True)
class Score:
    """Standard accuracy and, where an attack was run, robust accuracy under that attack."""

    sa: Accuracy
    ra: Accuracy | None
    attack: str | None


@dataclass(frozen=True, slots=True)
class RunRef:
    """Another run that a result came from; ``method`` is "" for anything but a prune run."""

    id: str
    name: str
    regime: str
    method: str = ""

    @property
    def label(self) -> str:
        """Name and id, as the run folder is called."""
        return f"{self.name}-{self.id}"


@dataclass(frozen=True, slots=True)
class Origin:
    """The search that a control was made from."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class SearchRef(RunRef):
    """How tickets were found.

    ``rewind`` is what each round starts from: "pretrained", "none", or the number of epochs after
    which the weights were taken. ``of`` is the search whose masks a control re-uses. ``task`` is
    what the search trained on, None where an older file does not say.
    """

    rewind: str | int = "pretrained"
    of: Origin | None = None
    task: str | None = None

    @property
    def control(self) -> bool:
        """Whether it is anything but iterative magnitude pruning, which controls are held to."""
        return self.method != "imp"


@dataclass(frozen=True, slots=True)
class Layer:
    """One prunable tensor: how many of its weights are kept."""

    name: str
    kept: int
    total: int

    @property
    def density(self) -> float:
        """The kept share in [0, 1]; an empty tensor counts as whole."""
        return self.kept / self.total if self.total else 1.0


@dataclass(frozen=True, slots=True)
class TaskInfo:
    """The data of a run: class names, image shape (C, H, W), images per split, digest.

    ``notes`` are sentences about how the data was made, such as a test part that was cut off.
    """

    name: str
    classes: tuple[str, ...]
    shape: tuple[int, ...]
    train: int
    validation: int
    test: int
    fingerprint: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Notice:
    """Something the reader of a report must know.

    ``code`` is stable and meant for machines, ``where`` names the run, file or group, ``text``
    is a sentence. Both flags (about results) and warnings (about files) are notices.
    """

    where: str
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Run:
    """What every result file has in common.

    ``folder`` is the run folder relative to the runs folder; ``spec`` is kept as it was read.
    """

    stage: str
    id: str
    name: str
    folder: str
    task: TaskInfo
    spec: Mapping[str, object]
    flags: tuple[Notice, ...]
    environment: Mapping[str, str]
    seconds: float
    finished: str

    @property
    def label(self) -> str:
        """Name and id, as the run folder is called."""
        return f"{self.name}-{self.id}"


@dataclass(frozen=True, slots=True)
class PretrainResult:
    """A finished pre-training run."""

    run: Run
    regime: str
    seed: int
    weights: str
    validation: Score
    test: Score


@dataclass(frozen=True, slots=True)
class PruneResult:
    """One finished round of a prune run. ``search`` is how the network of the round before
    scored on the validation split at the end of this round's training (None for round 0)."""

    run: Run
    round: int
    kept: int
    total: int
    rate: float
    seed: int
    mask: str
    weights: str
    pretrain: RunRef
    prune: SearchRef
    layers: tuple[Layer, ...]
    search: Score | None


@dataclass(frozen=True, slots=True)
class Best:
    """The checkpoint that validation chose, and its one visit to the test set."""

    epoch: int
    validation: Score
    test: Score


@dataclass(frozen=True, slots=True)
class TransferResult:
    """One finished transfer: a network (dense or ticket), a regime, a seed, a data fraction."""

    run: Run
    round: int
    kept: int
    total: int
    regime: str
    seed: int
    fraction: float
    mask: str
    weights: str
    layers: tuple[Layer, ...]
    pretrain: RunRef
    prune: SearchRef
    best_sa: Best
    best_ra: Best | None

    def of_one_checkpoint(self, kind: str) -> Accuracy | None:
        """SA or RA on the test set, both of the best-RA checkpoint."""
        if self.best_ra is None:
            return None
        return self.best_ra.test.sa if kind == "sa" else self.best_ra.test.ra

    def accuracy(self, kind: str) -> Accuracy | None:
        """SA of the best-SA checkpoint or RA of the best-RA checkpoint, both on the test set."""
        if kind == "sa":
            return self.best_sa.test.sa
        return self.best_ra.test.ra if self.best_ra is not None else None

    @property
    def attack(self) -> str | None:
        """The attack behind RA, or None where RA was not measured."""
        if self.best_ra is None or self.best_ra.test.ra is None:
            return None
        return self.best_ra.test.attack


@dataclass(frozen=True, slots=True)
class AttackOutcome:
    """One attack of an evaluation; ``after`` is RA against it and those before it."""

    name: str
    tried: int
    fooled: int
    after: Accuracy


@dataclass(frozen=True, slots=True)
class SweepPoint:
    """RA at one eps (as text), with its interval; at eps 0 it is SA."""

    eps: str
    ra: Accuracy
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Corrupted:
    """SA on images with one corruption at one severity."""

    name: str
    severity: int
    sa: Accuracy


@dataclass(frozen=True, slots=True)
class EvaluateResult:
    """A finished evaluation of one model file; parts that were not asked for are empty.

    Attributes:
        mask: the mask file that was laid on the weights, or None.
        source: the model that the attack was made on, where it was another one.
        images: digest of the test images; None in results that do not say.
        weights: digest of the weights.
        laid_on: digest of the masks that were laid on them, or None.
        robust: of each image, by its number, whether it held; empty where the file does not say.
    """

    run: Run
    model: str
    test: Score
    weights: str | None = None
    laid_on: str | None = None
    robust: Mapping[int, bool] = field(default_factory=dict)
    mask: str | None = None
    source: str | None = None
    images: str | None = None
    attacks: tuple[AttackOutcome, ...] = ()
    sweep: tuple[SweepPoint, ...] = ()
    corruptions: tuple[Corrupted, ...] = ()


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
    prune: tuple[PruneResult, ...] = ()
    transfer: tuple[TransferResult, ...] = ()
    evaluate: tuple[EvaluateResult, ...] = ()
    unfinished: tuple[Unfinished, ...] = ()
    warnings: tuple[Notice, ...] = field(default=())

    @property
    def runs(self) -> tuple[Run, ...]:
        """Each finished run once, by folder (the rounds of a prune run share theirs)."""
        runs = [
            *(result.run for result in self.pretrain),
            *(result.run for result in self.prune),
            *(result.run for result in self.transfer),
            *(result.run for result in self.evaluate),
        ]
        by_folder = {run.folder: run for run in runs}
        return tuple(by_folder[folder] for folder in sorted(by_folder))


def sparsity(kept: int, total: int) -> str:
    """Sparsity as text, from the integers: "89.26%"."""
    return percent(kept, total)
