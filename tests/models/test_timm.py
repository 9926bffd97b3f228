"""``timm:NAME``: timm's own small test networks, with and without published weights."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from dwlt.errors import ModelError
from dwlt.export.network import plain_network
from dwlt.models import Model, build_model, prunable, rehearse, require_images, state_of
from dwlt.models.blueprint import Blueprint
from dwlt.models.files import model_bytes, read_model
from dwlt.spec import LayerChoice, ModelSpec

timm: Any = pytest.importorskip("timm")


def build(name: str, weights: str | None = None, *, size: int = 32, classes: int = 5) -> Model:
    return build_model(
        ModelSpec(name=name, weights=weights),
        num_classes=classes,
        channels=1,
        image_size=size,
        mean=[0.25],
        std=[0.5],
        seed=3,
    )


@pytest.mark.parametrize(("name", "head"), [("timm:test_resnet", "fc"), ("timm:test_vit", "head")])
def test_it_goes_the_whole_way(name: str, head: str, tmp_path: Path) -> None:
    """Built by the seed, rehearsed on grey images, kept in a file, exported; equal throughout."""
    model, spec = build(name), ModelSpec(name=name)
    assert (model.head, model.num_classes) == (head, 5)
    assert model.normalise.mean.tolist() == [0.25] * 3
    twin = state_of(build(name))
    assert all(torch.equal(one, twin[key]) for key, one in state_of(model).items())
    assert rehearse(model, spec, channels=1, image_size=32, to_train=True) == ()
    require_images(model, name, 1, 32)
    kinds = LayerChoice(("conv", "linear"))
    assert not any(key.startswith(f"{head}.") for key in prunable(model, kinds))
    blueprint = Blueprint(spec, tuple("abcde"), channels=1, size=32)
    path = tmp_path / "model.safetensors"
    path.write_bytes(model_bytes(model, blueprint))
    again, back = read_model(path)
    assert back == blueprint
    images = torch.rand(2, 1, 32, 32)
    plain = plain_network(blueprint)
    names: dict[str, Any] = {}
    exec("\n".join([*plain.imports, *plain.build]), names)
    state = {key: one for key, one in state_of(model).items() if "normalise" not in key}
    names["network"].load_state_dict(state)
    with torch.no_grad():
        expected = model.eval()(images)
        assert torch.equal(again.eval()(images), expected)
        assert torch.equal(names["network"].eval()(model.normalise(images)), expected)


def test_a_vit_is_built_for_the_tasks_images() -> None:
    """Patches of 16 pixels: 2 x 2 and 4 x 4 of them, and the class token."""
    small, large = (build("timm:test_vit", size=size) for size in (32, 64))
    assert state_of(small)["pos_embed"].shape[1] - state_of(large)["pos_embed"].shape[1] == 4 - 16


def test_published_weights_bring_their_normalisation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = timm.create_model("test_resnet")
    torch.save(original.state_dict(), tmp_path / "w.pth")
    real = timm.create_model

    def from_file(name: str, **options: Any) -> Any:
        assert (name, options["pretrained"]) == ("test_resnet.r160_in1k", True)
        source = {"file": str(tmp_path / "w.pth"), "mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6)}
        return real(name, pretrained_cfg_overlay=source, **options)

    monkeypatch.setattr(timm, "create_model", from_file)
    model = build("timm:test_resnet", "r160_in1k")
    assert torch.equal(model.normalise.mean, torch.tensor([0.1, 0.2, 0.3]))
    assert torch.equal(model.normalise.std, torch.tensor([0.4, 0.5, 0.6]))
    own = state_of(model)
    for key, value in original.state_dict().items():
        assert key.startswith("fc.") or torch.equal(own[key], value)
    assert model.num_classes == 5


@pytest.mark.parametrize(
    ("name", "weights", "said"),
    [
        ("timm:test_resnett", None, "has no network 'test_resnett'"),
        ("timm:", None, "has no network ''"),
        ("timm:test_resnet", "nope", "the weights 'nope' of timm:test_resnet cannot be had"),
    ],
)
def test_what_timm_does_not_have(name: str, weights: str | None, said: str) -> None:
    with pytest.raises(ModelError, match=said):
        build(name, weights)


def test_without_timm_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ModelError, match="timm cannot be imported") as caught:
        build("timm:test_resnet")
    assert caught.value.hint == "pip install 'dwlt[timm]'"
