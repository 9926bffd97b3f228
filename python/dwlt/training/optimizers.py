"""The optimisers, their parameter groups, and what of their state a checkpoint holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import Parameter

from dwlt.spec import TrainSpec

_MOMENTUM = "momentum_buffer"


def make_optimizer(model: nn.Module, spec: TrainSpec) -> torch.optim.Optimizer:
    """The optimiser over every parameter that trains, its state present from the start.

    State that begins at zero gives the same first step as state that begins empty, and a checkpoint
    need not tell the two apart.
    """
    return OPTIMIZERS[spec.optimizer](_groups(model, spec), spec)


def _groups(model: nn.Module, spec: TrainSpec) -> list[dict[str, Any]]:
    """All parameters as one group; or with ``decay = "weights"`` those of fewer than two dimensions
    without decay: biases, and the scales and shifts of normalisation layers."""
    params = [param for param in model.parameters() if param.requires_grad]
    if spec.decay == "all":
        return [{"params": params}]
    weights = [param for param in params if param.dim() > 1]
    rest = [param for param in params if param.dim() <= 1]
    groups: list[dict[str, Any]] = [{"params": weights}, {"params": rest, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def _sgd(groups: list[dict[str, Any]], spec: TrainSpec) -> torch.optim.Optimizer:
    optimizer = torch.optim.SGD(
        groups,
        lr=spec.lr,
        momentum=spec.momentum,
        weight_decay=spec.weight_decay,
        nesterov=spec.nesterov,
        # One kernel for all weights, on the CPU too: half the time of the loop over tensors.
        fused=True,
    )
    if spec.momentum:
        for param in _params(optimizer):
            optimizer.state[param][_MOMENTUM] = torch.zeros_like(param)
    return optimizer


def _adamw(groups: list[dict[str, Any]], spec: TrainSpec) -> torch.optim.Optimizer:
    """Adam with decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101, algorithm 2);
    ``momentum`` is its beta 1."""
    optimizer = torch.optim.AdamW(
        groups,
        lr=spec.lr,
        betas=(spec.momentum, spec.beta2),
        eps=1e-8,
        weight_decay=spec.weight_decay,
        fused=True,
    )
    for param in _params(optimizer):
        optimizer.state[param] = {
            "step": torch.zeros((), device=param.device),
            "exp_avg": torch.zeros_like(param),
            "exp_avg_sq": torch.zeros_like(param),
        }
    return optimizer


OPTIMIZERS: dict[str, Callable[[list[dict[str, Any]], TrainSpec], torch.optim.Optimizer]] = {
    "sgd": _sgd,
    "adamw": _adamw,
}
"""By the name in a spec."""


def _params(optimizer: torch.optim.Optimizer) -> list[Parameter]:
    return [param for group in optimizer.param_groups for param in group["params"]]


def clip_gradients(optimizer: torch.optim.Optimizer, limit: float) -> None:
    """Scale all gradients so that their common Euclidean length is at most ``limit``.

    Gradients of masked weights must be zero by then: they move nothing and must not count.
    """
    nn.utils.clip_grad_norm_(_params(optimizer), limit)


def state_tensors(
    optimizer: torch.optim.Optimizer, names: Mapping[Parameter, str]
) -> dict[str, Tensor]:
    """What the optimiser remembers, the tensors themselves, by the names that checkpoints use.

    Momentum of SGD goes by its parameter's name, as in checkpoints from before there were other
    optimisers; any other state has its own name in front, "exp_avg/conv1.weight".
    """
    found = {}
    for param, name in names.items():
        for key, value in optimizer.state.get(param, {}).items():
            if isinstance(value, Tensor):
                found[name if key == _MOMENTUM else f"{key}/{name}"] = value
    return found
