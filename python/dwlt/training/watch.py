"""A stopwatch for training steps that also counts passes through the network."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn


@dataclass
class Watch:
    """Times steps, and counts what goes through the network meanwhile."""

    model: nn.Module
    device: torch.device
    seconds: list[float] = field(default_factory=list)
    forward: int = 0
    backward: int = 0
    _began: float | None = None

    def begin(self, steps: int) -> bool:
        """A step begins, and with it the one before has ended; True when there were enough."""
        self.end()
        self._began = self._now()
        return len(self.seconds) >= steps

    def end(self) -> None:
        """A step has ended."""
        if self._began is not None:
            self.seconds.append(self._now() - self._began)
        self._began = None

    def drop(self) -> None:
        """What was begun was no step."""
        self._began = None

    @contextlib.contextmanager
    def apart(self) -> Iterator[None]:
        """What is done inside belongs to no step: neither its time nor its passes count."""
        counts, began = (self.forward, self.backward), self._now()
        yield
        self.forward, self.backward = counts
        if self._began is not None:
            self._began += self._now() - began

    def _now(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    @contextlib.contextmanager
    def counting(self) -> Iterator[None]:
        """Count passes of images through the model and back."""

        def passed(_module: nn.Module, _inputs: object, logits: Tensor) -> None:
            self.forward += len(logits)
            if logits.requires_grad:
                logits.register_hook(returned)  # type: ignore[no-untyped-call]

        def returned(gradient: Tensor) -> None:
            self.backward += len(gradient)

        hook = self.model.register_forward_hook(passed)
        try:
            yield
        finally:
            hook.remove()
