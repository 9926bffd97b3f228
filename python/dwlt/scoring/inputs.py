"""Signs that images do not reach a model as it needs them, and that its answers are random."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from dwlt.results import Flag, flag

FACTOR = 4.0
"""How far the variance at the first BatchNorm may be from the one it was trained on. Images that
are normalised twice differ by 1 / std squared: 16 for CIFAR-10, 20 for ImageNet, 10 for MNIST."""

NAMES = (("mean", "std"), ("mu", "sigma"))
"""What normalising layers call their statistics."""


def input_flags(model: nn.Module, images: Tensor, logits: Tensor) -> Iterator[Flag]:
    """Run some images a second time and flag what should not be.

    Args:
        model: in evaluation mode.
        images: (B, C, H, W) in [0, 1].
        logits: what the model said of them before.
    """
    layers = normalisers(model)
    if len(layers) > 1:
        yield flag("normalised-twice", layers=tuple(layers))
    ratio, again = _first_variance(model, images)
    if not torch.allclose(again, logits, rtol=1e-3, atol=1e-4, equal_nan=True):
        yield flag("random-model")
    if ratio is not None and not 1 / FACTOR <= ratio <= FACTOR:
        yield flag("input-scale", ratio=ratio)


def normalisers(model: nn.Module) -> list[str]:
    """Names of the layers that hold a mean and a standard deviation and change something."""
    found = []
    for name, module in model.named_modules():
        for first, second in NAMES:
            mean, std = getattr(module, first, None), getattr(module, second, None)
            if isinstance(mean, Tensor) and isinstance(std, Tensor):
                idle = bool((mean == 0).all()) and bool((std == 1).all())
                found += [] if idle else [name or type(module).__name__]
    return found


def _first_variance(model: nn.Module, images: Tensor) -> tuple[float | None, Tensor]:
    """Variance that the first BatchNorm layer meets over the one that it holds, and logits.

    The geometric mean over channels; None where the network has no such layer.
    """
    ratios: list[float] = []

    def compare_variance(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        held = getattr(layer, "running_var", None)
        if ratios or not isinstance(held, Tensor):
            return
        met = inputs[0].detach().float().var((0, 2, 3), correction=0)
        # A channel that is all but dead says nothing about scale.
        alive = held > 1e-3 * held.max()
        ratio = (met[alive].clamp(min=1e-12) / held[alive].clamp(min=1e-12)).log().mean().exp()
        ratios.append(float(ratio))

    layers = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    hooks = [layer.register_forward_pre_hook(compare_variance) for layer in layers]
    try:
        with torch.no_grad():
            logits: Tensor = model(images)
    finally:
        for hook in hooks:
            hook.remove()
    return (ratios[0] if ratios else None), logits
