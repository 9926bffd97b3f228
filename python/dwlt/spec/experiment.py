"""An experiment: one TOML from which the spec of every stage follows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from dwlt.errors import SpecError
from dwlt.spec.base import Spec
from dwlt.spec.grid import Grid
from dwlt.spec.parts import ModelSpec, Regime, ScoreSpec, TaskSpec
from dwlt.spec.stages import (
    SCOPED,
    SCORED,
    TRAINED,
    EvaluateSpec,
    PretrainSpec,
    PruneSpec,
    TransferSpec,
)
from dwlt.spec.tables import Attacks, PretrainPart, PrunePart, TransferPart
from dwlt.spec.verdict import VerdictPart
from dwlt.spec.verify import VerifyPart


class Experiment(Spec):
    """The whole of a config file, validated, stages resolved on demand.

    Attributes:
        threads: CPU threads to compute with; None: PyTorch's choice. Small networks run faster
            on one, and the last bits of a result depend on the number. OMP_NUM_THREADS wins.
        checkpoint_minutes: between checkpoints inside an epoch: what a kill can cost. No number
            and no run's name depends on it.
        pictures: how many test images a transfer keeps, clean and attacked, to be looked at; 0
            for none. No number depends on it, and no run is named by it.
        verdict: how tickets are judged; no run depends on it.
        verify: by which stronger attack a verdict is verified; no training depends on it.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    description: str = ""
    seed: int = 0
    threads: Annotated[int, Field(ge=1, le=1024)] | None = None
    checkpoint_minutes: Annotated[float, Field(gt=0)] = 10.0
    pictures: Annotated[int, Field(ge=0, le=64)] = 6
    source: TaskSpec
    downstream: TaskSpec
    model: ModelSpec = ModelSpec()
    attack: Attacks = Attacks()
    score: ScoreSpec = ScoreSpec()
    pretrain: PretrainPart
    prune: PrunePart
    transfer: TransferPart
    verdict: VerdictPart = VerdictPart()
    verify: VerifyPart = VerifyPart()
    grid: Grid | None = None

    @model_validator(mode="after")
    def _every_stage_resolves(self) -> Self:
        # A mistake in a late stage must show before the first one has cost hours.
        self.pretrain_spec()
        self.prune_spec()
        for regime in ("standard", "adversarial"):
            if self.transfer_spec(regime, 0, self.seed).train.epochs < 1:
                raise SpecError(
                    f"transfer under regime {regime} trains for 0 epochs and would choose nothing",
                    hint="set transfer.train.epochs to at least 1",
                )
        self.scoring()
        return self

    def scoring(self) -> ScoreSpec:
        """SA, and RA under ``[attack.evaluate]``."""
        return ScoreSpec(**{**dict(self.score), "attack": self.attack.evaluate})

    def pretrain_spec(self) -> PretrainSpec:
        """The spec of ``dwlt pretrain``."""
        return PretrainSpec(
            name=self.name,
            data=self.source,
            model=self.model,
            train=self.pretrain.settings(self.pretrain.regime, self.attack),
            score=self.scoring(),
            seed=self.seed,
        )

    def prune_spec(self) -> PruneSpec:
        """The spec of ``dwlt prune``."""
        part = self.prune
        return PruneSpec(
            name=self.name,
            data=self.source if part.on == "source" else self.downstream,
            model=self.model,
            train=part.settings(part.regime, self.attack) if part.method in TRAINED else None,
            score=self.scoring(),
            seed=self.seed,
            method=part.method,
            rewind=part.rewind if part.method == "imp" else "pretrained",
            rate=part.rate,
            rounds=part.rounds,
            layers=part.layers,
            include=part.include,
            exclude=part.exclude,
            **self._cut(),
        )

    def _cut(self) -> dict[str, Any]:
        """How rounds are cut, as far as the method heeds it."""
        part = self.prune
        scored = ("criterion", "iterations", "images") if part.method in SCORED else ()
        scoped = ("scope",) if part.method in SCOPED else ()
        return {name: getattr(part, name) for name in (*scored, *scoped)}

    def transfer_spec(self, regime: Regime, round_: int, seed: int) -> TransferSpec:
        """The spec of one cell of ``dwlt transfer``.

        Args:
            regime: how it is trained on the downstream task.
            round_: of the ticket; 0 is the dense network.
            seed: of head, order, augmentation and attacks.
        """
        return TransferSpec(
            name=self.name,
            data=self.downstream,
            model=self.model,
            train=self.transfer.settings(regime, self.attack),
            score=self.scoring(),
            seed=seed,
            round=round_,
        )

    def evaluate_spec(self, data: TaskSpec, score: ScoreSpec) -> EvaluateSpec:
        """The spec of ``dwlt evaluate``."""
        return EvaluateSpec(
            name=self.name, data=data, model=self.model, score=score, seed=self.seed
        )


def spread(rounds: int) -> tuple[int, ...]:
    """A handful of rounds over the whole range, denser where the paper finds its tickets.

    For 20 rounds: 0, 3, 6, 10, 15, 20. Round 6 is 73.79% sparsity and round 10 is 89.26%, the two
    that the paper's abstract names for standard pre-training.
    """
    wanted = {0, 3, 6, 10, 15, 20, rounds}
    return tuple(sorted(r for r in wanted if r <= rounds))


def describe(experiment: Experiment) -> Mapping[str, str]:
    """A few words per part, for a listing of presets."""
    return {
        "source": experiment.source.task,
        "downstream": experiment.downstream.task,
        "model": experiment.model.name,
        "pretrain": experiment.pretrain.regime,
        "threat": experiment.attack.evaluate.label,
    }
