"""From a ModelSpec to a Model."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any, cast

import torch
import torchvision
from torch import nn
from torchvision.models import WeightsEnum, get_model, get_model_weights, list_models

from dwlt.errors import ModelError
from dwlt.models.factory import from_factory
from dwlt.models.fits import check_forward
from dwlt.models.head import find_head, swap_head
from dwlt.models.model import Model
from dwlt.models.seeded import seeded
from dwlt.models.small import DEPTHS, SmallResNet
from dwlt.spec import ModelSpec
from dwlt.units import derive_seed

SMALL_IMAGES = {"resnet18-32": "resnet18", "resnet34-32": "resnet34", "resnet50-32": "resnet50"}
"""ImageNet ResNets with a stem for 32x32 images, by the name of the original."""

_TORCHVISION_CHANNELS = 3


def list_names() -> list[str]:
    """Every model name but the open-ended ``module:factory``."""
    return [*DEPTHS, *SMALL_IMAGES, *_torchvision_names()]


def build_model(
    spec: ModelSpec,
    *,
    num_classes: int,
    channels: int,
    image_size: int,
    mean: Sequence[float],
    std: Sequence[float],
    seed: int,
) -> Model:
    """Build a model with weights from ``seed``, or with published ones.

    torchvision's own networks take three channels: grey images are spread over them. With
    published weights the normaliser takes the mean and std published with them, and the head is
    replaced (by one from ``seed``) unless it has ``num_classes`` outputs already.

    Args:
        channels: of the images, 1 or 3.
        image_size: height and width of the images, in pixels.
        mean, std: of the training pixels in [0, 1], one per channel.

    Raises:
        ModelError: no such model or weights, the network does not take such images, or it does
            not give ``num_classes`` logits.
    """
    if spec.weights is not None and spec.name not in _torchvision_names():
        raise ModelError(
            f"{spec.name!r} has no published weights", hint="leave `weights` out, or import them"
        )
    with seeded(derive_seed(seed, "model")):
        if spec.name in DEPTHS:
            network: nn.Module = SmallResNet(
                DEPTHS[spec.name], width=spec.width, channels=channels, num_classes=num_classes
            )
        elif spec.name in SMALL_IMAGES:
            network = _small_images(SMALL_IMAGES[spec.name], channels, num_classes)
        elif ":" in spec.name:
            network = from_factory(
                spec.name, num_classes=num_classes, channels=channels, image_size=image_size
            )
        else:
            published = _weights(spec)
            network = _torchvision(spec.name, published, num_classes, image_size)
            if published is not None:
                preset = published.transforms()
                mean, std = preset.mean, preset.std
            mean, std = _spread(mean), _spread(std)
    head = find_head(network, num_classes if spec.weights is None else None)
    model = Model(network, mean=mean, std=std, head=head)
    if model.num_classes != num_classes:
        swap_head(model, num_classes, seed=seed)
    check_forward(model, spec.name, channels, image_size)
    return model


def _torchvision_names() -> list[str]:
    return list(list_models(module=torchvision.models))


def _spread(values: Sequence[float]) -> tuple[float, ...]:
    """One value per channel of a three-channel network."""
    return tuple(values) * (_TORCHVISION_CHANNELS // len(values))


def _small_images(name: str, channels: int, num_classes: int) -> nn.Module:
    """torchvision's ResNet with a 3x3 stem of stride 1 and without max-pooling.

    The customary form for CIFAR-sized images: the original would hand a 8x8 map to its first
    stage.
    """
    network: Any = get_model(name, weights=None, num_classes=num_classes)
    stem = nn.Conv2d(channels, network.conv1.out_channels, 3, 1, 1, bias=False)
    nn.init.kaiming_normal_(stem.weight, mode="fan_out", nonlinearity="relu")
    network.conv1 = stem
    network.maxpool = nn.Identity()
    return cast(nn.Module, network)


def _weights(spec: ModelSpec) -> WeightsEnum | None:
    if spec.weights is None:
        return None
    _check_name(spec.name)
    known = get_model_weights(spec.name)
    if spec.weights.lower() == "default":
        return known.DEFAULT
    for member in known:
        if member.name.lower() == spec.weights.lower():
            return member
    names = ", ".join(member.name for member in known)
    raise ModelError(
        f"{spec.name} has no weights {spec.weights!r}", hint=f"choose default or one of: {names}"
    )


def _check_name(name: str) -> None:
    if name in _torchvision_names():
        return
    near = difflib.get_close_matches(name, list_names(), n=1)
    meant = f"did you mean {near[0]!r}? " if near else ""
    raise ModelError(
        f"there is no model {name!r}",
        hint=f"{meant}small: {', '.join([*DEPTHS, *SMALL_IMAGES])}; every torchvision "
        "classifier, such as resnet50; or your own as MODULE:FACTORY",
    )


def _torchvision(
    name: str, weights: WeightsEnum | None, num_classes: int, image_size: int
) -> nn.Module:
    _check_name(name)
    options: dict[str, Any] = {} if weights else {"num_classes": num_classes}
    if name in ("googlenet", "inception_v3") and weights is None:
        options |= {"aux_logits": False, "init_weights": True}
    if name.startswith("vit_") and weights is None:
        options["image_size"] = image_size
    if name.startswith("maxvit_") and weights is None:
        options["input_size"] = (image_size, image_size)
    try:
        network: nn.Module = get_model(name, weights=weights, **options)
    except (OSError, ValueError, RuntimeError, AssertionError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        if weights is not None:
            raise ModelError(
                f"the weights {weights} of {name} cannot be had ({reason})",
                hint=f"put {weights.url} into {torch.hub.get_dir()}/checkpoints, whole",
            ) from error
        raise ModelError(
            f"{name} cannot be built for {image_size}x{image_size} images ({reason})",
            hint="set the task's `size`, e.g. size = 224",
        ) from error
    if hasattr(network, "aux_logits"):
        # Auxiliary heads make training return a tuple, and would need swapping too.
        network.aux_logits = False  # type: ignore[assignment]
        for part in ("aux1", "aux2", "AuxLogits"):
            if hasattr(network, part):
                setattr(network, part, None)
    return network
