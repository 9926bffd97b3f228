"""The building blocks of a spec: a task, a model, an attack, a training, a scoring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    SerializeAsAny,
    ValidationInfo,
    field_validator,
    model_validator,
)

from dwlt.errors import ModelError, SpecError
from dwlt.spec.attack_label import attack_label
from dwlt.spec.base import Spec
from dwlt.spec.models import spelled_out
from dwlt.spec.regimes import (
    AwpOptions,
    Options,
    kept_options,
    read_options,
    regime_of,
    require_regime,
)
from dwlt.units import Eps, parse_epochs


def _read_regime(value: str) -> str:
    try:
        return require_regime(value)
    except SpecError as error:
        raise ValueError(f"{error}; {error.hint}") from error


def _read_eps(value: Any) -> Eps:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError('write a radius like "8/255"')
    try:
        return Eps(value)
    except SpecError as error:
        raise ValueError(f"{error}; {error.hint}") from error


def _read_epochs(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return parse_epochs(value)
    except SpecError as error:
        raise ValueError(f"{error}; {error.hint}") from error


def _read_micro_batch(value: Any) -> Any:
    # TOML has no null: a config that extends another says so when it wants the whole batch again.
    return None if value == "whole" else value


MicroBatch = Annotated[Annotated[int, Field(ge=2)] | None, BeforeValidator(_read_micro_batch)]
Radius = Annotated[
    Eps,
    # pydantic has no schema for a subclass of str: reading and writing are both spelled out.
    PlainValidator(_read_eps),
    PlainSerializer(str, return_type=str),
]
Epochs = Annotated[int, BeforeValidator(_read_epochs)]
Regime = Annotated[str, AfterValidator(_read_regime)]
"""The name of a regime: dwlt's own, another package's, or one of them under ``-awp``."""


class TaskSpec(Spec):
    """Which images, and which of them. See ``dwlt.data`` for what each part does.

    Attributes:
        task: ``digits:0-4``, ``cifar10``, ``imagefolder:DIR``, ``parquet:DIR``, ...
        classes: a subset: a number (that many classes, chosen by ``subset_seed``), indices as
            text ("0-4", "0,3,7"), or a list of names or indices. None: all.
        per_class: training images per class, or None for all.
        fraction: share of the training images, class-balanced, nested (1% inside 10%).
        subset_seed: chooses classes and images; held fixed while training seeds vary.
        validation: what is cut from the training images: a share below 1, or a number of images.
        validation_fraction: share of those that checkpoints are chosen on, class-balanced and
            nested; "same": the share that ``fraction`` keeps of the training images, so that few
            data means few data for choosing too. The others are left alone, and train nothing.
        test: a limit on the test images: that many, class-balanced and chosen by ``subset_seed``.
            None takes all. For quick looks; n is stated wherever a number is.
        size: images are resized to ``size`` x ``size`` pixels; None leaves them.
        channels: 1 or 3 colour channels; None leaves them.
        augment: how training images vary; see ``dwlt.data.augment``. "random-resized-crop" cuts
            from images as they are stored, the others from images already resized.
    """

    task: str
    classes: int | str | tuple[int | str, ...] | None = None
    per_class: Annotated[int, Field(ge=1)] | None = None
    fraction: Annotated[float, Field(gt=0, le=1)] = 1.0
    subset_seed: int = 0
    validation: Annotated[float, Field(gt=0)] = 0.1
    validation_fraction: Annotated[float, Field(gt=0, le=1)] | Literal["same"] = 1.0
    test: Annotated[int, Field(ge=1)] | None = None
    size: Annotated[int, Field(ge=4, le=1024)] | None = None
    channels: Literal[1, 3] | None = None
    augment: Literal[
        "none", "shift", "crop-flip", "resized-crop", "inception-crop", "random-resized-crop"
    ] = "none"


class ModelSpec(Spec):
    """Which network. Names: small ``resnet8/14/20``, ``resnet18-32`` and its kin (``wrn28-10-32``,
    ``preactresnet18-32``, ``vgg16_bn-32``, ...), every torchvision classifier,
    ``timm:NAME``, ``module:factory``, or what an installed package registers.

    Attributes:
        width: channels of the first stage of the small ResNets; others ignore it.
        weights: published weights of torchvision's ("default" or an enum member's name) or timm's
            ("default" or a tag), or None.
        mean, std: what pixels in [0, 1] are normalised with, per channel; None takes them from
            the training images, or from published weights. Set them for weights of your own.
    """

    name: str = "resnet8"
    width: Annotated[int, Field(ge=1, le=1024)] = 16
    weights: str | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[Annotated[float, Field(gt=0)], ...] | None = None

    @field_validator("name")
    @classmethod
    def _of_a_package(cls, name: str) -> str:
        try:
            return spelled_out(name)
        except ModelError as error:
            raise ValueError(f"{error}; {error.hint}") from error


class AttackSpec(Spec):
    """A gradient attack inside a ball around each image; pixels are in [0, 1].

    Attributes:
        norm: the ball's norm, over all pixels of one image.
        eps: the ball's radius.
        step: length of one step in the same norm.
        steps: number of gradient steps (1: FGSM).
        random_start: start at a random point of the ball instead of at the image.
        restarts: independent tries; a sample is fooled when one of them fools it.
        mode: the mode that the network's layers are in while a *training* attack runs.
            Evaluation always runs in eval mode.
        iterate: which point an evaluation judges: the last one (as papers report), or any on
            the way (fooled samples leave the batch: faster and never weaker).
        use_best: train on the point of the highest loss on the way, instead of on the last one.
    """

    norm: Literal["linf", "l2"] = "linf"
    eps: Radius = Eps("8/255")
    step: Radius = Eps("2/255")
    steps: Annotated[int, Field(ge=1, le=10_000)] = 10
    random_start: bool = True
    restarts: Annotated[int, Field(ge=1, le=1000)] = 1
    mode: Literal["eval", "train"] = "eval"
    iterate: Literal["last", "any"] = "last"
    use_best: bool = False

    @model_validator(mode="after")
    def _eps_is_a_pixel_distance(self) -> Self:
        if self.norm == "linf" and self.eps.value > 1:
            raise ValueError(
                f"eps {self.eps} exceeds 1: pixels are in [0, 1], so write 8/255 and not 8"
            )
        if self.step.value == 0 and self.eps.value > 0:
            raise ValueError("step is 0, so the attack would not move")
        return self

    @property
    def label(self) -> str:
        """The name that reports show: "pgd-20 linf 8/255", and what differs from that name."""
        return attack_label(
            self.norm,
            self.eps,
            steps=self.steps,
            step=self.step,
            restarts=self.restarts,
            random_start=self.random_start,
            iterate=self.iterate,
        )


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


class ScoreSpec(Spec):
    """How networks are scored: SA always, RA under ``attack``.

    Attributes:
        attack: None measures SA alone, and RA is null.
        every: epochs between scores on validation; the last epoch is always scored.
        seed: of the attack's random starts, one stream per sample.
    """

    attack: AttackSpec | None = None
    batch_size: Annotated[int, Field(ge=1)] = 256
    seed: int = 0
    every: Annotated[int, Field(ge=1)] = 1

    @model_validator(mode="after")
    def _evaluation_is_in_eval_mode(self) -> Self:
        if self.attack is not None and self.attack.mode != "eval":
            raise ValueError("networks are always scored in eval mode; mode is for training")
        if self.attack is not None and self.attack.use_best:
            raise ValueError("use_best is for training; iterate says what an evaluation judges")
        return self
