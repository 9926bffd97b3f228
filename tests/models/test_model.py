"""The model: normaliser inside, plain names, strict loading, safe to copy."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dwlt.errors import ModelError
from dwlt.models import (
    Model,
    build_model,
    head_names,
    load_state,
    prunable,
    state_of,
    swap_head,
)
from dwlt.spec import ModelSpec


def build(name: str = "resnet8", *, seed: int = 0, **options: Any) -> Model:
    values: dict[str, Any] = {
        "num_classes": 5,
        "channels": 1,
        "image_size": 8,
        "mean": [0.25],
        "std": [0.5],
        **{k: v for k, v in options.items() if k not in ("width", "weights")},
    }
    spec = ModelSpec(name=name, **{k: options[k] for k in ("width", "weights") if k in options})
    return build_model(spec, seed=seed, **values)


def images(count: int = 4, channels: int = 1, side: int = 8) -> Tensor:
    return torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(0))


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return list(a) == list(b) and all(torch.equal(a[name], b[name]) for name in a)


def test_small_resnet_by_hand() -> None:
    model = build(width=16)
    shapes = {name: tuple(weight.shape) for name, weight in prunable(model).items()}
    assert shapes == {
        "conv1.weight": (16, 1, 3, 3),
        "layer1.0.conv1.weight": (16, 16, 3, 3),
        "layer1.0.conv2.weight": (16, 16, 3, 3),
        "layer2.0.conv1.weight": (32, 16, 3, 3),
        "layer2.0.conv2.weight": (32, 32, 3, 3),
        "layer2.0.shortcut.0.weight": (32, 16, 1, 1),
        "layer3.0.conv1.weight": (64, 32, 3, 3),
        "layer3.0.conv2.weight": (64, 64, 3, 3),
        "layer3.0.shortcut.0.weight": (64, 32, 1, 1),
    }
    # 9 * (16 + 2*256 + 512 + 1024 + 2048 + 4096) + 512 + 2048
    assert sum(weight.numel() for weight in prunable(model).values()) == 76_432
    assert head_names(model) == ["fc.weight", "fc.bias"]


@pytest.mark.parametrize(("name", "layers"), [("resnet8", 8), ("resnet14", 14), ("resnet20", 20)])
def test_depth_counts_layers_on_the_main_path(name: str, layers: int) -> None:
    main = [key for key in prunable(build(name)) if "shortcut" not in key]
    assert len(main) + 1 == layers


@pytest.mark.parametrize("name", ["resnet18-32", "resnet34-32", "resnet50-32"])
def test_32_pixel_variants_keep_torchvisions_names(name: str) -> None:
    import torchvision

    model = build(name, channels=3, image_size=32, mean=[0.5] * 3, std=[0.2] * 3)
    original = torchvision.models.get_model(name.removesuffix("-32"), num_classes=5)
    own = {key: t.shape for key, t in state_of(model).items() if not key.startswith("normalise")}
    expected = {key: t.shape for key, t in original.state_dict().items()}
    assert own.pop("conv1.weight") == (64, 3, 3, 3)
    del expected["conv1.weight"]
    assert own == expected
    # No halving before the second stage: 32x32 stays 32x32 through stem and first stage.
    network: Any = model.network
    stem = network.maxpool(network.conv1(images(1, 3, 32)))
    assert stem.shape == (1, 64, 32, 32)


def test_the_normaliser_is_inside() -> None:
    model = build().eval()
    x = images()
    expected = model.network((x - 0.25) / 0.5)
    assert torch.equal(model(x), expected)
    assert list(state_of(model))[:3] == ["normalise.mean", "normalise.std", "conv1.weight"]
    assert state_of(model)["normalise.mean"].tolist() == [0.25]
    assert not [name for name, _ in model.named_parameters() if "normalise" in name]


def test_grey_images_spread_over_torchvisions_three_channels() -> None:
    model = build("resnet18", image_size=32).eval()
    assert state_of(model)["normalise.mean"].tolist() == [0.25] * 3
    x = images(2, 1, 32)
    torch.testing.assert_close(model(x), model(x.expand(-1, 3, -1, -1)))


def test_a_seed_decides_and_nothing_else() -> None:
    before = torch.get_rng_state()
    first = state_of(build(seed=1))
    torch.manual_seed(99)
    assert equal(first, state_of(build(seed=1)))
    assert not equal(first, state_of(build(seed=2)))
    torch.set_rng_state(before)
    model = build()
    swap_head(model, 3, seed=0)
    assert torch.equal(before, torch.get_rng_state())


def test_swap_head_keeps_everything_else() -> None:
    model = build().eval()
    before = {name: tensor.clone() for name, tensor in state_of(model).items()}
    swap_head(model, 3, seed=7)
    after = state_of(model)
    assert model(images()).shape == (4, 3)
    assert [name for name in after if not name.startswith("fc.")] == [
        name for name in before if not name.startswith("fc.")
    ]
    assert all(torch.equal(after[n], before[n]) for n in after if not n.startswith("fc."))
    assert all(module.training is False for module in model.modules())
    again = build()
    swap_head(again, 3, seed=7)
    assert equal(after, state_of(again))
    # The same number of classes is still a new task.
    swap_head(again, 3, seed=8)
    assert not torch.equal(after["fc.weight"], state_of(again)["fc.weight"])
    with pytest.raises(ModelError, match="1 classes"):
        swap_head(again, 1, seed=0)


def test_squeezenets_head_is_a_convolution() -> None:
    model = build("squeezenet1_1", channels=3, image_size=32, mean=[0.5] * 3, std=[0.2] * 3)
    assert "classifier.1.weight" not in prunable(model)
    swap_head(model, 3, seed=0)
    assert model(images(2, 3, 32)).shape == (2, 3)


def test_state_round_trip() -> None:
    source, target = build(seed=1), build(seed=2)
    with torch.no_grad():
        source(images())  # moves batch statistics and counters
    load_state(target, state_of(source))
    assert equal(state_of(source), state_of(target))
    # Copied, not shared.
    with torch.no_grad():
        state_of(source)["conv1.weight"].zero_()
    assert state_of(target)["conv1.weight"].abs().sum() > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("bn1.weight"), "the state has no 'bn1.weight'"),
        (lambda s: s.update({"module.x": torch.zeros(1)}), "the model has no 'module.x'"),
        (
            lambda s: s.update({"conv1.weight": torch.zeros(16, 3, 3, 3)}),
            "'conv1.weight' has shape 16x3x3x3, the model's has 16x1x3x3",
        ),
        (
            lambda s: s.update({"fc.bias": torch.zeros(5, dtype=torch.float64)}),
            "'fc.bias' holds torch.float64",
        ),
        # The first in the model's order, whatever the state's order.
        (lambda s: (s.pop("fc.bias"), s.pop("conv1.weight")), "the state has no 'conv1.weight'"),
    ],
)
def test_strict_loading_names_the_first_bad_key(change: Any, message: str) -> None:
    model = build()
    state = {name: tensor.clone() + 1 for name, tensor in state_of(model).items()}
    before = {name: tensor.clone() for name, tensor in state_of(model).items()}
    change(state)
    with pytest.raises(ModelError, match=message) as caught:
        load_state(model, state)
    assert caught.value.hint
    assert equal(before, state_of(model))


def test_copy_pickle_compile() -> None:
    model = build().eval()
    swap_head(model, 3, seed=0)
    x = images()
    expected = model(x)
    assert torch.equal(copy.deepcopy(model)(x), expected)
    assert torch.equal(pickle.loads(pickle.dumps(model))(x), expected)
    compiled: Any = torch.compile(model, backend="eager", fullgraph=True)
    assert torch.equal(compiled(x), expected)
    assert list(prunable(copy.deepcopy(model))) == list(prunable(model))


@pytest.mark.parametrize(
    ("name", "options", "message", "hint"),
    [
        ("resnet51", {}, "no model 'resnet51'", "did you mean 'resnet5"),
        ("resnet8", {"weights": "default"}, "'resnet8' has no published weights", "leave"),
        ("resnet18", {"weights": "V9"}, "no weights 'V9'", "IMAGENET1K_V1"),
        ("alexnet", {}, "alexnet does not take 1x8x8 images", "size = 224"),
        ("vit_b_16", {"image_size": 40}, "vit_b_16 cannot be built for 40x40", "size = 224"),
    ],
)
def test_models_that_cannot_be(name: str, options: dict[str, Any], message: str, hint: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        build(name, **options)
    assert hint in str(caught.value.hint)


class _Preset:
    mean = (0.485, 0.456, 0.406)
    std = (0.229, 0.224, 0.225)


@pytest.mark.parametrize("weights", ["default", "IMAGENET1K_V1", "imagenet1k_v1"])
def test_published_weights_bring_their_normaliser(
    weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The download is replaced by a state of the right shapes; everything else is real."""
    import torchvision

    published = torchvision.models.resnet18().state_dict()
    monkeypatch.setattr(
        "torchvision.models._api.load_state_dict_from_url", lambda *_, **__: published
    )
    model = build(
        "resnet18", weights=weights, channels=3, image_size=32, mean=[0.1] * 3, std=[1.0] * 3
    )
    state = state_of(model)
    torch.testing.assert_close(state["normalise.mean"], torch.tensor(_Preset.mean))
    torch.testing.assert_close(state["normalise.std"], torch.tensor(_Preset.std))
    assert state["fc.weight"].shape == (5, 512)
    assert torch.equal(state["layer3.0.conv1.weight"], published["layer3.0.conv1.weight"])


def test_a_normalisation_inside_published_networks_moves_to_the_normaliser(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """GoogLeNet and Inception have one that is on only where they are built with weights."""
    import torchvision

    torch.manual_seed(0)
    options = {"aux_logits": True, "init_weights": False}
    published = torchvision.models.googlenet(transform_input=True, **options).eval()
    monkeypatch.setattr(
        "torchvision.models._api.load_state_dict_from_url", lambda *_, **__: published.state_dict()
    )
    three: dict[str, Any] = {"channels": 3, "image_size": 32, "num_classes": 1000}
    model = build("googlenet", weights="default", mean=[0.1] * 3, std=[1.0] * 3, **three)
    x = images(2, 3, 32)
    mean, std = torch.tensor(_Preset.mean), torch.tensor(_Preset.std)
    with torch.no_grad():
        expected = published((x - mean[:, None, None]) / std[:, None, None])
        torch.testing.assert_close(model.eval()(x), expected, rtol=1e-3, atol=1e-6)
    # As a model file has it: built without weights, and filled.
    bare = build("googlenet", mean=[0.1] * 3, std=[1.0] * 3, **three).eval()
    load_state(bare, state_of(model))
    with torch.no_grad():
        torch.testing.assert_close(bare(x), model(x))


@pytest.mark.parametrize(
    "failure", [OSError("no network"), RuntimeError("invalid hash value\nand more")]
)
def test_weights_that_cannot_be_had_name_file_and_folder(
    failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", refuse)
    reason = str(failure).split("\n")[0]
    with pytest.raises(ModelError, match=rf"of resnet18 cannot be had \({reason}\)") as caught:
        build("resnet18", weights="default", image_size=32)
    assert "resnet18-f37072fd.pth into" in str(caught.value.hint)


OWN = """
import torch
from torch import nn

def plain(num_classes):
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, num_classes))

def everything(**options):
    assert options == {"num_classes": 5, "channels": 1, "image_size": 8}
    return plain(options["num_classes"])

def fixed():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 9))

def pair(num_classes):
    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(64, num_classes)
        def forward(self, x):
            return self.fc(x.flatten(1)), x
    return Pair()

def normalising(num_classes):
    network = plain(num_classes)
    network.normalise = nn.Identity()
    return network

def nothing(num_classes):
    return None

def headless(num_classes):
    return nn.Flatten()
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of the user's in the working directory."""
    import sys

    (tmp_path / "own_networks.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "own_networks", raising=False)
    return "own_networks"


@pytest.mark.parametrize("factory", ["plain", "everything"])
def test_own_networks(own: str, factory: str) -> None:
    import sys

    path = list(sys.path)
    model = build(f"{own}:{factory}")
    assert sys.path == path
    assert model.head == "3"
    assert list(prunable(model)) == ["0.weight"]
    assert equal(state_of(model), state_of(build(f"{own}:{factory}")))
    swap_head(model, 2, seed=0)
    assert model(images()).shape == (4, 2)


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("missing", "has no callable 'missing'"),
        ("fixed", "returns 2x9 for 2 images of 5 classes"),
        ("pair", "returns tuple of 2 for 2 images of 5 classes"),
        ("normalising", "part called 'normalise'"),
        ("nothing", "returned NoneType"),
        ("headless", "returns 2x64 for 2 images of 5 classes"),
    ],
)
def test_own_networks_that_do_not_fit(own: str, factory: str, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        build(f"{own}:{factory}")
    assert caught.value.hint


def test_a_module_that_is_not_there() -> None:
    with pytest.raises(ModelError, match="no module 'nowhere'"):
        build("nowhere:net")


def test_it_learns() -> None:
    """Eight random images are told apart after a few steps, at the smallest image size."""
    model = build(width=8, num_classes=8)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    x, y = images(8), torch.arange(8)
    for _ in range(30):
        optimiser.zero_grad()
        torch.autograd.backward(F.cross_entropy(model(x), y))
        optimiser.step()
    assert (model(x).argmax(1) == y).all()


def test_building_does_not_touch_batch_statistics() -> None:
    model = build()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.num_batches_tracked is not None
            assert int(module.num_batches_tracked) == 0
            assert module.training
