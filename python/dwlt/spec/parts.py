"""The building blocks of a spec: a task, a model, an attack, a scoring."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    field_validator,
    model_validator,
)

from dwlt.errors import ModelError, SpecError
from dwlt.spec.attack_label import attack_label
from dwlt.spec.base import Spec
from dwlt.spec.models import spelled_out
from dwlt.spec.regimes import (
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
