"""Balls: hand-worked steps, and the bound as a law."""

from __future__ import annotations

from typing import Literal, get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dwlt.attacks import BALLS, ball_around
from dwlt.spec import AttackSpec
from dwlt.units import Eps


def image(*pixels: float) -> Tensor:
    return torch.tensor(pixels).view(1, 1, 1, -1)


def attack(norm: Literal["linf", "l2"], eps: float) -> AttackSpec:
    return AttackSpec(norm=norm, eps=Eps(eps), step=Eps("0.1"))


def test_every_norm_of_a_spec_has_a_ball() -> None:
    assert set(BALLS) == set(get_args(AttackSpec.model_fields["norm"].annotation))


def test_linf_steps_by_the_sign_and_stops_at_both_bounds() -> None:
    # eps 0.25 around (0.5, 0.5, 0.125, 1): the third pixel meets 0, the fourth 1.
    ball = ball_around(image(0.5, 0.5, 0.125, 1.0), attack("linf", 0.25))
    gradient = image(3.0, 0.0, -7.0, 0.01)
    once = ball.step(image(0.5, 0.5, 0.125, 1.0), gradient.clone(), 0.1875)
    assert torch.equal(once, image(0.6875, 0.5, 0.0, 1.0))
    assert torch.equal(ball.step(once, gradient, 0.1875), image(0.75, 0.5, 0.0, 1.0))


def test_l2_follows_the_unit_gradient_and_scales_back() -> None:
    ball = ball_around(image(0.5, 0.5), attack("l2", 0.25))
    # The 3-4-5 triangle: a step of 0.125 along (3, 4) / 5.
    once = ball.step(image(0.5, 0.5), image(3.0, 4.0), 0.125)
    torch.testing.assert_close(once, image(0.575, 0.6))
    # A step of 1 leaves the ball and comes back to length 0.25.
    far = ball.step(image(0.5, 0.5), image(3.0, 4.0), 1.0)
    torch.testing.assert_close(far, image(0.65, 0.7))


def test_l2_direction_survives_gradients_whose_squares_vanish() -> None:
    ball = ball_around(image(0.5, 0.5), attack("l2", 0.25))
    once = ball.step(image(0.5, 0.5), image(3e-30, 4e-30), 0.125)
    torch.testing.assert_close(once, image(0.575, 0.6))


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_a_zero_gradient_does_not_move(norm: Literal["linf", "l2"]) -> None:
    ball = ball_around(image(0.5, 0.25), attack(norm, 0.25))
    assert torch.equal(ball.step(image(0.5, 0.25), image(0.0, 0.0), 0.1), image(0.5, 0.25))


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_eps_zero_is_the_image(norm: Literal["linf", "l2"]) -> None:
    images = torch.rand(3, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    ball = ball_around(images, attack(norm, 0.0))
    assert torch.equal(ball.start(0, torch.arange(3)), images)
    assert torch.equal(ball.step(images.clone(), torch.ones_like(images), 0.1), images)


def test_excess_by_hand() -> None:
    points = image(0.5 + 0.3, 0.5 + 0.4)
    linf = ball_around(image(0.5, 0.5), attack("linf", 0.25)).excess(points)
    torch.testing.assert_close(linf, torch.tensor([0.15]))
    l2 = ball_around(image(0.5, 0.5), attack("l2", 0.25)).excess(points)
    torch.testing.assert_close(l2, torch.tensor([0.25]))


def test_l2_starts_fill_the_ball_evenly() -> None:
    # In d = 4 dimensions the share within radius r is r**4: so r**4 is uniform in [0, 1].
    ball = ball_around(torch.full((4000, 1, 2, 2), 0.5), attack("l2", 0.25))
    offsets = (ball.start(5, torch.arange(4000)) - 0.5).flatten(1)
    filled = (offsets.norm(dim=1) / 0.25) ** 4
    assert abs(float(filled.mean()) - 0.5) < 0.03
    assert abs(float(filled.var()) - 1 / 12) < 0.01
    assert float(offsets.mean(0).abs().max()) < 0.01


@given(
    norm=st.sampled_from(["linf", "l2"]),
    eps=st.floats(0, 1),
    size=st.floats(0.001, 2),
    seed=st.integers(0, 2**63 - 1),
)
@settings(max_examples=60, deadline=None)
def test_no_point_leaves_the_ball(
    norm: Literal["linf", "l2"], eps: float, size: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(3, 2, 3, 3, generator=generator).round(decimals=1)
    ball = ball_around(images, attack(norm, eps))
    points = ball.start(seed, torch.arange(3))
    for _ in range(3):
        assert float(ball.excess(points).max()) <= 1e-6 + 1e-5 * eps
        assert float(points.min()) >= 0
        assert float(points.max()) <= 1
        points = ball.step(points, torch.randn(points.shape, generator=generator), size)


def test_taking_some_images_keeps_their_balls() -> None:
    images = torch.rand(4, 1, 2, 2, generator=torch.Generator().manual_seed(1))
    ball = ball_around(images, attack("linf", 0.25))
    some = ball.take(torch.tensor([False, True, False, True]))
    ids = torch.tensor([1, 3])
    assert torch.equal(
        some.start(0, ids), ball_around(images[ids], attack("linf", 0.25)).start(0, ids)
    )


def test_a_draw_of_zero_is_a_start_in_the_ball(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the normal's quantile would be infinite."""
    monkeypatch.setattr(
        "dwlt.attacks.geometry.noise", lambda seed, ids, shape, device: torch.zeros(1, *shape)
    )
    ball = ball_around(image(0.5, 0.5), attack("l2", 0.1))
    start = ball.start(0, torch.tensor([0]))
    assert start.isfinite().all()
    assert ball.excess(start) <= 1e-6
