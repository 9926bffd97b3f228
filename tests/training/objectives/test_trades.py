"""TRADES against the loss worked out on paper, and against the paper's formula written anew."""

from __future__ import annotations

import math

import pytest
import torch

from dwlt.training import objective_of
from tests.training.memory import blobs, small_net
from tests.training.objectives.linear import EPS, Slope, pixels, spec


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


@pytest.mark.parametrize("beta", [6.0, 1.5])
def test_the_loss_of_a_line_is_the_one_on_paper(beta: float) -> None:
    objective = objective_of(spec("trades", options={"beta": beta}))
    net, batch = Slope(4.0), pixels(0.5, 0.25)
    found = objective.images(net, batch, 3).flatten().tolist()
    # The divergence grows away from the image on both sides, so every path ends at one of the two
    # ends of the ball: the one on whose side its noise began.
    for clean, perturbed in zip((0.5, 0.25), found, strict=True):
        assert abs(perturbed - clean) == pytest.approx(EPS, abs=1e-6)
    expected = 0.0
    for clean, perturbed in zip((0.5, 0.25), found, strict=True):
        p, q = sigmoid(4 * clean), sigmoid(4 * perturbed)
        divergence = p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
        expected += (-math.log(p) + beta * divergence) / 2
    loss, logits = objective.loss(net, batch, 3)
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert logits[:, 0].tolist() == pytest.approx([4 * each for each in found], rel=1e-6)


def test_the_start_is_small_normal_noise_that_the_seed_decides() -> None:
    # One step of length 0 is refused, so one of the smallest length shows where it began.
    objective = objective_of(spec("trades", steps=1, step="0.0000001", options={"start": 0.01}))
    batch = pixels(*[0.5] * 400)
    first, again, other = (objective.images(Slope(4.0), batch, seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    moved = first.flatten() - 0.5
    assert float(moved.std()) == pytest.approx(0.01, rel=0.15)
    assert float(moved.mean()) == pytest.approx(0, abs=0.002)


def test_loss_and_gradient_are_those_of_the_published_formula() -> None:
    batch = next(iter(blobs().train_batches(batch_size=8, seed=0, epoch=0)))
    net = small_net().eval()
    objective = objective_of(spec("trades"))
    images = objective.images(net, batch, 1)
    loss, _ = objective.loss(net, batch, 1)
    torch.autograd.backward(loss)
    found = [param.grad for param in net.parameters()]
    net.zero_grad()

    clean, moved = net(batch.images).softmax(1), net(images).softmax(1)
    cross = -clean[torch.arange(8), batch.labels].log().mean()
    divergence = (clean * (clean / moved).log()).sum(1).mean()
    published = cross + 6 * divergence
    torch.autograd.backward(published)
    assert loss.item() == pytest.approx(published.item(), rel=1e-5)
    for mine, param in zip(found, net.parameters(), strict=True):
        assert mine is not None
        torch.testing.assert_close(mine, param.grad, rtol=1e-4, atol=1e-6)
    assert float((images - batch.images).abs().max()) <= EPS + 1e-6
    assert 0 <= float(images.min()) <= float(images.max()) <= 1
