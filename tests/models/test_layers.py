"""What is prunable: kinds of layers, names, what layers share, and what is refused by name."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from dwlt.errors import ModelError
from dwlt.models import Model, build_model, count_parameters, parameters_of, prunable
from dwlt.models.layers import automatic_choice
from dwlt.models.tensors import require_prunable
from dwlt.spec import LayerChoice, ModelSpec, automatic

BOTH = LayerChoice(("conv", "linear"))


class Attention(nn.Module):
    """A stem, one block of attention and a mixer, a classifier."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 4, 4)
        self.norm = nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True, **options)
        self.up, self.down = nn.Linear(8, 16), nn.Linear(16, 8)
        self.head = nn.Linear(8, 3)


def model(network: nn.Module, head: str = "head") -> Model:
    return Model(network, mean=(0.0,), std=(1.0,), head=head)


def sequential(*layers: nn.Module) -> Model:
    return model(nn.Sequential(*layers), str(len(layers) - 1))


def test_projections_of_attention_are_linear_weights() -> None:
    assert list(prunable(model(Attention()), BOTH)) == [
        "stem.weight",
        "attention.in_proj_weight",
        "attention.out_proj.weight",
        "up.weight",
        "down.weight",
    ]
    apart = prunable(model(Attention(kdim=4, vdim=4)), LayerChoice(("linear",)))
    assert list(apart)[:3] == [f"attention.{name}_proj_weight" for name in "qkv"]


def test_the_automatic_choice_goes_by_what_the_network_consists_of() -> None:
    assert automatic_choice(model(Attention())) == BOTH
    # The classifier does not count, and a tie is a convolutional network.
    assert automatic([("a.weight", (4, 1, 3, 3)), ("b.weight", (9, 4)), ("c.weight", (2, 9))]) == (
        "conv",
    )
    assert automatic([("hidden.weight", (9, 4)), ("fc.weight", (2, 9))]) == ("linear",)
    # What is no weight of a layer does not count either.
    assert automatic([("fc.weight", (2, 9)), ("table", (9, 9)), ("other", (9, 9))]) == ("conv",)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("resnet8", ("conv",)),
        ("resnet18-32", ("conv",)),
        ("vgg11_bn", ("conv",)),
        ("mobilenet_v2", ("conv",)),
        ("convnext_tiny", ("conv", "linear")),
        ("swin_t", ("conv", "linear")),
        ("vit_b_32", ("conv", "linear")),
    ],
)
def test_the_automatic_choice_of_known_networks(name: str, kinds: tuple[str, ...]) -> None:
    size = 32 if name.startswith("resnet") else 224
    with torch.device("meta"):
        from torchvision.models import get_model

        network = get_model(name, num_classes=10) if "-" not in name and name != "resnet8" else None
    if network is None:
        network = build_model(
            ModelSpec(name=name),
            num_classes=10,
            channels=3,
            image_size=size,
            mean=(0.5,) * 3,
            std=(0.5,) * 3,
            seed=0,
        ).network
    assert automatic((key, one.shape) for key, one in network.state_dict().items()) == kinds


def test_names_are_taken_and_left_out() -> None:
    found = model(Attention())
    only = LayerChoice(("conv", "linear"), include=("attention.*", "up"))
    assert list(prunable(found, only)) == [
        "attention.in_proj_weight",
        "attention.out_proj.weight",
        "up.weight",
    ]
    rest = LayerChoice(("conv", "linear"), exclude=("stem", "attention*", "classifier"))
    assert list(prunable(found, rest)) == ["up.weight", "down.weight"]
    assert rest.text == "conv and linear weights, without stem, attention*, classifier"


@pytest.mark.parametrize("word", ["classifier", "head", "head.*"])
def test_the_classifier_cannot_be_asked_for(word: str) -> None:
    with pytest.raises(ModelError, match="'head' cannot be pruned: a transfer replaces it"):
        prunable(model(Attention()), LayerChoice(("linear",), include=(word,)))


def test_a_pattern_that_names_nothing_is_told() -> None:
    with pytest.raises(ModelError, match=r"no layer is named 'layre1.\*'") as caught:
        prunable(model(Attention()), LayerChoice(("linear",), exclude=("layre1.*",)))
    assert "stem.weight" in str(caught.value.hint)


def test_grouped_and_depthwise_convolutions_are_ordinary_weights() -> None:
    found = sequential(
        nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 8, 3, groups=2), nn.Flatten(), nn.Linear(8, 2)
    )
    assert {name: tuple(one.shape) for name, one in prunable(found).items()} == {
        "0.weight": (4, 1, 3, 3),
        "1.weight": (8, 2, 3, 3),
    }


def tied(*, also_outside: bool = False) -> Model:
    first = nn.Linear(4, 4)
    network = nn.Sequential(first, nn.Linear(4, 4), nn.Linear(4, 4))
    network[1].weight = first.weight
    if also_outside:
        network.register_parameter("again", network[1].get_parameter("weight"))
    return model(network, "2")


def test_a_shared_weight_has_one_mask() -> None:
    found, choice = tied(), LayerChoice(("linear",))
    assert list(prunable(found, choice)) == ["0.weight"]
    assert require_prunable(found, "net", choice) == ()
    assert "0.weight" in parameters_of(found)
    assert "1.weight" not in parameters_of(found)
    assert count_parameters(found) == 16 + 4 + 4 + 16 + 4


def test_a_weight_that_something_else_uses_is_refused() -> None:
    choice = LayerChoice(("linear",))
    with pytest.raises(ModelError, match=r"'again' and '0\.weight' are one tensor"):
        require_prunable(tied(also_outside=True), "net", choice)
    with pytest.raises(ModelError, match=r"'1\.weight' and '0\.weight' are one tensor"):
        require_prunable(tied(), "net", LayerChoice(("linear",), exclude=("1",)))
    network = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    network[1].weight = network[0].weight
    with pytest.raises(ModelError, match=r"'1\.weight' and '0\.weight' are one tensor"):
        require_prunable(model(network, "1"), "net", choice)


def test_a_computed_weight_is_refused_unless_it_is_left_out() -> None:
    network = nn.Sequential(
        nn.utils.parametrizations.weight_norm(nn.Linear(4, 4)), nn.Linear(4, 4), nn.Linear(4, 2)
    )
    found = model(network, "2")
    with pytest.raises(ModelError, match=r"layer '0' \(ParametrizedLinear\) is no parameter"):
        require_prunable(found, "net", LayerChoice(("linear",)))
    left = LayerChoice(("linear",), exclude=("0",))
    assert require_prunable(found, "net", left) == ()
    assert list(prunable(found, left)) == ["1.weight"]


def test_computed_projections_of_attention_are_refused() -> None:
    network = Attention()
    nn.utils.parametrizations.weight_norm(network.attention, "in_proj_weight")
    with pytest.raises(ModelError, match=r"'attention'.* is no parameter"):
        require_prunable(model(network), "net", BOTH)


def test_nothing_to_prune_names_what_was_looked_for() -> None:
    with pytest.raises(ModelError, match="net has no conv weights"):
        require_prunable(sequential(nn.Linear(4, 4), nn.Linear(4, 2)), "net", LayerChoice())
