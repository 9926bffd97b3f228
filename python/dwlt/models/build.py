"""From a ModelSpec to a Model."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from dwlt.errors import ModelError
from dwlt.models.compact import COMPACT
from dwlt.models.factory import TIMM, call_factory, is_own, load_factory
from dwlt.models.fits import check_forward
from dwlt.models.head import find_head, swap_head
from dwlt.models.model import Model
from dwlt.models.own import head_in_use, make_ordinary
from dwlt.models.seeded import seeded
from dwlt.models.small import DEPTHS, SmallResNet
from dwlt.spec import ModelSpec
from dwlt.units import derive_seed

_TORCHVISION_CHANNELS = 3


def list_names() -> list[str]:
    """Every model name but the open-ended ``module:factory`` and ``timm:NAME``."""
    from dwlt.models import zoo

    return [*DEPTHS, *COMPACT, *zoo.SMALL_IMAGES, *zoo.torchvision_names()]


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

    torchvision's and timm's networks take three channels: grey images are spread over them. With
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
    own = spec.name in DEPTHS or spec.name in COMPACT or is_own(spec.name)
    if spec.weights is not None and own:
        raise ModelError(
            f"{spec.name!r} has no published weights", hint="leave `weights` out, or import them"
        )
    if spec.name.startswith(TIMM):
        return _of_timm(spec, num_classes, image_size, mean, std, seed)
    if ":" in spec.name:
        network = _own(spec.name, num_classes, channels, image_size, seed)
        head = head_in_use(network, spec.name, num_classes, channels, image_size)
        return Model(network, mean=mean, std=std, head=head)
    with seeded(derive_seed(seed, "model")):
        if spec.name in DEPTHS:
            network = SmallResNet(
                DEPTHS[spec.name], width=spec.width, channels=channels, num_classes=num_classes
            )
        elif spec.name in COMPACT:
            network = COMPACT[spec.name].build(channels, num_classes)
        else:
            # Imported on use: torchvision's models cost seconds that small networks need not pay.
            from dwlt.models import zoo

            network, normaliser = zoo.build(spec, num_classes, channels, image_size)
            if normaliser is not None:
                mean, std = normaliser
            if spec.name not in zoo.SMALL_IMAGES:
                mean, std = _spread(mean), _spread(std)
    head = find_head(network, num_classes if spec.weights is None else None)
    model = Model(network, mean=mean, std=std, head=head)
    if model.num_classes != num_classes:
        swap_head(model, num_classes, seed=seed)
    check_forward(model, spec.name, channels, image_size)
    return model


def _spread(values: Sequence[float]) -> tuple[float, ...]:
    """One value per channel of a three-channel network."""
    return tuple(values) * (_TORCHVISION_CHANNELS // len(values))


def _of_timm(
    spec: ModelSpec,
    num_classes: int,
    image_size: int,
    mean: Sequence[float],
    std: Sequence[float],
    seed: int,
) -> Model:
    from dwlt.models import of_timm

    network, normaliser = of_timm.build(spec, num_classes, image_size, seed)
    outputs = num_classes if normaliser is None else int(network.num_classes)  # type: ignore[arg-type]
    mean, std = normaliser or (mean, std)
    head = head_in_use(network, spec.name, outputs, _TORCHVISION_CHANNELS, image_size)
    model = Model(network, mean=_spread(mean), std=_spread(std), head=head)
    if outputs != num_classes:
        swap_head(model, num_classes, seed=seed)
    return model


def _own(name: str, num_classes: int, channels: int, image_size: int, seed: int) -> nn.Module:
    # Not under the seed: an import happens once in a process, and what it draws or seeds must not
    # decide the weights.
    factory = load_factory(name)
    with seeded(derive_seed(seed, "model")):
        network = call_factory(
            name, factory, num_classes=num_classes, channels=channels, image_size=image_size
        )
    make_ordinary(network, name, channels, image_size, seed=seed)
    return network
