"""What layers such as dropout draw, as a function of where in the training they draw it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from dwlt.units import derive_seed


class LayerDraws:
    """The seeds of the generators that layers draw from.

    A step that is computed in pieces seeds them for every piece, so that a piece draws the same
    on whichever device and after whatever it comes. Where whole batches pass at once, one stream
    runs through each epoch, as it always has; a checkpoint inside the epoch keeps its place.

    Args:
        seed: of the training.
        pieces: whether steps are computed in pieces.
    """

    def __init__(self, seed: int, device: torch.device, *, pieces: bool) -> None:
        self._seed = seed
        self._device = device
        self._pieces = pieces

    def begin_epoch(self, epoch: int) -> None:
        """Called before an epoch's first step, and before ``load_state_dict``."""
        self._set(derive_seed(self._seed, "layers", epoch))

    def begin_piece(self, epoch: int, step: int, replay: int, piece: int) -> None:
        """Called before each piece of each step."""
        if self._pieces:
            self._set(derive_seed(self._seed, "layers", epoch, step, replay, piece))

    def state_dict(self) -> dict[str, Tensor]:
        """Where the epoch's stream is; empty where there is none."""
        if self._pieces:
            return {}
        state = {"cpu": torch.default_generator.get_state()}
        if self._device.type == "cuda":
            state["cuda"] = torch.cuda.get_rng_state(self._device)
        return state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from there. What another kind of device has drawn cannot be gone on with, and the
        epoch's stream begins again."""
        if "cpu" in state:
            torch.default_generator.set_state(state["cpu"])
        if "cuda" in state and self._device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda"], self._device)

    def _set(self, seed: int) -> None:
        """Seed the generators that layers draw from, and no other device's."""
        torch.default_generator.manual_seed(seed)
        if self._device.type == "cuda":
            with torch.cuda.device(self._device):
                torch.cuda.manual_seed(seed)
