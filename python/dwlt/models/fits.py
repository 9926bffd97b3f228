"""Whether a network takes the task's images and returns logits, asked before any training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.func import functional_call

from dwlt.errors import ModelError
from dwlt.models.factory import is_own
from dwlt.models.guest import global_state_kept, guest
from dwlt.models.model import Model

RETURN = "return one tensor of logits, images x classes"
_EVALUATION = "its forward pass in evaluation mode"


def check_forward(model: Model, name: str, channels: int, image_size: int) -> None:
    """Run two images through the shapes of one of dwlt's or torchvision's networks.

    On the meta device, where nothing is computed. The model stays as it is.

    Raises:
        ModelError: it fails on such images, or does not return (2, num_classes) logits.
    """
    state = {
        key: torch.empty_like(tensor, device="meta") for key, tensor in model.state_dict().items()
    }
    images = torch.zeros(2, channels, image_size, image_size, device="meta")
    try:
        with evaluation(model), global_state_kept(), torch.no_grad():
            logits = functional_call(model, state, (images,))
    except Exception as error:
        text = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(
            f"{name} does not take {channels}x{image_size}x{image_size} images ({text})",
            hint="set the task's `size` (or `channels`), e.g. size = 224, or choose a model for "
            "small images such as resnet18-32",
        ) from error
    require_shape(name, logits, 2, model.num_classes)


def own_forward(network: nn.Module, name: str, channels: int, image_size: int) -> object:
    """What a user's network returns for two images of zeros; its state stays as it is.

    On real tensors and not on the meta device: it may hold some that are neither parameters nor
    buffers.

    Raises:
        ModelError: it raises anything.
    """
    hint = (
        f"it must take any number of {channels}x{image_size}x{image_size} images; the task's "
        "`size` and `channels` change them"
    )
    dtype = next((one.dtype for one in network.parameters() if one.is_floating_point()), None)
    if dtype not in (None, torch.float32):
        hint = f"its weights are {dtype}, and images come in float32: return it with .float()"
    images = torch.zeros(2, channels, image_size, image_size)
    before = [(buffer, buffer.clone()) for buffer in network.buffers()]
    with guest(name, _EVALUATION, hint), evaluation(network), torch.no_grad():
        found: object = network(images)
        for buffer, value in before:
            buffer.copy_(value)
    return found


def require_images(model: Model, name: str, channels: int, image_size: int) -> None:
    """Refuse images that a built network does not take, such as those of another size.

    Args:
        model: the network with its normaliser.
        name: as in ``ModelSpec.name``; with a colon it is a user's own or timm's.
        channels: of the images.
        image_size: height and width in pixels.

    Raises:
        ModelError: it fails on them, or does not return (2, num_classes) logits.
    """
    if ":" in name:
        # A user's own network is given the images themselves, timm's the normaliser's channels.
        network = model.network if is_own(name) else model
        found = own_forward(network, name, channels, image_size)
        require_shape(name, found, 2, model.num_classes)
    else:
        check_forward(model, name, channels, image_size)


def require_shape(name: str, found: object, images: int, classes: int, where: str = "") -> Tensor:
    """Refuse what are no logits.

    Args:
        where: in which pass, for the message.

    Raises:
        ModelError: ``found`` is not one floating-point tensor of (images, classes).
    """
    count = f"{images} image{'' if images == 1 else 's'} of {classes} classes"
    if not isinstance(found, Tensor):
        raise ModelError(f"{name} returns {_words(found)} for {count}{where}", hint=_hint(found))
    if found.shape != (images, classes):
        shape = "x".join(map(str, found.shape)) or "one number"
        hint = RETURN
        if found.dim() == 2 and found.shape[0] == images:
            hint = "let the factory take `num_classes`, and return as many logits"
        raise ModelError(f"{name} returns {shape} for {count}{where}", hint=hint)
    if not found.is_floating_point():
        raise ModelError(f"{name} returns {found.dtype} for {count}{where}", hint=RETURN)
    return found


def _words(found: object) -> str:
    if isinstance(found, Mapping):
        keys = ", ".join(repr(key) for key in list(found)[:4])
        return f"{type(found).__name__} with the keys {keys}"
    if isinstance(found, (tuple, list)):
        return f"{type(found).__name__} of {len(found)}"
    return type(found).__name__


def _hint(found: object) -> str:
    if hasattr(found, "logits") or (isinstance(found, Mapping) and "logits" in found):
        return f"{RETURN}: wrap the network in a module that returns its `logits`"
    if isinstance(found, (tuple, list)):
        return (
            f"{RETURN}, in training mode as well: wrap the network in a module that takes them "
            "out, and leave auxiliary heads away"
        )
    return RETURN


@contextmanager
def evaluation(network: nn.Module) -> Iterator[None]:
    """Evaluation mode, each module's own flag restored afterwards."""
    flags = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, training in flags:
            module.training = training
