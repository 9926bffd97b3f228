"""A user's network made ready: its tensors are put in order, its head is found by running it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from dwlt.errors import ModelError
from dwlt.models.fits import evaluation, own_forward, require_shape
from dwlt.models.guest import guest
from dwlt.models.head import Layer, by_convention, replaced
from dwlt.models.seeded import seeded
from dwlt.units import derive_seed


def make_ordinary(
    network: nn.Module, name: str, channels: int, image_size: int, *, seed: int
) -> None:
    """Put a fresh network's tensors in order, in place.

    Lazy layers get their shapes, and weights from ``seed``, by a look at two images. Tensors move
    to the CPU. One that shares memory with itself (``expand``) becomes an ordinary one, since no
    values could be read into it.

    Raises:
        ModelError: the network fails on such images, or its weights have no values.
    """
    if isinstance(network, torch.jit.ScriptModule):
        raise ModelError(
            f"{name} is a TorchScript module, whose layers cannot be pruned",
            hint="return the plain nn.Module that it was made from",
        )
    if any(is_lazy(tensor) for _, tensor in _named(network)):
        images = torch.zeros(2, channels, image_size, image_size)
        # Real, and not under ``functional_call``: the layers are to keep what they find out.
        with (
            seeded(derive_seed(seed, "lazy")),
            guest(name, "giving its lazy layers their shapes"),
            evaluation(network),
            torch.no_grad(),
        ):
            network(images)
        left = next((key for key, one in _named(network) if is_lazy(one)), None)
        if left is not None:
            raise ModelError(
                f"{name}: the lazy layer of {left!r} takes no part in its forward pass",
                hint="remove it, or use it",
            )
    for key, one in _named(network):
        if one.is_meta:
            raise ModelError(
                f"{name}: {key!r} is on the meta device, where tensors have shapes and no values",
                hint='build the network without torch.device("meta")',
            )
        if one.is_inference():
            raise ModelError(
                f"{name}: {key!r} was made under torch.inference_mode, and can never train",
                hint="build the network outside torch.inference_mode",
            )
    with guest(name, "moving it to the CPU"), torch.no_grad():
        network.to("cpu")
        for module in network.modules():
            for parameter in module._parameters.values():
                if parameter is not None and _overlaps(parameter):
                    parameter.data = _ordinary(parameter)
            for key, buffer in module._buffers.items():
                if buffer is not None and _overlaps(buffer):
                    module._buffers[key] = _ordinary(buffer)


def _ordinary(tensor: Tensor) -> Tensor:
    return tensor.detach().clone(memory_format=torch.contiguous_format)


def _named(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from network.named_parameters()
    yield from network.named_buffers()


def _overlaps(tensor: Tensor) -> bool:
    """Two elements lie at one place: strides span fewer places than there are elements."""
    if tensor.layout != torch.strided or tensor.numel() == 0:
        return False
    span = sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride(), strict=True))
    return span + 1 < tensor.numel()


def head_in_use(
    network: nn.Module, name: str, num_classes: int, channels: int, image_size: int
) -> str:
    """The dotted name of the layer that makes the logits.

    That is the layer which, given another number of outputs, makes the network return another
    number of logits. Tried are first the one under a usual name or, without such a name, the last
    in order of registration, and then all others that are used, the last used first.

    Raises:
        ModelError: the network fails, does not return (2, num_classes) logits, or has no such
            layer.
    """
    used: list[str] = []
    with _watched(network, used):
        found = own_forward(network, name, channels, image_size)
    require_shape(name, found, 2, num_classes)
    usual = by_convention(network, num_classes)
    later = [one for one in reversed(used) if one and _outputs(network, one) == num_classes]
    candidates = list(dict.fromkeys([*([] if usual is None else [usual]), *later]))
    refused: ModelError | None = None
    for candidate in candidates:
        try:
            with replaced(network, candidate, num_classes + 1):
                found = own_forward(network, name, channels, image_size)
            require_shape(name, found, 2, num_classes + 1)
        except ModelError as error:
            refused = refused or error
        else:
            return candidate
    if refused is None:
        raise ModelError(
            f"{name}: no linear or convolutional layer with {num_classes} outputs makes its logits",
            hint="end the network in an nn.Linear with `num_classes` outputs: transfer replaces it "
            "by one for another number of classes",
        )
    raise ModelError(
        f"{name}: its head, the layer {candidates[0]!r}, cannot be replaced by one with "
        f"{num_classes + 1} outputs: {refused}",
        hint="transfer does that for another number of classes; take the number from the layer, "
        "and give only the head as many outputs as there are classes",
    ) from refused


@contextmanager
def _watched(network: nn.Module, used: list[str]) -> Iterator[None]:
    """Note which linear and convolutional layers are used, in this order."""
    hooks = [
        layer.register_forward_hook(lambda *_, layer_name=layer_name: used.append(layer_name))
        for layer_name, layer in network.named_modules()
        if isinstance(layer, Layer)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _outputs(network: nn.Module, name: str) -> int:
    layer = network.get_submodule(name)
    assert isinstance(layer, Layer)
    return layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels
