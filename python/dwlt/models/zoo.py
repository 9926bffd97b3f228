"""The networks that torchvision knows by name, and their forms for small images.

Importing torchvision's models takes longer than all else that a small experiment imports, so
this file is imported only when one of them is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
import torchvision
from torch import nn
from torchvision.models import WeightsEnum, get_model, get_model_weights, list_models

from dwlt.errors import ModelError, did_you_mean
from dwlt.models.compact import COMPACT
from dwlt.models.small import DEPTHS
from dwlt.spec import ModelSpec

SMALL_IMAGES = {"resnet18-32": "resnet18", "resnet34-32": "resnet34", "resnet50-32": "resnet50"}
"""ImageNet ResNets with a stem for 32x32 images, by the name of the original."""

_PLAIN = (0.5, 0.5, 0.5)
"""Mean and standard deviation that take pixels in [0, 1] to [-1, 1]."""


def torchvision_names() -> list[str]:
    """Every classifier of torchvision, by its own name."""
    return list(list_models(module=torchvision.models))


def build(
    spec: ModelSpec, num_classes: int, channels: int, image_size: int
) -> tuple[nn.Module, tuple[Sequence[float], Sequence[float]] | None]:
    """A network by name, and the (mean, std) published with its weights where it has them.

    Raises:
        ModelError: no such network or weights, or it cannot be built for such images.
    """
    if spec.name in SMALL_IMAGES:
        if spec.weights is not None:
            raise ModelError(
                f"{spec.name!r} has no published weights",
                hint="leave `weights` out, or import them",
            )
        return small_images(SMALL_IMAGES[spec.name], channels, num_classes), None
    published = published_weights(spec)
    network = torchvision_network(spec.name, published, num_classes, image_size)
    if published is None:
        return network, None
    preset = published.transforms()
    if getattr(network, "transform_input", False):
        # GoogLeNet and Inception undo the usual normalisation and apply another one, but only
        # when built with weights. In the normaliser it travels in the model file.
        network.transform_input = False  # type: ignore[assignment]
        return network, (_PLAIN, _PLAIN)
    return network, (preset.mean, preset.std)


def small_images(name: str, channels: int, num_classes: int) -> nn.Module:
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


def published_weights(spec: ModelSpec) -> WeightsEnum | None:
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
    if name in torchvision_names():
        return
    small = [*DEPTHS, *COMPACT, *SMALL_IMAGES]
    meant = did_you_mean(name, [*small, *torchvision_names()])
    raise ModelError(
        f"there is no model {name!r}",
        hint=f"{meant}small: {', '.join(small)}; every torchvision "
        "classifier, such as resnet50; or your own as MODULE:FACTORY",
    )


def torchvision_network(
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
    except Exception as error:
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
