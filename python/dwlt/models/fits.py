"""Whether a network takes the task's images, asked before any training."""

from __future__ import annotations

import torch
from torch.func import functional_call

from dwlt.errors import ModelError
from dwlt.models.model import Model


def check_forward(model: Model, name: str, channels: int, image_size: int) -> None:
    """Run two images through the model's shapes.

    On the meta device, where nothing is computed; a user's own network may hold tensors that are
    neither parameters nor buffers, so it gets real zeros. Its flags, buffers and the global
    generator stay as they are.

    Raises:
        ModelError: it fails on such images, or does not return (2, num_classes) logits.
    """
    own = ":" in name and next(model.parameters()).device.type != "meta"
    state = {
        key: tensor.detach().clone() if own else torch.empty_like(tensor, device="meta")
        for key, tensor in model.state_dict().items()
    }
    images = torch.zeros(2, channels, image_size, image_size, device="cpu" if own else "meta")
    flags = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            logits = functional_call(model, state, (images,))
    except (RuntimeError, ValueError, AssertionError, TypeError, IndexError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "an assertion"
        raise ModelError(
            f"{name} does not take {channels}x{image_size}x{image_size} images ({reason})",
            hint="set the task's `size` (or `channels`), e.g. size = 224, or choose a model for "
            "small images such as resnet18-32",
        ) from error
    finally:
        for module, training in flags:
            module.training = training
    shape = getattr(logits, "shape", None)
    if shape != (2, model.num_classes):
        found = "x".join(map(str, shape)) if shape is not None else type(logits).__name__
        raise ModelError(
            f"{name} returns {found} for 2 images of {model.num_classes} classes",
            hint="return one tensor of logits, images x classes",
        )
