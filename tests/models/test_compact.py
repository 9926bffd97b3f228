"""Networks for 32x32 images: sizes worked out by hand, and one block of each by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dwlt.errors import ModelError
from dwlt.export.network import plain_network
from dwlt.models import (
    Model,
    build_model,
    count_parameters,
    prunable,
    rehearse,
    state_of,
)
from dwlt.models.blueprint import Blueprint
from dwlt.models.compact import COMPACT, Architecture
from dwlt.models.files import model_bytes, read_model
from dwlt.models.preact import PreActBlock, PreActResNet18
from dwlt.models.vgg import VGG16
from dwlt.models.wide import WideBlock, WideResNet
from dwlt.spec import LayerChoice, ModelSpec

NARROW = {
    "wide": Architecture("wide", "WideResNet", {"depth": 10, "widen": 2}),
    "preact": Architecture("preact", "PreActResNet18", {"width": 4}),
    "preact-raw": Architecture("preact", "PreActResNet18", {"width": 4, "raw": True}),
    "vgg": Architecture("vgg", "VGG16", {"width": 4}),
}
"""The same code at a size that trains in milliseconds."""


def build(name: str, *, num_classes: int = 10, channels: int = 3, size: int = 32) -> Model:
    return build_model(
        ModelSpec(name=name),
        num_classes=num_classes,
        channels=channels,
        image_size=size,
        mean=[0.5] * channels,
        std=[0.25] * channels,
        seed=0,
    )


def conv(inputs: int, outputs: int) -> int:
    return 9 * inputs * outputs


def wide_block(a: int, b: int) -> int:
    """Two norms (a weight and a bias per channel), two convolutions, a shortcut where a != b."""
    return 2 * a + conv(a, b) + 2 * b + conv(b, b) + (a * b if a != b else 0)


def wide(blocks: int, k: int) -> int:
    total, a = conv(3, 16), 16
    for b in (16 * k, 32 * k, 64 * k):
        total += wide_block(a, b) + (blocks - 1) * wide_block(b, b)
        a = b
    return total + 2 * a + a * 10 + 10


def preact(*, raw: bool) -> int:
    total, a = conv(3, 64), 64
    for b in (64, 128, 256, 512):
        total += wide_block(a, b) + wide_block(b, b)
        a = b
    return total + (0 if raw else 2 * a) + a * 10 + 10


# Convolutions with biases, each with a norm: 9ab + b + 2b.
_VGG = [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
VGG = sum(conv(a, b) + 3 * b for a, b in zip([3, *_VGG], _VGG, strict=False)) + 512 * 10 + 10

SIZES = {
    "wrn28-4-32": (wide(4, 4), 5_849_050),
    "wrn28-10-32": (wide(4, 10), 36_479_194),  # 36.5M in Zagoruyko & Komodakis, table 4
    "wrn34-10-32": (wide(5, 10), 46_160_474),  # 46.2M in the literature
    "preactresnet18-32": (preact(raw=False), 11_172_170),  # 11.17M
    "preactresnet18-raw-32": (preact(raw=True), 11_171_146),
    "vgg16_bn-32": (VGG, 14_728_266),
}


@pytest.mark.parametrize("name", COMPACT)
def test_the_number_of_parameters(name: str) -> None:
    with torch.device("meta"):
        model = build(name)
    by_hand, published = SIZES[name]
    assert count_parameters(model) == by_hand == published


@pytest.mark.parametrize("name", COMPACT)
def test_it_takes_grey_images_and_other_sizes_by_itself(name: str) -> None:
    with torch.device("meta"):
        model = build(name, num_classes=3, channels=1, size=64)
    stem = next(one for one in model.network.modules() if isinstance(one, nn.Conv2d))
    assert (stem.in_channels, stem.stride, stem.kernel_size) == (1, (1, 1), (3, 3))
    weights = prunable(model, LayerChoice(exclude=("stem",)))
    assert len(weights) == len(prunable(model)) - 1


def test_too_small_an_image_is_refused() -> None:
    with torch.device("meta"), pytest.raises(ModelError, match="does not take 3x16x16 images"):
        build("vgg16_bn-32", size=16)


def test_no_published_weights() -> None:
    with pytest.raises(ModelError, match="no published weights"):
        build_model(
            ModelSpec(name="wrn28-10-32", weights="default"),
            num_classes=10,
            channels=3,
            image_size=32,
            mean=[0.5] * 3,
            std=[0.25] * 3,
            seed=0,
        )


def test_a_wrn_of_another_depth_is_refused() -> None:
    with pytest.raises(ValueError, match="30 is not of that form"):
        WideResNet(30, 1, channels=3, num_classes=10)


def _by_hand(block: nn.Module) -> None:
    """Norms that pass their input on, both convolutions times 10 and 100, the shortcut times 3."""
    with torch.no_grad():
        for name, one in block.named_modules():
            if isinstance(one, nn.BatchNorm2d):
                one.eps = 0.0
            if isinstance(one, nn.Conv2d):
                one.weight.zero_()
                factor = {"conv1": 10.0, "conv2": 100.0}.get(name, 3.0)
                for outputs in range(one.out_channels):
                    middle = one.kernel_size[0] // 2
                    one.weight[outputs, 0, middle, middle] = factor
    block.eval()


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        # x = 2: 2 + 10 * 100 * 2. x = -1: nothing passes the ReLU, and -1 passes beside it.
        (WideBlock(1, 1, 1), (2002.0, -1.0)),
        (PreActBlock(1, 1, 1, raw=False), (2002.0, -1.0)),
        # A shortcut that changes the width: 3 times max(x, 0), or 3x in the raw form.
        (WideBlock(1, 2, 1), (2006.0, 0.0)),
        (PreActBlock(1, 2, 1, raw=False), (2006.0, 0.0)),
        (PreActBlock(1, 2, 1, raw=True), (2006.0, -3.0)),
    ],
)
def test_a_block_by_hand(block: nn.Module, expected: tuple[float, float]) -> None:
    _by_hand(block)
    with torch.no_grad():
        for value, want in zip((2.0, -1.0), expected, strict=True):
            found = block(torch.full((1, 1, 1, 1), value))
            assert found.flatten().tolist() == [want] * found.numel()


@pytest.mark.parametrize(
    ("network", "shapes"),
    [
        (WideResNet(10, 1, channels=3, num_classes=2), [(16, 32), (32, 16), (64, 8)]),
        (
            PreActResNet18(channels=3, num_classes=2, width=2),
            [(2, 32), (4, 16), (8, 8), (16, 4)],
        ),
        (VGG16(channels=3, num_classes=2, width=1), [(1, 16), (2, 8), (4, 4), (8, 2), (8, 1)]),
    ],
)
def test_where_the_image_is_halved(network: nn.Module, shapes: list[tuple[int, int]]) -> None:
    """Channels and pixels after each stage, and images x classes at the end."""
    seen: list[tuple[int, int]] = []

    def note(_: nn.Module, __: Any, out: Tensor) -> None:
        seen.append((out.shape[1], out.shape[2]))

    for name, part in network.named_modules():
        stage = name.startswith(("block", "layer")) and "." not in name
        if stage or isinstance(part, nn.MaxPool2d):
            part.register_forward_hook(note)
    assert network(torch.rand(3, 3, 32, 32)).shape == (3, 2)
    assert seen == shapes


@pytest.mark.parametrize("form", NARROW)
def test_a_narrow_one_goes_the_whole_way(
    form: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """Rehearsed (training, attack, model file), filled from a file, exported, equal throughout."""
    monkeypatch.setitem(COMPACT, "narrow-32", NARROW[form])
    model = build("narrow-32", num_classes=4)
    spec = ModelSpec(name="narrow-32")
    assert rehearse(model, spec, channels=3, image_size=32, to_train=True) == ()
    blueprint = Blueprint(spec, tuple("abcd"), channels=3, size=32)
    path = tmp_path / "model.safetensors"
    path.write_bytes(model_bytes(model, blueprint))
    again, back = read_model(path)
    assert back == blueprint
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        expected = model.eval()(images)
        assert torch.equal(again.eval()(images), expected)
    # An export's lines, run with the one file that it copies.
    plain = plain_network(blueprint)
    assert plain.source is not None
    assert "dwlt" not in plain.source
    names: dict[str, Any] = {"__name__": "network"}
    exec(compile(plain.source, "network.py", "exec"), names)
    exec("\n".join(plain.build), names)
    state = {name: one for name, one in state_of(model).items() if "normalise" not in name}
    names["network"].load_state_dict(state)
    with torch.no_grad():
        found = names["network"].eval()(model.normalise(images))
    assert torch.equal(found, expected)
