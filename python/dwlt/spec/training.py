"""How a network is trained, as a spec: regime, optimiser, schedule, attack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    SerializeAsAny,
    ValidationInfo,
    field_validator,
    model_validator,
)

from dwlt.errors import SpecError
from dwlt.spec.base import Spec
from dwlt.spec.parts import AttackSpec, Epochs, Regime
from dwlt.spec.regimes import (
    AwpOptions,
    Options,
    kept_options,
    read_options,
    regime_of,
)


def _read_micro_batch(value: Any) -> Any:
    # TOML has no null: a config that extends another says so when it wants the whole batch again.
    return None if value == "whole" else value


MicroBatch = Annotated[Annotated[int, Field(ge=2)] | None, BeforeValidator(_read_micro_batch)]

Share = Annotated[float, Field(ge=0)]

Point = tuple[Share, Share]


class TrainSpec(Spec):
    """How a network is trained, at any stage.

    Attributes:
        regime: which loss is minimised on which images; see ``dwlt.spec.regimes``.
        options: of the regime, such as ``beta`` of TRADES; ``regime_options`` has all of them.
        lr: peak learning rate; schedules scale it per step.
        momentum: of SGD; beta 1 of AdamW.
        optimizer: "sgd", or "adamw", whose weight decay is decoupled and whose beta 2 is ``beta2``.
        decay: whether weight decay is of all parameters, or of weights alone: not of biases and
            normalisation layers, which is of no parameter with fewer than two dimensions.
        clip: longest gradient, over all parameters that train; None: any.
        ema: decay of an exponential moving average of the weights, which then is what is scored,
            chosen and stored in place of the weights themselves; None: no average.
        points: of schedule "linear": (epoch, share of ``lr``), straight lines in between; such as
            [[0, 0], [12, 1], [30, 0]] for one cycle.
        batch_size: images per optimiser step.
        micro_batch: the most images that pass through the network at once; their gradients are
            averaged over the batch. BatchNorm's statistics and attacks see one micro-batch.
            None, or "whole" in a config: the whole batch.
        milestones: epochs after which ``multistep`` multiplies the rate by ``gamma``.
        warmup: epochs over which the rate rises linearly from 0.
        colour: "imagenet" varies brightness, contrast, saturation and light a little, after
            ``TaskSpec.augment``; see ``dwlt.data.colour``.
        attack: what training images are perturbed with, by regimes that do.
        precision: auto = bf16 autocast on CUDA, fp32 on the CPU. Scores are always fp32.
        channels_last: auto = on CUDA.
        compile: auto = training steps pass through ``torch.compile`` on CUDA, and nowhere else;
            not under ``grad_align``, which differentiates twice. Scores never do. It belongs to
            what names a run, since it changes roundings and what dropout draws. No GPU has run
            it yet.
    """

    regime: Regime = "standard"
    epochs: Annotated[Epochs, Field(ge=0)]
    batch_size: Annotated[int, Field(ge=2)]
    micro_batch: MicroBatch = None
    lr: Annotated[float, Field(gt=0)]
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    weight_decay: Annotated[float, Field(ge=0)] = 5e-4
    nesterov: bool = False
    schedule: Literal["constant", "cosine", "multistep", "linear"] = "constant"
    milestones: tuple[Epochs, ...] = ()
    gamma: Annotated[float, Field(gt=0)] = 0.1
    warmup: Annotated[Epochs, Field(ge=0)] = 0
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    colour: Literal["none", "imagenet"] = "none"
    attack: AttackSpec | None = None
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    channels_last: Literal["auto"] | bool = "auto"
    options: SerializeAsAny[Options] = Options()
    optimizer: Literal["sgd", "adamw"] = "sgd"
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    decay: Literal["all", "weights"] = "all"
    clip: Annotated[float, Field(gt=0)] | None = None
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    points: tuple[Point, ...] = ()
    compile: Literal["off", "auto"] = "off"

    @field_validator("options", mode="before")
    @classmethod
    def _read_options(cls, value: Any, info: ValidationInfo) -> Any:
        if "regime" not in info.data or not isinstance(value, (Mapping, Options)):
            return value
        try:
            return kept_options(info.data["regime"], value)
        except SpecError as error:
            raise ValueError(f"{error}" + (f"; {error.hint}" if error.hint else "")) from error

    @property
    def regime_options(self) -> Options:
        """All options of the regime, defaults filled in, as its own class."""
        return read_options(self.regime, self.options.model_dump())

    @model_validator(mode="after")
    def _regime_is_carried_out(self) -> Self:
        known = regime_of(self.regime)
        if (self.attack is None) and known.attack is not None:
            raise ValueError(f"regime {self.regime!r} needs an attack")
        options = self.regime_options
        if isinstance(options, AwpOptions) and 0 < self.epochs <= options.awp_warmup:
            raise ValueError(
                f"awp_warmup is {options.awp_warmup} epochs of {self.epochs}: it would never begin"
            )
        if self.attack is None:
            return self
        if known.attack is None:
            raise ValueError(f"regime {self.regime!r} trains on clean images and takes no attack")
        if known.steps is not None and self.attack.steps != known.steps:
            raise ValueError(
                f"regime {self.regime!r} takes one step; use 'adversarial' for several"
            )
        options.check_attack(self.attack)
        return self

    @model_validator(mode="after")
    def _settings_agree(self) -> Self:
        if self.attack is not None and (self.attack.restarts != 1 or self.attack.iterate != "last"):
            raise ValueError("restarts and iterate belong to attacks that evaluate, not that train")
        if self.milestones and self.schedule != "multistep":
            raise ValueError("milestones belong to schedule = 'multistep'")
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs momentum above 0")
        if self.optimizer != "sgd" and self.nesterov:
            raise ValueError("nesterov belongs to optimizer = 'sgd'")
        if self.optimizer != "adamw" and self.beta2 != type(self).model_fields["beta2"].default:
            raise ValueError("beta2 belongs to optimizer = 'adamw'")
        if bool(self.points) != (self.schedule == "linear"):
            raise ValueError("points belong to schedule = 'linear', which needs them")
        if self.points and (len(self.points) < 2 or self.warmup):
            raise ValueError("a linear schedule has at least two points, and no warmup beside them")
        epochs = [epoch for epoch, _ in self.points]
        if epochs != sorted(set(epochs)):
            raise ValueError("the epochs of points must ascend")
        return self
