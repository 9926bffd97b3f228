"""The model that every stage works with: a normaliser and a network, addressed by plain names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from dwlt.errors import ModelError

_NETWORK = "network."


class Normalise(nn.Module):
    """``(x - mean) / std`` per channel; grey images spread over a three-channel mean."""

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32))

    def forward(self, images: Tensor) -> Tensor:
        """(B, 1 or C, H, W) in [0, 1] to (B, C, H, W)."""
        return (images - self.mean[:, None, None]) / self.std[:, None, None]


class Model(nn.Module):
    """Takes pixels in [0, 1], gives logits.

    Attributes:
        normalise: travels with the weights, so that eps always means pixels.
        network: the classifier proper.
        head: dotted name of the network's last layer, which decides the number of classes.
        num_classes: outputs of the head.
    """

    def __init__(
        self, network: nn.Module, *, mean: Sequence[float], std: Sequence[float], head: str
    ) -> None:
        super().__init__()
        if hasattr(network, "normalise"):
            raise ModelError(
                f"{type(network).__name__} has a part called 'normalise', the normaliser's name",
                hint="rename it, or remove it if it normalises: that is done outside the network",
            )
        self.normalise = Normalise(mean, std)
        self.network = network
        self.head = head

    @property
    def num_classes(self) -> int:
        """Number of classes, read from the head itself."""
        layer = self.network.get_submodule(self.head)
        outputs = layer.out_channels if isinstance(layer, nn.Conv2d) else layer.out_features
        return int(outputs)  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) in [0, 1] to logits (B, num_classes)."""
        return self.network(self.normalise(images))  # type: ignore[no-any-return]


def plain_name(name: str) -> str:
    """A name without the part that says it is the network's."""
    return name.removeprefix(_NETWORK)


def state_of(model: Model) -> dict[str, Tensor]:
    """All parameters and buffers by ordinary name ("conv1.weight"), detached but not copied.

    The normaliser's are "normalise.mean" and "normalise.std". What is no tensor is left out; a
    network that keeps such things is refused by ``tensors.require_kept`` before any work.
    """
    state = model.state_dict().items()
    return {plain_name(name): one.detach() for name, one in state if isinstance(one, Tensor)}


def load_state(model: Model, state: Mapping[str, Tensor]) -> None:
    """Copy a state as from ``state_of`` into a model.

    Everything is checked before anything is copied: after an error the model is as it was.

    Raises:
        ModelError: naming the first key, in the model's order, that is missing or of another
            shape or type; then the first one that the model does not have.
    """
    own = state_of(model)
    for name, tensor in own.items():
        if name not in state:
            raise ModelError(
                f"the state has no {name!r} (shape {_shape(tensor)})",
                hint="it belongs to another architecture, or to another version of it",
            )
        given = state[name]
        if given.shape != tensor.shape:
            raise ModelError(
                f"{name!r} has shape {_shape(given)}, the model's has {_shape(tensor)}",
                hint="check model name, width, image channels and number of classes",
            )
        if given.dtype != tensor.dtype:
            raise ModelError(
                f"{name!r} holds {given.dtype}, the model's holds {tensor.dtype}",
                hint="convert the state first; a silent conversion would change its digest",
            )
    extra = next((name for name in state if name not in own), None)
    if extra is not None:
        raise ModelError(
            f"the model has no {extra!r}", hint="the state belongs to another architecture"
        )
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(state[name])


def _shape(tensor: Tensor) -> str:
    return "x".join(str(side) for side in tensor.shape) or "scalar"


def head_names(model: Model) -> list[str]:
    """Ordinary names of the head's parameters, e.g. ["fc.weight", "fc.bias"]."""
    layer = model.network.get_submodule(model.head)
    return [f"{model.head}.{name}" for name, _ in layer.named_parameters()]
