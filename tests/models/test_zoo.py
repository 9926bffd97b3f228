"""Every model name: it builds, it says what can be pruned, and its head can be swapped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
import torchvision
from torch import nn
from torch.overrides import TorchFunctionMode

from dwlt.models import Model, build_model, head_names, list_names, prunable, state_of, swap_head
from dwlt.models.compact import COMPACT
from dwlt.spec import ModelSpec


class _NoStorage(TorchFunctionMode):
    """Parameters (made by ``torch.empty``) take no memory and no time."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.empty and kwargs.get("device") is None:
            kwargs["device"] = "meta"
        return func(*args, **kwargs)


@contextmanager
def weightless(name: str) -> Iterator[None]:
    # torchvision's RegNet computes its widths with tensors, which need real storage.
    mode: Any = _NoStorage() if name.startswith("regnet") else torch.device("meta")
    with mode:
        yield


def build(name: str, num_classes: int = 7) -> Model:
    size = 299 if name == "inception_v3" else 224
    with weightless(name):
        return build_model(
            ModelSpec(name=name),
            num_classes=num_classes,
            channels=3,
            image_size=size,
            mean=[0.5] * 3,
            std=[0.25] * 3,
            seed=0,
        )


HEADS = {
    "alexnet": "classifier.6",
    "convnext": "classifier.2",
    "densenet": "classifier",
    "efficientnet": "classifier.1",
    "googlenet": "fc",
    "inception": "fc",
    "maxvit": "classifier.5",
    "mnasnet": "classifier.1",
    "mobilenet_v2": "classifier.1",
    "mobilenet_v3": "classifier.3",
    "regnet": "fc",
    "resnet": "fc",
    "resnext": "fc",
    "shufflenet": "fc",
    "squeezenet": "classifier.1",
    "swin": "head",
    "vgg": "classifier.6",
    "vit": "heads.head",
    "wide_resnet": "fc",
    "preactresnet": "linear",
    "vgg16_bn-32": "classifier",
    "wrn": "fc",
}
"""By family, as torchvision's source and the files of published checkpoints have it."""


@pytest.mark.parametrize("name", list_names())
def test_every_model(name: str) -> None:
    """``build_model`` has run its shapes already: two images give (2, num_classes)."""
    model = build(name)
    family = max((key for key in HEADS if name.startswith(key)), key=len)
    assert model.head == HEADS[family]
    assert model.num_classes == 7
    before = {**dict(model.named_parameters()), **dict(model.named_buffers())}

    masks = prunable(model)
    convolutions = [m.weight for m in model.modules() if isinstance(m, nn.Conv2d)]
    own_head = model.get_submodule(f"network.{model.head}").weight
    expected = [weight for weight in convolutions if weight is not own_head]
    assert len(masks) == len(expected) >= 1
    assert all(a is b for a, b in zip(masks.values(), expected, strict=True))
    assert all(name.endswith(".weight") and name in state_of(model) for name in masks)

    with weightless(name):
        swap_head(model, 3, seed=1)
    assert model.num_classes == 3
    head = set(head_names(model))
    assert f"{model.head}.weight" in head
    after = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    assert list(after) == list(before)
    for key, tensor in after.items():
        assert (tensor is before[key]) == (key.removeprefix("network.") not in head)
    assert not head & set(masks)
    assert list(prunable(model)) == list(masks)


def test_the_list_is_complete() -> None:
    names = list_names()
    published = torchvision.models.list_models(module=torchvision.models)
    assert set(published) < set(names)
    assert set(names) - set(published) - set(COMPACT) == {
        "resnet8",
        "resnet14",
        "resnet20",
        "resnet18-32",
        "resnet34-32",
        "resnet50-32",
    }
    assert set(COMPACT) < set(names)
    assert len(names) == len(set(names))
    assert all(any(name.startswith(key) for key in HEADS) for name in names)
