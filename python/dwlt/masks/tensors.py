"""The torch side of masks: applied to weights, enforced in training, found by magnitude.

Masks are boolean tensors beside the model, by ordinary parameter name; True is kept. They are
never inferred from zeros: a kept weight that is exactly 0.0 trains like any other. No hooks, no
renamed parameters. Counting, thresholds and files belong to ``dwlt._core``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import Parameter

from dwlt import _core
from dwlt.errors import MaskError, TrainingError
from dwlt.masks.arrays import for_core
from dwlt.masks.selection import select


def to_tensors(
    mask_set: _core.MaskSet,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> dict[str, Tensor]:
    """A mask set as tensors of the parameters' shapes, in the set's order; 1 is kept.

    Args:
        mask_set: the masks.
        device: where they go; the CPU by default.
        dtype: their type; ``torch.bool`` by default.
    """
    kind = dtype or torch.bool
    tensors = {}
    for name, shape in mask_set.shapes.items():
        tensor = _unpacked(mask_set, name, shape, kind)
        tensors[name] = tensor.to(device) if device is not None else tensor
    return tensors


_UNSIGNED = {1: (torch.uint8, np.uint8), 2: (torch.int16, np.uint16), 4: (torch.int32, np.uint32)}
_UNSIGNED[8] = (torch.int64, np.uint64)
"""Integers by width: PyTorch's, whose bits are kept, and NumPy's, which the core fills."""


def _unpacked(
    mask_set: _core.MaskSet, name: str, shape: tuple[int, ...], dtype: torch.dtype
) -> Tensor:
    """A mask written straight into a tensor of the type, as the bits of its 1 and of its 0."""
    tensor = torch.empty(shape, dtype=dtype)
    one = torch.tensor(1.0).to(dtype)
    if one.element_size() not in _UNSIGNED:  # complex numbers of double precision
        return torch.from_numpy(mask_set[name]).to(dtype)
    same_width, unsigned = _UNSIGNED[one.element_size()]
    bits = int(one.view(same_width)) & (1 << 8 * one.element_size()) - 1
    mask_set.unpack_into(name, tensor.view(same_width).reshape(-1).numpy().view(unsigned), bits)
    return tensor


def apply_masks(model: nn.Module, mask_set: _core.MaskSet) -> None:
    """Set a network's masked weights to +0.0 in place. They stay so until something changes them.

    Args:
        model: any module; masks go by the names of its parameters. Those of dwlt's own models
            leave out the leading ``network.``, as model files do.
        mask_set: the masks.

    Raises:
        MaskError: a mask names no parameter, or has another shape.
    """
    params: dict[str, Tensor] = {}
    for name, param in model.named_parameters():
        params[name] = param
        params.setdefault(name.removeprefix("network."), param)
    apply_(params, to_tensors(mask_set))


def to_bool_tensors(
    mask_set: _core.MaskSet, device: torch.device | str = "cpu"
) -> dict[str, Tensor]:
    """A mask set as boolean tensors of the parameters' shapes, in the set's order."""
    return to_tensors(mask_set, device)


def apply_(params: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> None:
    """Set masked weights to +0.0 in place; kept weights keep their bits.

    Raises:
        MaskError: a mask names no parameter, or has another shape.
    """
    _require_fit(params, masks)
    with torch.no_grad():
        for name, mask in masks.items():
            param = params[name]
            # torch.where and not a product: -0.5 * 0 would leave -0.0, other bytes for the same
            # ticket, and NaN * 0 would stay NaN.
            param.copy_(torch.where(mask.to(param.device), param, 0.0))


def zero_state_(
    optimizer: torch.optim.Optimizer, params: Mapping[str, Parameter], masks: Mapping[str, Tensor]
) -> None:
    """Zero whatever the optimiser remembers per weight (momentum) where weights are masked.

    Raises:
        MaskError: a mask names no parameter, or has another shape.
    """
    _require_fit(params, masks)
    for name, mask in masks.items():
        state = optimizer.state.get(params[name], {})
        shaped = {
            key: value
            for key, value in state.items()
            if isinstance(value, Tensor) and value.shape == mask.shape
        }
        apply_(shaped, dict.fromkeys(shaped, mask))


def check(params: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> None:
    """Make sure that nothing masked is other than zero.

    Raises:
        MaskError: a mask names no parameter, or has another shape.
        TrainingError: a masked weight is not zero; the message names the tensor and counts.
    """
    _require_fit(params, masks)
    for name, mask in masks.items():
        revived = (params[name].detach() != 0) & ~mask.to(params[name].device)
        if bool(revived.any()):
            raise TrainingError(
                f"{int(revived.sum())} masked weights of {name} are not zero",
                hint="something outside dwlt's training loop changed the weights; start the "
                "step again, and report it if it comes back",
            )


class Enforcer:
    """Masks held on weights and optimiser state through a training, cheaply enough for every step.

    Between steps a product with a 0/1 tensor of the weights' own type does (on the CPU it is many
    times faster than a fill by a boolean mask); ``zero_masked`` gives the exact form.

    Args:
        params: parameters by ordinary name; those without a mask are left alone.
        masks: boolean, True is kept.

    Raises:
        MaskError: a mask names no parameter, or has another shape.
    """

    def __init__(self, params: Mapping[str, Parameter], masks: Mapping[str, Tensor]) -> None:
        _require_fit(params, masks)
        self._params = {name: params[name] for name in masks}
        # Laid out like its weight: a channels-last product with another layout is slow.
        self._masks = {
            name: torch.empty_like(params[name], dtype=torch.bool).copy_(mask)
            for name, mask in masks.items()
        }
        self._factors = [
            (param, self._masks[name].to(param.dtype)) for name, param in self._params.items()
        ]

    def by_parameter(self) -> dict[Parameter, Tensor]:
        """Each masked parameter's boolean mask, on its device and in its layout."""
        return {param: self._masks[name] for name, param in self._params.items()}

    @torch.no_grad()
    def after_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Masked weights and what the optimiser remembers of them back to zero; called after each
        optimiser step."""
        for param, factor in self._factors:
            param.mul_(factor)
            for value in optimizer.state.get(param, {}).values():
                if isinstance(value, Tensor) and value.shape == param.shape:
                    value.mul_(factor)

    @torch.no_grad()
    def zero_gradients(self) -> None:
        """Gradients of masked weights to zero, where their size would count."""
        for param, factor in self._factors:
            if param.grad is not None:
                param.grad.mul_(factor)

    def zero_masked(self, optimizer: torch.optim.Optimizer) -> None:
        """Masked weights and all optimiser state exactly +0.0; before and after an epoch."""
        apply_(self._params, self._masks)
        zero_state_(optimizer, self._params, self._masks)

    def check(self) -> None:
        """Make sure that no masked weight is other than zero.

        Raises:
            TrainingError: a masked weight is not zero.
        """
        check(self._params, self._masks)


def magnitude_masks(
    params: Mapping[str, Tensor],
    *,
    keep: int,
    within: _core.MaskSet | None = None,
    scope: str = "global",
) -> _core.MaskSet:
    """The ``keep`` weights of largest magnitude, exactly, as the core selects them.

    Args:
        params: weights by ordinary name, in the order that breaks ties.
        within: weights already removed stay removed.
        scope: as ``_core.select_magnitude``.

    Raises:
        MaskError: ``keep`` cannot be met, a weight is NaN, or ``within`` does not fit.
    """
    tensors = [(name, *for_core(name, tensor)) for name, tensor in params.items()]
    return _core.select_magnitude(tensors, keep=keep, within=within, scope=scope)


def score_masks(
    scores: Mapping[str, Tensor], *, keep: int | None, within: _core.MaskSet, scope: str = "global"
) -> _core.MaskSet:
    """The ``keep`` weights of highest score, exactly, as the core selects them.

    Args:
        scores: real numbers of the weights' shapes, by name, in the order that breaks ties.
        keep: how many; None where a pattern says it.
        within: weights already removed stay removed, whatever their score.
        scope: see ``masks.counts.Scope``.

    Raises:
        MaskError: as ``masks.selection.select``; a score is NaN.
    """
    tensors = [(name, *for_core(name, _ordered(score))) for name, score in scores.items()]
    return select(tensors, keep=keep, within=within, scope=scope)


def _ordered(score: Tensor) -> Tensor:
    """Scores as magnitudes of the same order, which is what the core compares.

    Those that are never negative are as they are. Of signed ones the bits of a float32, as an
    integer that grows with the number, are a magnitude that is exact in a float64.
    """
    score = score.detach()
    if not bool((score < 0).any()):
        return score
    # A zero of either sign is one zero.
    bits = (score.to("cpu", torch.float32) + 0.0).view(torch.int32).to(torch.int64)
    ordered = torch.where(bits < 0, -1 - (bits & 0x7FFFFFFF), bits) + 2**31
    return torch.where(score.cpu().isnan(), math.nan, ordered.double())


def lamp_scores(weights: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The core's LAMP scores, (double, on the weights' device) by name.

    Args:
        weights: by ordinary name.
        masks: boolean, of the same shapes; weights that are not kept neither count nor score.

    Raises:
        MaskError: a weight is NaN.
    """
    within = _core.MaskSet.from_bools({name: masks[name].cpu().numpy() for name in weights})
    found = _core.lamp_scores([(n, *for_core(n, w)) for n, w in weights.items()], within=within)
    return {
        name: torch.from_numpy(scores).view(weight.shape).to(weight.device)
        for (name, weight), scores in zip(weights.items(), found, strict=True)
    }


def _require_fit(params: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> None:
    for name, mask in masks.items():
        if name not in params:
            raise MaskError(
                f"the mask {name!r} belongs to no parameter of this network",
                hint="use the network that the masks were made for",
            )
        if mask.shape != params[name].shape:
            raise MaskError(
                f"the mask {name!r} has shape {tuple(mask.shape)}, "
                f"the weights have {tuple(params[name].shape)}",
                hint="use the network that the masks were made for",
            )
