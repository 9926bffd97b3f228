"""The tables of a config: attacks, and stages that train, laid over one another by regime."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from dwlt.spec.base import Spec
from dwlt.spec.explain import explain
from dwlt.spec.merge import merged
from dwlt.spec.parts import AttackSpec, Regime
from dwlt.spec.regimes import is_regime, read_options, regime_of, split_awp
from dwlt.spec.stages import (
    Layers,
    Method,
    Rewind,
    Scope,
)
from dwlt.spec.training import TrainSpec
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
