"""Modes and gradient flags: set and restored in this one place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def module_flags(model: nn.Module) -> Iterator[None]:
    """Restore each module's own training flag on the way out, whatever happens inside.

    ``model.train(was_training)`` would not do: a network may be in training mode with some of
    its BatchNorm layers in evaluation mode.
    """
    before = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in before:
            if module.training is not training:
                module.training = training


@contextmanager
def frozen(model: nn.Module, *, evaluation: bool) -> Iterator[None]:
    """Parameters without gradients, for as long as an attack runs.

    Backward passes inside then compute the gradient of the input alone; ``param.grad`` is not
    touched. On the way out, exactly the parameters that required gradients do so again.

    Args:
        evaluation: put every module in evaluation mode, so that BatchNorm keeps its running
            statistics and dropout does not draw; else modes stay as they are.
    """
    trained = [param for param in model.parameters() if param.requires_grad]
    with module_flags(model):
        try:
            for param in trained:
                param.requires_grad_(False)
            if evaluation:
                model.eval()
            yield
        finally:
            for param in trained:
                param.requires_grad_(True)
