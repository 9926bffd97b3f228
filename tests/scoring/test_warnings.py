"""Signs of numbers that are not to be believed."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from dwlt.models.model import Normalise
from dwlt.results import Accuracy
from dwlt.scoring import evaluate, sweep_flags
from dwlt.scoring.inputs import input_flags, normalisers
from dwlt.scoring.masking import masking_flags
from tests.scoring.memory import split_of


class Front(nn.Module):
    """A normaliser of somebody else's."""

    def __init__(self, mean: float, std: float) -> None:
        super().__init__()
        self.register_buffer("mu", torch.tensor([mean]))
        self.register_buffer("sigma", torch.tensor([std]))

    def forward(self, images: Tensor) -> Tensor:
        mu, sigma = self.get_buffer("mu"), self.get_buffer("sigma")
        scaled: Tensor = (images - mu) / sigma
        return scaled


def trained_on(images: Tensor, front: nn.Module) -> nn.Sequential:
    """A network whose BatchNorm has seen these images behind this front."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        body = [
            nn.Conv2d(1, 4, 3),
            nn.BatchNorm2d(4, momentum=None),
            nn.Flatten(),
            nn.Linear(64, 3),
        ]
    net = nn.Sequential(front, *body).train()
    with torch.no_grad():
        net(images)
    return net.eval()


@pytest.fixture
def images() -> Tensor:
    return torch.rand(64, 1, 6, 6, generator=torch.Generator().manual_seed(0))


def codes(net: nn.Module, images: Tensor) -> set[str]:
    with torch.no_grad():
        return {flag.code for flag in input_flags(net, images, net(images))}


def test_one_normaliser_is_as_it_should_be(images: Tensor) -> None:
    assert codes(trained_on(images, Normalise([0.5], [0.25])), images) == set()


def test_two_normalisers_are_told_by_name(images: Tensor) -> None:
    net = nn.Sequential(Normalise([0.5], [0.25]), trained_on(images, Front(0.5, 0.25)))
    assert normalisers(net) == ["0", "1.0"]
    assert codes(net, images) == {"normalised-twice", "input-scale"}
    idle = nn.Sequential(Normalise([0.0], [1.0]), trained_on(images, Front(0.5, 0.25)))
    assert codes(idle, images) == set()


def test_inputs_of_another_scale_are_told(images: Tensor) -> None:
    # Trained behind a normaliser and fed bare pixels, and the other way round.
    net = trained_on(images, Normalise([0.5], [0.25]))
    net[0] = nn.Identity()
    assert codes(net, images) == {"input-scale"}
    bare = trained_on(images, nn.Identity())
    assert codes(nn.Sequential(Normalise([0.5], [0.25]), bare), images) == {"input-scale"}


def test_the_look_leaves_no_hook(images: Tensor) -> None:
    net = trained_on(images, nn.Identity())
    codes(net, images)
    assert not net[2]._forward_pre_hooks


def test_a_random_model_is_told(images: Tensor) -> None:
    class Noisy(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return torch.randn(len(images), 3)

    assert codes(Noisy(), images) == {"random-model"}


def test_flags_of_inputs_reach_the_score(images: Tensor) -> None:
    net = nn.Sequential(Normalise([0.5], [0.25]), trained_on(images, Front(0.5, 0.25)))
    split = split_of(images, torch.zeros(64, dtype=torch.int64))
    found = evaluate(net, split, [], label=None, device="cpu")
    assert [flag.code for flag in found.score.flags] == ["normalised-twice", "input-scale"]


@pytest.mark.parametrize(
    ("fooled", "raised"),
    [
        ({"apgd-ce": 40, "square": 3}, True),
        ({"apgd-ce": 40, "square": 2}, False),
        ({"square": 40}, False),
        ({"apgd-ce": 998, "square": 1}, False),
    ],
)
def test_square_beyond_gradients_is_flagged(fooled: dict[str, int], raised: bool) -> None:
    assert [flag.code for flag in masking_flags(fooled, 1000)] == ["square-stronger"] * raised


def curve(*correct: int) -> list[tuple[str, Accuracy]]:
    radii = ("0", "1/8", "1/2", "1")
    return [(eps, Accuracy(one, 200)) for eps, one in zip(radii, correct, strict=True)]


def test_a_curve_that_falls_to_zero_raises_nothing() -> None:
    assert list(sweep_flags(curve(190, 100, 20, 2), whole="1")) == []
    # One in a hundred may come back by luck.
    assert list(sweep_flags(curve(190, 100, 102, 0), whole="1")) == []


def test_a_curve_that_rises_or_stays_up_is_flagged() -> None:
    (rises,) = sweep_flags(curve(190, 100, 103, 0), whole="1")
    assert rises.code == "ra-rises"
    assert "50.0% at eps 1/8 to 51.5% at eps 1/2" in rises.text
    (stays,) = sweep_flags(curve(190, 100, 90, 3), whole="1")
    assert stays.code == "robust-at-any-eps"
    assert list(sweep_flags(curve(190, 100, 90, 3), whole="20")) == []
