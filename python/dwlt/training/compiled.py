"""The network's forward pass through torch.compile, for as long as steps are taken."""

from __future__ import annotations

from types import TracebackType

import torch
from torch import nn

from dwlt.errors import TrainingError


class CompiledForward:
    """Inside, a network's forward pass is compiled; outside it is what it was.

    What is compiled takes the place of the instance's ``forward``, not of the network: modules,
    names of parameters and keys of the state stay, and so do masks, attacks and DDP, which go by
    them. Scores are taken outside, by the network as it is. Modes and gradient flags that attacks
    change are among what PyTorch compiles a variant for; beyond its limit of variants it falls
    back on the plain pass.

    Nobody has run this on a GPU yet: it is tested on CPUs, where nothing is compiled unless a test
    pretends so.

    Args:
        on: whether anything is compiled at all.
    """

    def __init__(self, model: nn.Module, *, on: bool) -> None:
        self._model = model
        # Nothing is compiled before the first pass.
        self._forward = torch.compile(model.forward) if on else None
        self._own = vars(model).get("forward")

    def __enter__(self) -> None:
        if self._forward is not None:
            vars(self._model)["forward"] = self._forward

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """
        Raises:
            TrainingError: the compiler has failed.
        """
        if self._forward is None:
            return
        if self._own is None:
            del vars(self._model)["forward"]
        else:
            vars(self._model)["forward"] = self._own
        if isinstance(error, RuntimeError) and _is_of_compiler(error):
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise TrainingError(
                f"the network cannot be compiled here: {lines[0]}",
                hint="train with compile = 'off'; it is another run",
            ) from error


def _is_of_compiler(error: RuntimeError) -> bool:
    # Imported where it has been already: it takes longer than the rest of PyTorch.
    from torch._dynamo.exc import TorchDynamoException

    return isinstance(error, TorchDynamoException)
