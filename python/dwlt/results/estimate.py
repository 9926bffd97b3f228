"""What a run was expected to cost, from a few measured steps; made before the run began."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from dwlt.results.base import Amount, Count, Text

# Values that are None are written too: whoever reads the file sees that there was no figure.
_STRICT = ConfigDict(extra="ignore")

MemoryFrom = Literal["peak", "saved tensors"]


@dataclass(frozen=True, slots=True, config=_STRICT)
class Estimate:
    """The expected cost of one run, or of one round of a search.

    ``images``, ``forward`` and ``backward`` count one image each time it is trained on or scored,
    goes through the network, or is gone back for; steps of attacks are among them. Scoring counts
    as if every image were classified correctly, and so had to be attacked: the most it can be.
    """

    epochs: Count
    images: Count
    forward: Count
    backward: Count
    seconds: Amount
    low: Annotated[Amount, Field(description="seconds, if every step were the fastest measured")]
    high: Annotated[Amount, Field(description="seconds, if every step were the slowest measured")]
    memory: Annotated[Count | None, Field(description="bytes on one device; None: unknown")]
    memory_from: Annotated[
        MemoryFrom | None,
        Field(
            description="peak: of the device's allocator; saved tensors: weights, gradients, "
            "momentum and what one step keeps for its way back"
        ),
    ]
    device: Text

    def __add__(self, other: Estimate) -> Estimate:
        """One after the other on the same device."""
        memory = [one.memory for one in (self, other) if one.memory is not None]
        return Estimate(
            self.epochs + other.epochs,
            self.images + other.images,
            self.forward + other.forward,
            self.backward + other.backward,
            self.seconds + other.seconds,
            self.low + other.low,
            self.high + other.high,
            max(memory, default=None),
            self.memory_from or other.memory_from,
            self.device,
        )

    def times(self, count: int) -> Estimate:
        """As many such runs, one after the other."""
        return Estimate(
            count * self.epochs,
            count * self.images,
            count * self.forward,
            count * self.backward,
            count * self.seconds,
            count * self.low,
            count * self.high,
            self.memory,
            self.memory_from,
            self.device,
        )
