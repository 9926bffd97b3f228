"""The remedies of the fast regime: N-FGSM and GradAlign, by hand and against their formulas."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dwlt.data import Batch
from dwlt.training import objective_of
from tests.training.memory import blobs, small_net
from tests.training.objectives.linear import EPS, Slope, pixels, spec


def test_n_fgsm_steps_from_noise_of_two_eps_and_is_not_clipped_to_the_ball() -> None:
    objective = objective_of(spec("fast", steps=1, step="0.1", options={"n_fgsm": 2}))
    batch = pixels(*[0.5] * 400)
    moved = (objective.images(Slope(4.0), batch, 0) - batch.images).flatten()
    # Uniform in +-0.2 around the image, then one step of 0.1 towards the darker pixel.
    assert float(moved.min()) == pytest.approx(-0.3, abs=0.005)
    assert float(moved.max()) == pytest.approx(0.1, abs=0.005)
    assert float(moved.mean()) == pytest.approx(-0.1, abs=0.02)


def test_n_fgsm_keeps_pixels_that_are_pixels() -> None:
    objective = objective_of(spec("fast", steps=1, step="0.1", options={"n_fgsm": 2}))
    batch = pixels(0.0, 1.0, 0.05, labels=[0, 1, 1])
    images = objective.images(Slope(4.0), batch, 0)
    assert 0 <= float(images.min()) <= float(images.max()) <= 1


class Bowl(nn.Module):
    """Logits (x^2 + y^2, 0) / 2 of a two-pixel image around 0.5: the input gradient points along
    the image itself, so the angle between two of them is the angle between the images."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, images: Tensor) -> Tensor:
        first = self.scale * ((images.flatten(1) - 0.5) ** 2).sum(1) / 2
        return torch.stack([first, torch.zeros_like(first)], 1)


def test_grad_align_is_one_minus_the_cosine() -> None:
    plain = objective_of(spec("fast", steps=1, step="0.1"))
    aligned = objective_of(spec("fast", steps=1, step="0.1", options={"grad_align": 0.5}))
    images = torch.tensor([[0.6, 0.5], [0.5, 0.45]]).view(2, 1, 1, 2)
    batch = Batch(images, torch.tensor([0, 0]), torch.arange(2))
    seen: list[Tensor] = []
    net = Bowl()
    net.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().clone()))
    difference = aligned.loss(net, batch, 4)[0] - plain.loss(net, batch, 4)[0]
    # Passes: the attack, the loss; then the gradients at the images and at the points nearby.
    assert torch.equal(seen[2], images)
    assert 0 < float((seen[3] - images).abs().max()) <= EPS
    here, there = (seen[2] - 0.5).flatten(1), (seen[3] - 0.5).flatten(1)
    cosine = (here * there).sum(1) / (here.norm(dim=1) * there.norm(dim=1))
    assert float(difference.detach()) == pytest.approx(0.5 * (1 - float(cosine.mean())), rel=1e-4)
    assert float(cosine.mean()) < 0.999


def test_grad_align_is_the_published_formula_and_trains_the_weights() -> None:
    batch = next(iter(blobs().train_batches(batch_size=8, seed=0, epoch=0)))
    net = small_net().eval()
    weight = next(net.parameters())
    found = {}
    for grad_align in (0.0, 0.2):
        objective = objective_of(spec("fast", steps=1, options={"grad_align": grad_align}))
        seen: list[Tensor] = []
        hook = net.register_forward_pre_hook(
            lambda _, given, seen=seen: seen.append(given[0].detach().clone())
        )
        loss, _ = objective.loss(net, batch, 1)
        hook.remove()
        found[grad_align] = loss, torch.autograd.grad(loss, weight)[0], seen

    def gradient(images: Tensor) -> Tensor:
        leaf = images.clone().requires_grad_(True)
        loss = F.cross_entropy(net(leaf), batch.labels)
        (at,) = torch.autograd.grad(loss, leaf, create_graph=True)
        return at.flatten(1)

    here, there = gradient(batch.images).detach(), gradient(found[0.2][2][-1])
    cosine = (here * there).sum(1) / (here.norm(dim=1) * there.norm(dim=1))
    published = 0.2 * (1 - cosine.mean())
    assert (found[0.2][0] - found[0.0][0]).item() == pytest.approx(published.item(), rel=1e-4)
    torch.testing.assert_close(
        found[0.2][1] - found[0.0][1],
        torch.autograd.grad(published, weight)[0],
        rtol=1e-3,
        atol=1e-6,
    )


def test_a_sample_without_a_gradient_is_left_out_of_the_alignment() -> None:
    class Flat(Slope):
        def forward(self, images: Tensor) -> Tensor:
            # Nothing below one half reaches the logits.
            return super().forward((images - 0.5).clamp(min=0))

    objective = objective_of(spec("fast", steps=1, options={"grad_align": 1}))
    net = Flat(4.0)
    loss, _ = objective.loss(net, pixels(0.1, 0.2), 0)
    assert float(loss.detach()) == pytest.approx(torch.tensor(2.0).log().item())
    torch.autograd.backward(loss)
    assert net.slope.grad is not None
    assert bool(net.slope.grad.isfinite())
