"""An experiment: one TOML from which the spec of every stage follows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from dwlt.errors import SpecError
from dwlt.spec.base import Spec
from dwlt.spec.explain import explain
from dwlt.spec.grid import Grid
from dwlt.spec.merge import merged
from dwlt.spec.parts import AttackSpec, ModelSpec, Regime, ScoreSpec, TaskSpec, TrainSpec
from dwlt.spec.regimes import is_regime, read_options, regime_of, split_awp
from dwlt.spec.stages import (
    SCOPED,
    SCORED,
    TRAINED,
    EvaluateSpec,
    Layers,
    Method,
    PretrainSpec,
    PruneSpec,
    Rewind,
    Scope,
    TransferSpec,
)
from dwlt.spec.verdict import VerdictPart
from dwlt.spec.verify import VerifyPart
from dwlt.units import Eps

Settings = dict[str, Any]
"""Keys of a TrainSpec. Kept as given, so that regimes can be laid over what they share."""


class Attacks(Spec):
    """The attacks of an experiment by use. Stages may override parts of the training ones."""

    fast: AttackSpec = AttackSpec(steps=1, step=Eps("10/255"))
    adversarial: AttackSpec = AttackSpec()
    evaluate: AttackSpec = AttackSpec(steps=20)


class TrainingPart(Spec):
    """A stage that trains: settings shared by its regimes, and what each regime changes.

    Attributes:
        others: what further regimes change, by name. A config writes these as tables of their own,
            like those of the first three: ``[pretrain.trades]``, ``[pretrain.trades-awp]``.
    """

    train: Settings = Field(default_factory=dict)
    standard: Settings = Field(default_factory=dict)
    fast: Settings = Field(default_factory=dict)
    adversarial: Settings = Field(default_factory=dict)
    others: dict[Regime, Settings] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _tables_of_regimes(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        tables = {key for key in values if key not in cls.model_fields and is_regime(key)}
        if not tables:
            return values
        others = {**values.get("others", {}), **{key: values[key] for key in tables}}
        rest = {key: value for key, value in values.items() if key not in tables}
        return {**rest, "others": others}

    def own(self, regime: Regime) -> Settings:
        """What a regime changes; under weight perturbation, on top of what the plain one does."""
        base, awp = split_awp(regime)
        tables = [self._table(base), *([self._table(regime)] if awp else [])]
        return merged(*tables) if awp else dict(tables[0])

    def _table(self, regime: Regime) -> Settings:
        found: Settings = (
            getattr(self, regime) if regime in _TABLES else self.others.get(regime, {})
        )
        return found

    def settings(self, regime: Regime, attacks: Attacks) -> TrainSpec:
        """The training under ``regime``: shared settings, the regime's own, then its attack.

        Raises:
            SpecError: a key or value does not fit; the message names the part it stands in.
        """
        shared: Settings = dict(self.train)
        own = self.own(regime)
        options = {**shared.pop("options", {}), **own.pop("options", {})}
        if options:
            own["options"] = options
        # What regimes share of an attack, such as its radius, is no business of one without.
        changes = shared.pop("attack", {})
        use = regime_of(regime).attack
        if use is not None:
            changes = {**changes, **own.get("attack", {})}
            attack = {**getattr(attacks, use).model_dump(), **changes}
            defaults = read_options(regime, options).attack_defaults(attack["eps"])
            own["attack"] = {**attack, **defaults, **changes}
        together: Settings = {**shared, **own, "regime": regime}
        try:
            return TrainSpec.model_validate(together)
        except ValidationError as error:
            part = type(self).__name__.removesuffix("Part").lower()
            raise explain(error, f"[{part}] under regime {regime}", TrainSpec) from error


_TABLES = ("standard", "fast", "adversarial")
"""Regimes whose tables are fields; those of others stand in ``others``."""


class PretrainPart(TrainingPart):
    """``[pretrain]``: how the source network is trained.

    Attributes:
        weights: given weights instead of a training: one text for all, or one per regime
            (``weights.adversarial = "robust.safetensors"``). A model file, a run folder,
            another checkpoint that ``dwlt import`` reads, or ``torchvision:NAME``.
    """

    regime: Regime = "adversarial"
    weights: str | dict[Regime, str] | None = None

    @property
    def given(self) -> tuple[str, str] | None:
        """The weights given for this regime and what to call their regime; None: they are trained.

        Weights that were given without a regime are "given": only their owner knows it.
        """
        if isinstance(self.weights, str):
            return self.weights, "given"
        text = (self.weights or {}).get(self.regime)
        return None if text is None else (text, self.regime)


class PrunePart(TrainingPart):
    """``[prune]``: how tickets are looked for.

    Attributes:
        on: the task that rounds train on: "source" or "downstream".
        method, rewind, rate, rounds, layers, include, exclude: as in ``PruneSpec``.
        criterion, scope, iterations, images: as there, for the methods that heed them.
    """

    regime: Regime = "adversarial"
    on: Literal["source", "downstream"] = "source"
    method: Method = "imp"
    rewind: Rewind = "pretrained"
    rate: Annotated[float, Field(gt=0, lt=1)] = 0.2
    rounds: Annotated[int, Field(ge=1, le=1000)] = 20
    layers: Layers = "auto"
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    criterion: str = "magnitude"
    scope: Scope = "global"
    iterations: Annotated[int, Field(ge=1, le=10_000)] | None = None
    images: Annotated[int, Field(ge=1)] = 512


class TransferPart(TrainingPart):
    """``[transfer]``: which tickets move where.

    Attributes:
        rounds: "spread" (a few over the whole range), "all", or a list. Round 0 always counts.
        seeds: number of runs per cell, with seeds ``seed, seed + 1, ...``.
        fast: stays empty; transfers are standard or adversarial, the two that a verdict needs.
    """

    rounds: Literal["spread", "all"] | tuple[Annotated[int, Field(ge=0)], ...] = "spread"
    seeds: Annotated[int, Field(ge=1, le=1000)] = 1

    @model_validator(mode="after")
    def _every_table_is_used(self) -> Self:
        for regime in (*(["fast"] if self.fast else []), *self.others):
            raise ValueError(
                f"transfer.{regime} is used by nothing: transfers are standard or adversarial"
            )
        return self


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
