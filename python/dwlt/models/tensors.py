"""Which tensors of a network can be pruned, kept in a model file, and read back."""

from __future__ import annotations

import torch
from torch import nn

from dwlt.errors import ModelError
from dwlt.models.files import DTYPES
from dwlt.models.model import Model, prunable, state_of


def require_kept(model: Model, name: str) -> None:
    """Refuse tensors that no model file holds.

    Args:
        name: of the network, for the message.

    Raises:
        ModelError: naming the first such tensor.
    """
    for key, value in model.state_dict().items():
        if not isinstance(value, torch.Tensor):
            raise ModelError(
                f"{name}: {key.removeprefix('network.')!r} of its state is a "
                f"{type(value).__name__}, and model files hold tensors alone",
                hint="keep in buffers what get_extra_state returns, or nowhere",
            )
    for key, tensor in state_of(model).items():
        if tensor.layout != torch.strided or tensor.is_quantized:
            kind = "quantised" if tensor.is_quantized else str(tensor.layout)
            raise ModelError(
                f"{name}: {key!r} is {kind}, and model files hold plain tensors",
                hint="use a dense tensor of floating-point numbers",
            )
        if tensor.dtype not in DTYPES:
            raise ModelError(
                f"{name}: {key!r} holds {tensor.dtype}, which model files do not",
                hint="a buffer that is computed when the network is built need not be kept: "
                "register_buffer(..., persistent=False); of complex numbers keep both parts "
                "(torch.view_as_real)",
            )


def require_prunable(model: Model, name: str) -> tuple[str, ...]:
    """Refuse a network whose weights cannot be pruned or trained one by one.

    Args:
        name: of the network, for the message.

    Returns:
        What the user should know: parameters that do not train because the network says so.

    Raises:
        ModelError: there is nothing to prune; or naming the first weight that is no parameter,
            is shared, or is frozen.
    """
    for layer_name, layer in model.network.named_modules():
        if isinstance(layer, nn.Conv2d) or layer_name == model.head:
            _require_parameter(name, layer_name, layer)
    weights = prunable(model)
    if not weights:
        raise ModelError(
            f"{name} has no 2-d convolution, so there is nothing to prune",
            hint="dwlt prunes the weights of nn.Conv2d layers",
        )
    _require_single(name, model, weights)
    return _frozen(name, model, weights)


def _require_parameter(name: str, layer_name: str, layer: nn.Module) -> None:
    if layer._parameters.get("weight") is None:
        made = ", ".join(repr(one) for one, _ in layer.named_parameters() if "weight" in one)
        raise ModelError(
            f"{name}: the weight of layer {layer_name!r} ({type(layer).__name__}) is no parameter "
            f"but computed{f' from {made}' if made else ''}",
            hint="masks need plain weights: leave weight_norm, spectral_norm and other "
            "parametrizations away, or make them plain before the factory returns "
            "(torch.nn.utils.parametrize.remove_parametrizations, remove_weight_norm, "
            "remove_spectral_norm, prune.remove)",
        )


def _require_single(name: str, model: Model, weights: dict[str, nn.Parameter]) -> None:
    """No weight that can be pruned goes by two names: a mask of one would be a mask of both."""
    places = {weight.untyped_storage().data_ptr(): key for key, weight in weights.items()}
    for key, tensor in state_of(model).items():
        own = places.get(tensor.untyped_storage().data_ptr())
        if own is not None and own != key:
            raise ModelError(
                f"{name}: {key!r} and {own!r} are one tensor, so that pruning one would prune the "
                "other",
                hint="give each layer a weight of its own",
            )


def _frozen(name: str, model: Model, weights: dict[str, nn.Parameter]) -> tuple[str, ...]:
    frozen = [
        key.removeprefix("network.")
        for key, one in model.named_parameters()
        if not one.requires_grad
    ]
    needed = {*weights, f"{model.head}.weight"}
    first = next((key for key in frozen if key in needed), None)
    if first is not None:
        raise ModelError(
            f"{name}: {first!r} is frozen (requires_grad is False), and would never train",
            hint="let the factory return the network with requires_grad_(True)",
        )
    if not frozen:
        return ()
    some = ", ".join(frozen[:3]) + (", ..." if len(frozen) > 3 else "")
    return (f"{name}: {len(frozen)} parameters are frozen and will not train: {some}",)
