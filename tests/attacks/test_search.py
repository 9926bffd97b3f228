"""Search and training attacks against networks whose worst points are known."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, get_args

import pytest
import torch
from torch import Tensor, nn

from dwlt.attacks import SEARCHES, SearchResult, perturb, search
from dwlt.spec import AttackSpec
from dwlt.units import Eps

Norm = Literal["linf", "l2"]
WEIGHT = torch.tensor([3.0, -4.0, 0.0, 12.0]).view(1, 1, 2, 2)  # l1 length 19, l2 length 13


def spec(norm: Norm = "linf", **changes: Any) -> AttackSpec:
    values = {"eps": Eps("0.1"), "step": Eps("0.03"), "steps": 20, **changes}
    return AttackSpec(norm=norm, **values)


def run(model: nn.Module, images: Tensor, labels: Tensor, attack: AttackSpec) -> SearchResult:
    return search(model, images, labels, attack, seed=0, ids=torch.arange(len(labels)))


def test_every_iterate_of_a_spec_has_a_search() -> None:
    assert set(SEARCHES) == set(get_args(AttackSpec.model_fields["iterate"].annotation))


@pytest.mark.parametrize("start", [False, True])
def test_linf_reaches_the_corner(margin: Callable[[Tensor, float], nn.Module], start: bool) -> None:
    images = torch.full((2, 1, 2, 2), 0.5)
    model = margin(WEIGHT, 0.0)
    attack = spec(random_start=start)
    found = perturb(model, images, torch.tensor([0, 1]), attack, seed=1, ids=torch.arange(2))
    # Label 0 is attacked downhill along sign(w), label 1 uphill; a pixel of weight 0 does not move.
    corner = 0.1 * WEIGHT[0].sign()
    moved = WEIGHT[0] != 0
    torch.testing.assert_close(found[0][moved], (0.5 - corner)[moved])
    torch.testing.assert_close(found[1][moved], (0.5 + corner)[moved])


@pytest.mark.parametrize("iterate", ["last", "any"])
def test_l2_reaches_the_closest_point(
    margin: Callable[[Tensor, float], nn.Module], iterate: str
) -> None:
    images = torch.full((1, 1, 2, 2), 0.5)
    # The margin at the image is 1.2999, at the worst point 1.2999 - 0.1 * 13 < 0.
    bias = 1.2999 - float((WEIGHT * 0.5).sum())
    attack = spec("l2", iterate=iterate, random_start=False)
    found = run(margin(WEIGHT, bias), images, torch.tensor([0]), attack)
    assert found.fooled.tolist() == [True]
    torch.testing.assert_close(found.points, 0.5 - 0.1 * WEIGHT / 13, atol=2e-5, rtol=0)


@pytest.mark.parametrize("iterate", ["last", "any"])
@pytest.mark.parametrize(("norm", "reach"), [("linf", 1.9), ("l2", 1.3)])
def test_fooled_exactly_when_the_margin_is_within_reach(
    margin: Callable[[Tensor, float], nn.Module], norm: Norm, reach: float, iterate: str
) -> None:
    images = torch.full((1, 1, 2, 2), 0.5)
    centre = float((WEIGHT * 0.5).sum())
    for gap, expected in ((reach - 0.01, True), (reach + 0.01, False)):
        attack = spec(norm, iterate=iterate, steps=40)
        found = run(margin(WEIGHT, gap - centre), images, torch.tensor([0]), attack)
        assert found.fooled.tolist() == [expected]
        assert found.blind.tolist() == [False]


def test_the_box_limits_the_reach(margin: Callable[[Tensor, float], nn.Module]) -> None:
    # At (0, 1, 0.5, 0) no pixel can move downhill: nothing fools, however small the margin.
    image = torch.tensor([0.0, 1.0, 0.5, 0.0]).view(1, 1, 2, 2)
    bias = 0.01 - float((WEIGHT * image).sum())
    assert not run(margin(WEIGHT, bias), image, torch.tensor([0]), spec()).fooled.any()


class Valley(nn.Module):
    """Class 0 except in a narrow valley at offset 0.05 from the image 0.5, past which the margin
    still falls: steps of 0.05 from the image land in it first and then leave it."""

    def forward(self, images: Tensor) -> Tensor:
        offset = images.flatten(1)[:, 0] - 0.5
        inside = (offset - 0.05).abs() < 0.01
        margin = torch.where(inside, -1.0 - offset, 1.0 - offset)
        return torch.stack([margin, torch.zeros_like(margin)], 1)


def test_last_and_any_differ_where_the_path_passes_a_weak_point() -> None:
    image = torch.full((1, 1, 1, 1), 0.5)
    attack = spec(step=Eps("0.05"), steps=2, random_start=False)
    assert not run(Valley(), image, torch.tensor([0]), attack).fooled.any()
    found = run(Valley(), image, torch.tensor([0]), attack.model_copy(update={"iterate": "any"}))
    assert found.fooled.all()
    torch.testing.assert_close(found.points, torch.full((1, 1, 1, 1), 0.55))


class Ring(nn.Module):
    """Fooled only within 0.01 of the offset 0.08, and with no gradient: only a start finds it."""

    def forward(self, images: Tensor) -> Tensor:
        offset = images.flatten(1)[:, 0] - 0.5
        margin = torch.where((offset - 0.08).abs() < 0.02, -1.0, 1.0) + 0 * offset
        return torch.stack([margin, torch.zeros_like(margin)], 1)


def test_restarts_try_other_starts_and_blindness_is_told() -> None:
    images = torch.full((300, 1, 1, 1), 0.5)
    labels = torch.zeros(300, dtype=torch.int64)
    shares = [
        float(run(Ring(), images, labels, spec(restarts=n, steps=1)).fooled.float().mean())
        for n in (1, 8)
    ]
    # The weak points are 20% of the interval: 1 - 0.8 ** 8 = 83% are found in eight tries.
    assert abs(shares[0] - 0.2) < 0.08
    assert abs(shares[1] - 0.83) < 0.08
    assert run(Ring(), images, labels, spec(steps=1)).blind.all()


def test_fooled_samples_leave_the_batch(margin: Callable[[Tensor, float], Any]) -> None:
    weight = torch.ones(1, 1, 1, 1)
    model = margin(weight, -0.4)
    # Margins 0.015, 0.045, 0.5 against steps of 0.03: fooled after 1 step, after 2, never.
    images = torch.tensor([0.415, 0.445, 0.9]).view(3, 1, 1, 1)
    attack = spec(iterate="any", random_start=False, steps=5)
    found = run(model, images, torch.zeros(3, dtype=torch.int64), attack)
    assert found.fooled.tolist() == [True, True, False]
    assert model.rows == [3, 3, 2, 1, 1, 1]
    torch.testing.assert_close(found.points.flatten(), torch.tensor([0.385, 0.385, 0.8]))


def test_logits_that_are_not_finite_count_as_fooled() -> None:
    class Broken(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return torch.stack([images.flatten(1).sum(1) * math.nan] * 2, 1)

    images = torch.full((2, 1, 1, 1), 0.5)
    for iterate in ("last", "any"):
        found = run(Broken(), images, torch.tensor([0, 0]), spec(iterate=iterate))
        assert found.fooled.all()
        assert found.points.isfinite().all()


@pytest.mark.parametrize("iterate", ["last", "any"])
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_batch_size_and_order_do_not_change_outcomes(
    net: nn.Sequential, norm: Norm, iterate: str
) -> None:
    images = torch.rand(128, 1, 6, 6, generator=torch.Generator().manual_seed(3))
    net.eval()
    with torch.no_grad():
        # Centred, so that all classes occur and many images lie near a border.
        net[9].bias -= net(images).mean(0)
        labels = net(images).argmax(1)
    ids = torch.arange(1000, 1128)
    eps = Eps("0.05") if norm == "linf" else Eps("0.2")
    attack = spec(norm, eps=eps, iterate=iterate, steps=5, restarts=2)

    def outcome(size: int, order: Tensor) -> list[bool]:
        fooled = torch.zeros(128, dtype=torch.bool)
        for part in torch.split(order, size):
            fooled[part] = search(
                net, images[part], labels[part], attack, seed=4, ids=ids[part]
            ).fooled
        return fooled.tolist()

    whole = outcome(128, torch.arange(128))
    assert 5 < sum(whole) < 123
    assert outcome(7, torch.arange(128)) == whole
    assert outcome(1, torch.arange(128)) == whole
    assert outcome(16, torch.arange(128).flip(0)) == whole
