"""Finding a network's head, and replacing it for a new number of classes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from torch import nn

from dwlt.errors import ModelError
from dwlt.models.model import Model
from dwlt.models.seeded import seeded
from dwlt.units import derive_seed

Layer = (nn.Linear, nn.Conv2d)
"""What a head can be."""

_NAMES = ("fc", "classifier", "heads", "head", "linear", "output")
"""What networks call their head, torchvision's families first."""


def find_head(network: nn.Module, num_classes: int | None = None) -> str:
    """The dotted name of the last layer of one of dwlt's or torchvision's networks.

    Looked for under the usual names (of a container, its last linear or convolutional layer),
    else the last such layer of all, which then must have ``num_classes`` outputs.

    Raises:
        ModelError: no layer qualifies.
    """
    found = by_convention(network, num_classes)
    if found is None:
        raise ModelError(
            f"{type(network).__name__} has no linear or convolutional layer with {num_classes} "
            "outputs",
            hint=f"end the network in an nn.Linear, called for example {_NAMES[0]!r}",
        )
    return found


def by_convention(network: nn.Module, num_classes: int | None) -> str | None:
    """As ``find_head``, None where no layer qualifies. A network that is a layer has no name."""
    for name in _NAMES:
        found = _last_layer(getattr(network, name, None), num_classes)
        if found is not None:
            return f"{name}.{found}".rstrip(".")
    return _last_layer(network, num_classes) or None


def _last_layer(module: object, num_classes: int | None) -> str | None:
    """Name of the last linear or convolutional layer inside, "" for the module itself."""
    if not isinstance(module, nn.Module):
        return None
    for name, layer in reversed(list(module.named_modules())):
        if isinstance(layer, Layer):
            return name if num_classes in (None, _outputs(layer)) else None
    return None


def _outputs(layer: nn.Linear | nn.Conv2d) -> int:
    return layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels


def swap_head(model: Model, num_classes: int, *, seed: int) -> None:
    """Replace the head by a new one, in place; every other tensor stays as it is, bit for bit.

    The new layer is of the old one's kind, with torch's default initialisation from ``seed``.
    It is replaced even if the number of classes stays: a new task gets new weights.

    Args:
        model: whose head is replaced; type and device stay.
        num_classes: outputs of the new head.
        seed: of its weights. Stages derive it from a run's seed, so it differs from the network's.

    Raises:
        ModelError: ``num_classes`` is below 2.
    """
    if num_classes < 2:
        raise ModelError(f"{num_classes} classes cannot be told apart", hint="at least 2")
    old = model.network.get_submodule(model.head)
    assert isinstance(old, Layer)
    with seeded(derive_seed(seed, "head")):
        new = _like(old, num_classes)
    # Drawn on the CPU, then moved: the same head on every device.
    new.to(device=old.weight.device, dtype=old.weight.dtype)
    new.train(old.training)
    _put(model.network, model.head, new)


@contextmanager
def replaced(network: nn.Module, head: str, num_classes: int) -> Iterator[None]:
    """Meanwhile a head with another number of outputs."""
    old = network.get_submodule(head)
    assert isinstance(old, Layer)
    with seeded(0):
        new = _like(old, num_classes)
    new.to(device=old.weight.device, dtype=old.weight.dtype)
    _put(network, head, new)
    try:
        yield
    finally:
        _put(network, head, old)


def _put(network: nn.Module, head: str, layer: nn.Linear | nn.Conv2d) -> None:
    parent, _, name = head.rpartition(".")
    setattr(network.get_submodule(parent), name, layer)
    if isinstance(getattr(network, "num_classes", None), int):
        # A note that SqueezeNet and others keep; where it is computed, it cannot be set.
        with suppress(AttributeError):
            network.num_classes = _outputs(layer)  # type: ignore[assignment]


def _like(old: nn.Linear | nn.Conv2d, outputs: int) -> nn.Linear | nn.Conv2d:
    if isinstance(old, nn.Linear):
        return nn.Linear(old.in_features, outputs, bias=old.bias is not None, device="cpu")
    return nn.Conv2d(
        old.in_channels,
        outputs,
        old.kernel_size,  # type: ignore[arg-type]
        old.stride,  # type: ignore[arg-type]
        old.padding,  # type: ignore[arg-type]
        old.dilation,  # type: ignore[arg-type]
        bias=old.bias is not None,
        device="cpu",
    )
