"""The counts of a ticket, which results of rounds and of transfers share."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from dwlt.results.base import Count, Positive, fault, out_of_range
from dwlt.results.refs import Layer
from dwlt.results.run import RunResult


class TicketResult(RunResult):
    """A result about one ticket; round 0 is the dense network.

    Attributes:
        kept, total: prunable weights that are kept, and all of them.
        layers: the same for each tensor, in the order of the network.
        parameters: learned numbers of the whole network, which the prunable weights are part of;
            None in files that do not say.
    """

    round: Count
    kept: Count
    total: Positive
    layers: tuple[Layer, ...]
    parameters: Positive | None = None

    @model_validator(mode="after")
    def _counts_agree(self) -> Self:
        if self.kept > self.total:
            raise out_of_range("kept", self.kept)
        for at, layer in enumerate(self.layers):
            if layer.kept > layer.total:
                raise out_of_range(f"layers[{at}].kept", layer.kept)
        sums = sum(x.kept for x in self.layers), sum(x.total for x in self.layers)
        if self.layers and sums != (self.kept, self.total):
            raise fault("the layers' counts do not add up to kept / total")
        if self.round == 0 and self.kept != self.total:
            raise fault(f"round 0 is the dense network, but keeps {self.kept} of {self.total}")
        return self
