"""``dwlt import --zoo robustbench``: files with the names of the zoo's, and what its code says."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dwlt.checkpoints.robustbench import MODELS, published
from dwlt.errors import UserError
from dwlt.models import build_model, state_of
from dwlt.models.compact import COMPACT, Architecture
from dwlt.models.files import read_model
from dwlt.spec import ModelSpec
from tests.conftest import Cli

Shapes = dict[str, tuple[int, ...]]


def norm(name: str, width: int) -> Shapes:
    learned = {f"{name}.{part}": (width,) for part in ("weight", "bias", "running_mean")}
    return {**learned, f"{name}.running_var": (width,), f"{name}.num_batches_tracked": ()}


def wide(blocks: int, k: int) -> Shapes:
    """The names in RobustBench's wide_resnet.py, spelled out."""
    found: Shapes = {"conv1.weight": (16, 3, 3, 3)}
    a = 16
    for stage, b in enumerate((16 * k, 32 * k, 64 * k), 1):
        for block in range(blocks):
            at = f"block{stage}.layer.{block}"
            found |= norm(f"{at}.bn1", a) | {f"{at}.conv1.weight": (b, a, 3, 3)}
            found |= norm(f"{at}.bn2", b) | {f"{at}.conv2.weight": (b, b, 3, 3)}
            if a != b:
                found[f"{at}.convShortcut.weight"] = (b, a, 1, 1)
            a = b
    return found | norm("bn1", a) | {"fc.weight": (10, a), "fc.bias": (10,)}


def preact(w: int, *, last: bool) -> Shapes:
    """The names in its resnet.py."""
    found: Shapes = {"conv1.weight": (w, 3, 3, 3)}
    a = w
    for stage, b in enumerate((w, 2 * w, 4 * w, 8 * w), 1):
        for block in range(2):
            at = f"layer{stage}.{block}"
            found |= norm(f"{at}.bn1", a) | {f"{at}.conv1.weight": (b, a, 3, 3)}
            found |= norm(f"{at}.bn2", b) | {f"{at}.conv2.weight": (b, b, 3, 3)}
            if a != b:
                found[f"{at}.shortcut.0.weight"] = (b, a, 1, 1)
            a = b
    return (
        found | (norm("bn", a) if last else {}) | {"linear.weight": (10, a), "linear.bias": (10,)}
    )


FULL = {
    "wrn28-10-32": wide(4, 10),
    "wrn34-10-32": wide(5, 10),
    "preactresnet18-32": preact(64, last=True),
    "preactresnet18-raw-32": preact(64, last=False),
}


@pytest.mark.parametrize("name", FULL)
def test_names_and_shapes_are_those_of_the_zoo(name: str) -> None:
    with torch.device("meta"):
        model = build_model(
            ModelSpec(name=name),
            num_classes=10,
            channels=3,
            image_size=32,
            mean=[0.0] * 3,
            std=[1.0] * 3,
            seed=0,
        )
    own = {key: tuple(one.shape) for key, one in state_of(model).items() if "normalise" not in key}
    assert own == FULL[name]


def filled(shapes: Shapes, seed: int = 0) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    found: dict[str, Tensor] = {}
    for name, shape in shapes.items():
        if not shape:
            found[name] = torch.tensor(7)
        elif len(shape) == 1:
            found[name] = torch.rand(shape) + 0.5
        else:
            found[name] = torch.randn(shape) / math.sqrt(math.prod(shape[1:]))
    return found


def under(prefix: str, given: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: one for name, one in given.items()}


NARROW = {
    "wrn28-10-32": (Architecture("wide", "WideResNet", {"depth": 10, "widen": 2}), wide(1, 2)),
    "preactresnet18-32": (
        Architecture("preact", "PreActResNet18", {"width": 4}),
        preact(4, last=True),
    ),
    "preactresnet18-raw-32": (
        Architecture("preact", "PreActResNet18", {"width": 4, "raw": True}),
        preact(4, last=False),
    ),
}
"""The code of the large ones at a size that is read in milliseconds."""

CIFAR = ([0.4914, 0.4822, 0.4465], [0.2471, 0.2435, 0.2616])
UNUSED = {"sub_block1.layer.0.conv1.weight": torch.ones(1, 1, 3, 3)}


def carmon(state: dict[str, Tensor]) -> Any:
    return {"state_dict": under("module.", state | UNUSED), "epoch": 200}


def kireev(state: dict[str, Tensor]) -> Any:
    return {"last": state, "best": {name: one + 1 for name, one in state.items()}}


def andriushchenko(state: dict[str, Tensor]) -> Any:
    return kireev(state | {"model_preact_hl1.1.weight": torch.ones(2)})


def rice(state: dict[str, Tensor]) -> Any:
    mean, std = (torch.tensor(one).view(1, 3, 1, 1) for one in CIFAR)
    return {"mu": mean, "sigma": std, **state}


FILES: dict[str, Any] = {
    "cifar10/Linf/Carmon2019Unlabeled": (carmon, ([0.0] * 3, [1.0] * 3)),
    "cifar10/Linf/Hendrycks2019Using": (lambda s: under("module.", s), ([0.5] * 3, [0.5] * 3)),
    "cifar10/Linf/Sehwag2020Hydra": (
        lambda s: {"model_state_dict": under("module.model.", s | UNUSED)},
        ([0.0] * 3, [1.0] * 3),
    ),
    "cifar10/Linf/Andriushchenko2020Understanding": (andriushchenko, ([0.0] * 3, [1.0] * 3)),
    "cifar10/Linf/Wong2020Fast": (lambda s: s, CIFAR),
    "cifar10/L2/Rice2020Overfitting": (rice, CIFAR),
    "cifar10/corruptions/Kireev2021Effectiveness_RLAT": (kireev, CIFAR),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_becomes_a_model_with_the_same_logits(
    name: str, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, (mean, std) = FILES[name]
    model = MODELS[name].model
    architecture, shapes = NARROW[model]
    monkeypatch.setitem(COMPACT, model, architecture)
    state = filled(shapes)
    path, out = tmp_path / f"{name}.pt", tmp_path / "out.safetensors"
    path.parent.mkdir(parents=True)
    torch.save(make(state), path)
    code, _, err = cli("import", path, "--zoo", "robustbench", "-o", out)
    assert code == 0, err
    imported, blueprint = read_model(out)
    assert (blueprint.model.name, blueprint.size, len(blueprint.classes)) == (model, 32, 10)
    original: nn.Module = architecture.build(3, 10)
    original.load_state_dict(state)
    images = torch.rand(4, 3, 32, 32)
    centre, spread = (torch.tensor(one).view(1, 3, 1, 1) for one in (mean, std))
    with torch.no_grad():
        expected = original.eval()((images - centre) / spread)
        assert torch.equal(imported.eval()(images), expected)


def test_a_file_under_another_name_says_which_it_is() -> None:
    named = published("robustbench:cifar10/L2/Rice2020Overfitting", "a.pt")
    assert named == published("robustbench", "models/cifar10/L2/Rice2020Overfitting.pt")
    assert named.model == "preactresnet18-32"


@pytest.mark.parametrize(
    ("zoo", "source", "said"),
    [
        ("robustbench", "models/cifar10/Linf/Gowal2020Uncovering_70_16.pt", "Gowal2020Uncovering"),
        ("robustbench:cifar10/Linf/Wong2020Fas", "a.pt", "did you mean"),
        ("robusbench", "a.pt", "there is no zoo 'robusbench'"),
    ],
)
def test_what_the_zoo_does_not_have_is_refused(zoo: str, source: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        published(zoo, source)
    assert said in f"{caught.value} {caught.value.hint}"


def test_nothing_is_said_twice(cli: Cli, tmp_path: Path) -> None:
    words = ["import", "a.pt", "--zoo", "robustbench", "-o", tmp_path / "o.safetensors"]
    code, _, err = cli(*words, "--model", "resnet8", "--mean", "0", "--std", "1")
    assert code == 2
    assert "--zoo says what --model, --mean, --std would say" in " ".join(err.split())


def test_every_network_of_the_table_is_there() -> None:
    assert {one.model for one in MODELS.values()} <= set(COMPACT)
