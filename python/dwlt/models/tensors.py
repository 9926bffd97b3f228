"""Which tensors of a network can be pruned, kept in a model file, and read back."""

from __future__ import annotations

import torch
from torch import nn

from dwlt.errors import ModelError
from dwlt.models.files import DTYPES
from dwlt.models.layers import candidates, chosen, computed, prunable
from dwlt.models.model import Model, plain_name, state_of
from dwlt.spec import LayerChoice


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


def require_prunable(model: Model, name: str, choice: LayerChoice) -> tuple[str, ...]:
    """Refuse a network whose weights cannot be pruned or trained one by one.

    Args:
        name: of the network, for the message.
        choice: which of its weights are to be pruned.

    Returns:
        What the user should know: parameters that do not train because the network says so.

    Raises:
        ModelError: there is nothing to prune; or naming the first weight that is no parameter,
            is shared with something that is not pruned, or is frozen.
    """
    wanted = chosen(model, choice)
    head = [one for one in candidates(model) if one.layer == model.head]
    for one in (*wanted, *head):
        if one.weight is None:
            raise computed(name, one)
    if not wanted:
        raise ModelError(
            f"{name} has no {choice.text}, so there is nothing to prune",
            hint="dwlt prunes the weights of nn.Conv2d (conv), and of nn.Linear and "
            "nn.MultiheadAttention (linear); the classifier is left out",
        )
    weights = prunable(model, choice)
    _require_single(name, model, weights, {one.name for one in wanted})
    return _frozen(name, model, weights)


def _require_single(
    name: str, model: Model, weights: dict[str, nn.Parameter], prunable_names: set[str]
) -> None:
    """No weight shares memory with what has no mask, or another one.

    Layers that have one parameter in common have one mask, by its first name.
    """
    places = {weight.untyped_storage().data_ptr(): key for key, weight in weights.items()}
    for key, tensor in model.state_dict(keep_vars=True).items():
        key = plain_name(key)
        own = places.get(tensor.untyped_storage().data_ptr())
        if own is None or own == key or (tensor is weights[own] and key in prunable_names):
            continue
        raise ModelError(
            f"{name}: {key!r} and {own!r} are one tensor, so that pruning one would prune the "
            "other",
            hint="give each layer a weight of its own, or let the layers have one nn.Parameter in "
            "common, whole, and prune all of these layers: then it has one mask",
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
