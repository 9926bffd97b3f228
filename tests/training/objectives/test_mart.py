"""MART against the loss worked out on paper, and against the paper's formula written anew."""

from __future__ import annotations

import math

import pytest
import torch

from dwlt.training import objective_of
from tests.training.memory import blobs, small_net
from tests.training.objectives.linear import Slope, pixels, spec


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def test_the_loss_of_a_line_is_the_one_on_paper() -> None:
    objective = objective_of(spec("mart"))
    net, batch = Slope(4.0), pixels(0.5)
    # Class 0 has the larger slope, so the worst pixel is the darkest of the ball.
    assert objective.images(net, batch, 0).item() == pytest.approx(0.4, abs=1e-6)
    p, q = sigmoid(4 * 0.5), sigmoid(4 * 0.4)
    # With two classes the largest other probability is 1 - q: boosting doubles the cross-entropy.
    boosted = -math.log(q) - math.log(q)
    divergence = p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
    loss, logits = objective.loss(net, batch, 0)
    # The reference's constants move a logarithm's argument by 1e-4.
    assert loss.item() == pytest.approx(boosted + 5 * divergence * (1 - p), abs=2e-4)
    assert logits[0, 0].item() == pytest.approx(1.6, rel=1e-6)


def test_loss_and_gradient_are_those_of_the_published_formula() -> None:
    batch = next(iter(blobs().train_batches(batch_size=8, seed=0, epoch=0)))
    net = small_net().eval()
    objective = objective_of(spec("mart", options={"beta": 6}))
    images = objective.images(net, batch, 1)
    loss, _ = objective.loss(net, batch, 1)
    torch.autograd.backward(loss)
    found = [param.grad for param in net.parameters()]
    net.zero_grad()

    clean, moved = net(batch.images).softmax(1), net(images).softmax(1)
    published = torch.zeros(())
    for row, label in enumerate(batch.labels.tolist()):
        at = max((k for k in range(3) if k != label), key=moved[row].tolist().__getitem__)
        boosted = -moved[row, label].log() - (1 - moved[row, at]).log()
        divergence = sum(clean[row, k] * (clean[row, k] / moved[row, k]).log() for k in range(3))
        published = published + (boosted + 6 * divergence * (1 - clean[row, label])) / 8
    torch.autograd.backward(published)
    assert loss.item() == pytest.approx(published.item(), abs=5e-4)
    for mine, param in zip(found, net.parameters(), strict=True):
        assert mine is not None
        torch.testing.assert_close(mine, param.grad, rtol=5e-3, atol=1e-4)
