"""BatchNorm with the statistics of one batch, for dry runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def statistics_of_one_batch(model: nn.Module) -> Iterator[None]:
    """BatchNorm takes this batch's statistics whole, as if training had gone on for a while.

    With those that it begins with, deep networks overflow in evaluation mode.
    """
    layers = [(one, one.momentum) for one in model.modules() if isinstance(one, _BatchNorm)]
    for one, momentum in layers:
        one.momentum = None if momentum is None else 1.0
    try:
        yield
    finally:
        for one, momentum in layers:
            one.momentum = momentum
