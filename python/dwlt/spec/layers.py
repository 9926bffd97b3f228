"""Which weights of a network are prunable: kinds of layers, and names to take or leave out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["conv", "linear"]
KINDS: tuple[Kind, ...] = ("conv", "linear")


@dataclass(frozen=True)
class LayerChoice:
    """What may be pruned. The classifier never is: a transfer replaces it.

    Attributes:
        kinds: "conv" for the weights of 2-d convolutions (grouped and depthwise ones too),
            "linear" for those of linear layers and of the projections of attention.
        include: patterns (``*``, ``?``) of names; where there are any, only these are pruned.
        exclude: patterns of names that are left alone. "stem" is the network's first layer.
    """

    kinds: tuple[Kind, ...] = ("conv",)
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """In words: "conv and linear weights, without stem"."""
        words = f"{' and '.join(self.kinds)} weights"
        if self.include:
            words += f" named {', '.join(self.include)}"
        return words + (f", without {', '.join(self.exclude)}" if self.exclude else "")


def automatic(tensors: Iterable[tuple[str, Sequence[int]]]) -> tuple[Kind, ...]:
    """The kinds of layers that a network mostly consists of.

    Convolutions alone, as the paper has it, unless linear layers outnumber them even without the
    classifier: then the network is a transformer, a mixer or the like, and both are prunable.

    Args:
        tensors: names and shapes of its state, as a model file has them.
    """
    dimensions = [len(shape) for name, shape in tensors if name.endswith("weight")]
    conv, linear = dimensions.count(4), dimensions.count(2) - 1
    if linear <= conv:
        return ("conv",)
    return KINDS if conv else ("linear",)
