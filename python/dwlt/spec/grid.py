"""``[grid]``: many experiments in one config, as the lists that their settings are taken from."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from dwlt.spec.base import Spec
from dwlt.spec.parts import Regime
from dwlt.spec.stages import Method

TransferRegime = Literal["standard", "adversarial"]
Strategy = Literal["full", "frontier"]
TRANSFER_REGIMES: tuple[TransferRegime, ...] = ("standard", "adversarial")
"""The two regimes that a verdict needs."""


class GridTask(Spec):
    """One downstream task of a grid.

    Attributes:
        task: as in ``TaskSpec``.
        data: what differs from ``[downstream]``.
        transfer: what differs from ``[transfer]``: its tables ``train``, ``standard`` and
            ``adversarial``.
    """

    task: str
    data: dict[str, Any] = Field(default_factory=dict)
    transfer: dict[Literal["train", "standard", "adversarial"], dict[str, Any]] = Field(
        default_factory=dict
    )


Fraction = Annotated[float, Field(gt=0, le=1)]


class GridFraction(Spec):
    """One share of the downstream training images.

    Attributes:
        fraction: the share.
        transfer: what differs from ``[transfer]`` at this share: a tenth of the images gives a
            tenth of the steps in as many epochs, which may be too few to learn anything.
    """

    fraction: Fraction
    transfer: dict[Literal["train", "standard", "adversarial"], dict[str, Any]] = Field(
        default_factory=dict
    )


def _named(value: Any) -> Any:
    return {"task": value} if isinstance(value, str) else value


def _numbered(value: Any) -> Any:
    return {"fraction": value} if isinstance(value, int | float) else value


Round = Annotated[int, Field(ge=1)]


class Grid(Spec):
    """Every combination of these is an experiment. An empty list stands for the config's own value.

    Attributes:
        pretrain: pre-training regimes.
        prune: regimes of the searches; "same" is that of the pre-training.
        methods: how tickets are made; see ``PruneSpec``.
        on: what searches train on: "source", "downstream" or both.
        tasks: downstream tasks, by name or as tables.
        fractions: shares of the downstream training images, as numbers or as tables.
        regimes: transfer regimes. A verdict needs both.
        control_rounds: rounds that methods other than `imp` are transferred at; empty: as `imp`.
        control_fractions: fractions that they are transferred at; empty: all.
        strategy: what `dwlt run` transfers. "full": every round and seed. "frontier": of each
            combination of tickets, only what it takes to find the extreme sparsity (`dwlt
            frontier`); controls are transferred at their rounds as ever.
        replicates: how often everything is drawn anew: pre-training, search, data subset and
            transfer. The first one is the experiment as it is without this setting.
    """

    pretrain: tuple[Regime, ...] = ()
    prune: Literal["same"] | tuple[Regime, ...] = ()
    methods: tuple[Method, ...] = ()
    on: tuple[Literal["source", "downstream"], ...] = ()
    tasks: tuple[Annotated[GridTask, BeforeValidator(_named)], ...] = ()
    fractions: tuple[Annotated[GridFraction, BeforeValidator(_numbered)], ...] = ()
    regimes: tuple[TransferRegime, ...] = TRANSFER_REGIMES
    control_rounds: tuple[Round, ...] = ()
    control_fractions: tuple[Fraction, ...] = ()
    strategy: Strategy = "full"
    replicates: Annotated[int, Field(ge=1, le=100)] = 1

    @model_validator(mode="after")
    def _controls_are_part_of_it(self) -> Self:
        shares = [one.fraction for one in self.fractions]
        lost = sorted(set(self.control_fractions) - set(shares))
        if len(set(shares)) < len(shares):
            raise ValueError("fractions names a share twice")
        if lost:
            raise ValueError(f"control_fractions has {lost[0]:g}, which fractions has not")
        if self.strategy == "frontier" and set(self.regimes or TRANSFER_REGIMES) != set(
            TRANSFER_REGIMES
        ):
            raise ValueError('strategy "frontier" needs both transfer regimes')
        return self
