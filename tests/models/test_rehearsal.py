"""The dry run: own networks of every kind either go the whole way or are refused by name."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from dwlt.errors import ModelError
from dwlt.models import Model, build_model, prunable, rehearse, state_of, swap_head
from dwlt.models.files import digest_of, model_bytes
from dwlt.spec import ModelSpec

SOURCE = """
import random
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations


def base(num_classes, channels, wrap=lambda layer: layer):
    return nn.Sequential(
        wrap(nn.Conv2d(channels, 4, 3, padding=1)), nn.ReLU(), wrap(nn.Conv2d(4, 8, 3)),
        nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, num_classes),
    )


class Net(nn.Module):
    def __init__(self, num_classes, channels):
        super().__init__()
        self.net = base(num_classes, channels)

    def forward(self, x):
        return self.net(x)


def plain(num_classes, channels): return base(num_classes, channels)
def weightnorm(num_classes, channels):
    return base(num_classes, channels, parametrizations.weight_norm)
def spectral(num_classes, channels):
    return base(num_classes, channels, parametrizations.spectral_norm)
def spectral_old(num_classes, channels): return base(num_classes, channels, nn.utils.spectral_norm)
def headnorm(num_classes, channels):
    net = base(num_classes, channels)
    net[6] = parametrizations.weight_norm(net[6])
    return net
def lazy(num_classes):
    return nn.Sequential(nn.LazyConv2d(8, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(num_classes))
def frozen(num_classes, channels): return base(num_classes, channels).requires_grad_(False)
def some_frozen(num_classes, channels):
    net = base(num_classes, channels)
    net[0].bias.requires_grad_(False)
    return net
def expanded(num_classes, channels):
    net = base(num_classes, channels)
    net.register_buffer("grid", torch.zeros(1).expand(16))
    net.shift = nn.Parameter(torch.zeros(1).expand(3))
    return net
def views(num_classes, channels):
    net = base(num_classes, channels)
    net.register_buffer("all", torch.arange(16.0).view(4, 4))
    net.register_buffer("turned", net.all.t())
    net.register_buffer("part", net.all[:2])
    net.register_buffer("mask", net.all > 3)
    net.register_buffer("unknown", torch.full((2,), float("nan")))
    net.register_buffer("empty", torch.zeros(0, 3))
    net.register_buffer("nothing", None)
    return net
def complex_buffer(num_classes, channels):
    net = base(num_classes, channels)
    net.register_buffer("turns", torch.polar(torch.ones(4), torch.arange(4.0)))
    return net
def sparse(num_classes, channels):
    net = base(num_classes, channels)
    net.register_buffer("few", torch.eye(4).to_sparse())
    return net
def meta(num_classes, channels):
    with torch.device("meta"):
        return base(num_classes, channels)
def inference(num_classes, channels):
    with torch.inference_mode():
        return base(num_classes, channels)
def double(num_classes, channels): return base(num_classes, channels).double()
def half(num_classes, channels): return base(num_classes, channels).half()
def generator(num_classes, channels):
    net = base(num_classes, channels)
    net.numbers = (number for number in range(3))
    return net
def flat(num_classes, channels):
    return nn.Sequential(nn.Flatten(), nn.Linear(64 * channels, num_classes))
def ends(num_classes): raise SystemExit("no GPU found")
def raises(num_classes): assert num_classes > 100, "too few classes"
def late(num_classes, channels):
    from rehearsed_layers import block
    head = nn.Linear(8, num_classes)
    return nn.Sequential(block(channels), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)
def numpy_weights(num_classes, channels):
    import numpy
    net = base(num_classes, channels)
    with torch.no_grad():
        net[0].bias.fill_(numpy.random.rand() + random.random())
    return net
def global_state(num_classes, channels):
    import os, sys
    import numpy
    assert len(sys.argv) == 1, sys.argv
    os.chdir("/")
    numpy.random.seed(0), random.seed(0), torch.manual_seed(0)
    net = base(num_classes, channels)
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    return net


class HeadFirst(nn.Module):
    def __init__(self, num_classes, channels):
        super().__init__()
        self.out, self.conv = nn.Linear(8, num_classes), nn.Conv2d(channels, 8, 3)
    def forward(self, x): return self.out(torch.relu(self.conv(x)).mean((2, 3)))
class TwoHeads(nn.Module):
    def __init__(self, num_classes, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, 8, 3)
        self.main, self.aside = nn.Linear(8, num_classes), nn.Linear(8, num_classes)
    def forward(self, x):
        found = self.conv(x).mean((2, 3))
        logits = self.main(found)
        self.aside(found)
        return logits
class SharedNorm(nn.Module):
    def __init__(self, num_classes, channels):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(channels, 8, 3), nn.BatchNorm2d(8)
        self.more, self.same = nn.Conv2d(8, 8, 3), self.norm
        self.fc = nn.Linear(8, num_classes)
    def forward(self, x): return self.fc(self.same(self.more(self.norm(self.conv(x)))).mean((2, 3)))
class Tied(nn.Module):
    def __init__(self, num_classes, channels):
        super().__init__()
        self.first = nn.Conv2d(channels, 4, 3)
        self.one, self.two = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
        self.two.weight = self.one.weight
        self.fc = nn.Linear(4, num_classes)
    def forward(self, x): return self.fc(self.two(self.one(self.first(x))).mean((2, 3)))
class SkipsAtRandom(Net):
    def forward(self, x):
        x = self.net[1](self.net[0](x))
        if self.training and random.random() < 0.5:
            return self.net[6](torch.cat([x, x], 1).mean((2, 3)))
        return self.net[2:](x)
class InPlace(Net):
    def forward(self, x): return self.net(x.sub_(0.5).relu_())
class TrainTuple(Net):
    def forward(self, x):
        y = self.net(x)
        return (y, y) if self.training else y
class Keyed(Net):
    def forward(self, x): return {"logits": self.net(x)}
class Wrapped(Net):
    def forward(self, x):
        found = type("Output", (), {})()
        found.logits = self.net(x)
        return found
class Attribute(Net):
    def forward(self, x): return self.net(x).logits
class Wrong(Net):
    def __init__(self, num_classes, channels): super().__init__(7, channels)
class NoGrad(Net):
    def forward(self, x):
        with torch.no_grad():
            found = self.net[:-1](x)
        return self.net[-1](found)
class Detached(Net):
    def forward(self, x): return self.net(x.detach())
class Rounding(Net):
    def forward(self, x): return self.net((x * 4).round())
class Unused(Net):
    def __init__(self, num_classes, channels):
        super().__init__(num_classes, channels)
        self.more = nn.Conv2d(8, 8, 3)
class AlwaysDropout(Net):
    def forward(self, x): return F.dropout(self.net(x), 0.5)
class BatchStatistics(Net):
    def forward(self, x): return self.net(x - x.mean(0))
class NaN(Net):
    def forward(self, x): return self.net(x) * float("nan")
class TrainNaN(Net):
    def forward(self, x): return self.net(x) * (float("nan") if self.training else 1)
class SteepRoot(Net):
    def forward(self, x):
        y = self.net(x)
        return y + (y.relu() * 0).sqrt()
class Squeezed(Net):
    def forward(self, x): return self.net(x).squeeze()
class TwoAlone(Net):
    def forward(self, x): return self.net(x).view(2, -1)
class FixedShape(Net):
    def __init__(self, num_classes, channels):
        super().__init__(num_classes, channels)
        self.count = num_classes
    def forward(self, x): return self.net(x).view(-1, self.count)
class Counting(Net):
    def __init__(self, num_classes, channels):
        super().__init__(num_classes, channels)
        self.register_buffer("looks", torch.tensor(0))
    def forward(self, x):
        self.looks += 1
        return self.net(x)
class InAList(Net):
    def __init__(self, num_classes, channels):
        super().__init__(num_classes, channels)
        self.layers = [nn.Conv2d(channels, channels, 1)]
    def forward(self, x): return self.net(self.layers[0](x))
class NotKept(Net):
    def __init__(self, num_classes, channels):
        super().__init__(num_classes, channels)
        self.register_buffer("drawn", torch.randn(1, channels, 1, 1), persistent=False)
    def forward(self, x): return self.net(x * self.drawn)
class TrainExit(Net):
    def forward(self, x):
        if self.training:
            raise SystemExit(3)
        return self.net(x)
class ExtraState(Net):
    def get_extra_state(self): return {"seen": 1}
    def set_extra_state(self, state): pass
class Grows(Net):
    def forward(self, x):
        self.add_module(f"layer{len(self._modules)}", nn.Linear(1, 1))
        return self.net(x)
"""

MODULE = "rehearsed_networks"


@pytest.fixture(autouse=True)
def networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of networks in the working directory."""
    (tmp_path / f"{MODULE}.py").write_text(SOURCE)
    (tmp_path / "rehearsed_layers.py").write_text(
        "from torch import nn\n"
        "def block(channels):\n"
        "    return nn.Sequential(nn.Conv2d(channels, 8, 3), nn.ReLU())\n"
    )
    monkeypatch.chdir(tmp_path)
    for name in (MODULE, "rehearsed_layers"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def build(name: str) -> tuple[ModelSpec, Model]:
    spec = ModelSpec(name=name if name == "resnet8" else f"{MODULE}:{name}", width=4)
    model = build_model(
        spec, num_classes=5, channels=1, image_size=8, mean=[0.5], std=[0.25], seed=3
    )
    return spec, model


def go(name: str, *, to_train: bool = True) -> tuple[str, ...]:
    spec, model = build(name)
    return rehearse(model, spec, channels=1, image_size=8, to_train=to_train)


WORKS = {
    "plain": "6",
    "lazy": "3",
    "some_frozen": "6",
    "expanded": "6",
    "views": "6",
    "late": "3",
    "numpy_weights": "6",
    "global_state": "6",
    "HeadFirst": "out",
    "TwoHeads": "main",
    "SharedNorm": "fc",
    "Tied": "fc",
    "SkipsAtRandom": "net.6",
    "InPlace": "net.6",
}
"""Networks that go all the way, and the layer that makes their logits."""


@pytest.mark.parametrize("name", WORKS)
def test_networks_that_work(name: str) -> None:
    spec, model = build(name)
    assert model.head == WORKS[name]
    notes = rehearse(model, spec, channels=1, image_size=8)
    assert len(notes) == (name == "some_frozen")
    swap_head(model, 3, seed=0)
    assert model(torch.rand(2, 1, 8, 8)).shape == (2, 3)
    # The seed alone decides the weights, whatever the factory draws from.
    assert digest_of(build(name)[1]) == digest_of(build(name)[1])


REFUSED = {
    "weightnorm": "weight of layer '0' .* is no parameter but computed from 'parametrizations",
    "spectral": "weight of layer '0' .* is no parameter but computed from 'parametrizations",
    "spectral_old": "weight of layer '0' .* is no parameter but computed from 'weight_orig'",
    "headnorm": "weight of layer '6' .* is no parameter",
    "frozen": "'0.weight' is frozen",
    "ExtraState": "'_extra_state' of its state is a dict",
    "Grows": "its forward pass adds or removes 'layer",
    "complex_buffer": "'turns' holds torch.complex64",
    "sparse": "'few' is torch.sparse_coo",
    "meta": "'0.weight' is on the meta device",
    "inference": "'0.weight' was made under torch.inference_mode",
    "double": "forward pass in evaluation mode fails: RuntimeError: .*double",
    "half": "forward pass in evaluation mode fails: RuntimeError: .*Half",
    "generator": "copying it fails: TypeError: cannot pickle 'generator'",
    "flat": "no conv weights",
    "ends": r"building it with ends\(num_classes=5\) fails: .*\(SystemExit: no GPU found\) "
    rf"\({MODULE}.py, line \d+\)",
    "raises": rf"fails: AssertionError: too few classes \({MODULE}.py, line \d+\)",
    "TrainTuple": "returns tuple of 2 for 2 images of 5 classes in training mode",
    "Keyed": "returns dict with the keys 'logits'",
    "Wrapped": "returns Output for 2 images",
    "Attribute": rf"AttributeError: 'Tensor' object has no attribute 'logits' \({MODULE}.py, line",
    "Wrong": "returns 2x7 for 2 images of 5 classes",
    "NoGrad": "no gradient reaches 'net.0.weight' in training mode",
    "Detached": "no gradient reaches the image",
    "Rounding": "the gradient at the image is exactly 0",
    "Unused": r"no gradient reaches 'more.weight' in training mode \(1 of 3",
    "AlwaysDropout": "gives other logits for the same images each time",
    "BatchStatistics": "gives an image other logits beside other images",
    "NaN": "returns logits that are not finite in training mode",
    "TrainNaN": "returns logits that are not finite in training mode",
    "SteepRoot": "the gradient of 'net.0.weight' is not finite",
    "Squeezed": "returns 5 for 1 image of 5 classes in evaluation mode",
    "TwoAlone": "forward pass in evaluation mode fails: RuntimeError: shape",
    "FixedShape": "its head, the layer 'net.6', cannot be replaced by one with 6 outputs",
    "Counting": "its forward pass changes 'looks' in evaluation mode",
    "InAList": "filled from its model file, it gives other logits",
    "NotKept": "filled from its model file, it gives other logits",
    "TrainExit": r"forward pass in training mode fails: it ends the program \(SystemExit: 3\)",
}
"""Networks that dwlt cannot work with, and what is said."""


@pytest.mark.parametrize("name", REFUSED)
def test_networks_that_are_refused(name: str) -> None:
    with pytest.raises(ModelError, match=REFUSED[name]) as caught:
        go(name)
    assert f"{MODULE}:{name}" in str(caught.value)
    assert caught.value.hint or name in ("ends", "raises")


@pytest.mark.parametrize("name", ["frozen", "NoGrad", "flat", "TrainTuple", "Detached"])
def test_a_network_for_scores_alone_is_told_and_not_refused(name: str) -> None:
    (note,) = go(name, to_train=False)
    assert "neither trained nor pruned" in note


@pytest.mark.parametrize("name", ["AlwaysDropout", "Squeezed", "NotKept"])
def test_what_scores_need_is_never_let_pass(name: str) -> None:
    with pytest.raises(ModelError, match=REFUSED[name]):
        go(name, to_train=False)


@pytest.mark.parametrize("name", ["resnet8", "SharedNorm"])
def test_nothing_of_it_stays(name: str) -> None:
    spec, model = build(name)
    model.get_submodule("network").train()
    state = {key: one.clone() for key, one in model.state_dict().items()}
    before = torch.get_rng_state(), random.getstate(), np.random.get_state(legacy=False)
    path, arguments, here = list(sys.path), list(sys.argv), Path.cwd()
    rehearse(model, spec, channels=1, image_size=8)
    assert torch.equal(before[0], torch.get_rng_state())
    assert random.getstate() == before[1]
    assert str(np.random.get_state(legacy=False)) == str(before[2])
    assert (sys.path, sys.argv, Path.cwd()) == (path, arguments, here)
    assert all(torch.equal(one, state[key]) for key, one in model.state_dict().items())
    assert all(one.grad is None and one.requires_grad for one in model.parameters())
    assert all(module.training for module in model.modules())


def test_what_a_factory_does_to_the_process_is_undone() -> None:
    here, dtype = Path.cwd(), torch.get_default_dtype()
    before = torch.get_rng_state(), random.getstate()
    go("global_state")
    assert Path.cwd() == here
    assert torch.get_default_dtype() == dtype
    assert torch.is_grad_enabled()
    assert torch.equal(before[0], torch.get_rng_state())
    assert random.getstate() == before[1]


def test_shared_tensors_are_written_once_per_name() -> None:
    from safetensors.torch import load

    from dwlt.models.blueprint import Blueprint

    spec, model = build("SharedNorm")
    content = load(model_bytes(model, Blueprint(spec, ("",) * 5, 1, 8)))
    assert set(content) == set(state_of(model))
    assert torch.equal(content["norm.weight"], content["same.weight"])
    assert list(prunable(model)) == ["conv.weight", "more.weight"]
