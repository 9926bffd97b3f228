"""An attack leaves the model as it found it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dwlt.attacks import frozen, perturb, search
from dwlt.spec import AttackSpec

IMAGES = torch.rand(4, 1, 6, 6, generator=torch.Generator().manual_seed(0))
LABELS = torch.tensor([0, 1, 2, 0])
ATTACK = AttackSpec(steps=2)


def traces(model: nn.Module) -> dict[str, Any]:
    return {
        "flags": [module.training for module in model.modules()],
        "trains": [param.requires_grad for param in model.parameters()],
        "grads": [None if p.grad is None else p.grad.tolist() for p in model.parameters()],
        "state": {name: value.tolist() for name, value in model.state_dict().items()},
        "random": torch.get_rng_state().tolist(),
    }


def attack_search(model: nn.Module) -> None:
    search(model, IMAGES, LABELS, ATTACK, seed=0, ids=torch.arange(4))


def attack_perturb(model: nn.Module) -> None:
    perturb(model, IMAGES, LABELS, ATTACK, seed=0, ids=torch.arange(4))


@pytest.mark.parametrize("attack", [attack_search, attack_perturb])
def test_no_trace_is_left(net: nn.Sequential, attack: Callable[[nn.Module], None]) -> None:
    head = net[9].weight
    assert isinstance(head, Tensor)
    head.grad = torch.ones_like(head)
    before = traces(net)
    attack(net)
    assert traces(net) == before


def test_the_model_is_frozen_and_evaluating_inside(net: nn.Sequential) -> None:
    seen: list[bool] = []

    def look(module: nn.Module, args: Any) -> None:
        seen.append(any(p.requires_grad for p in net.parameters()))
        seen.append(any(m.training for m in net.modules()))

    net.register_forward_pre_hook(look)
    attack_perturb(net)
    assert seen == [False, False] * 2


def test_everything_is_restored_after_an_error(net: nn.Sequential) -> None:
    before = traces(net)
    with pytest.raises(RuntimeError, match="inside"), frozen(net, evaluation=True):
        raise RuntimeError("inside")
    assert traces(net) == before


def test_train_mode_counts_into_running_statistics_but_keeps_frozen_layers(
    net: nn.Sequential,
) -> None:
    first, second = net[1].running_mean, net[5].running_mean
    assert isinstance(first, Tensor)
    assert isinstance(second, Tensor)
    before = first.clone(), second.clone()
    attack = ATTACK.model_copy(update={"mode": "train"})
    with torch.random.fork_rng(devices=[]):
        perturb(net, IMAGES, LABELS, attack, seed=0, ids=torch.arange(4))
    assert not torch.equal(first, before[0])
    assert torch.equal(second, before[1])
    assert net[1].training
    assert not net[5].training


def test_a_training_attack_works_where_gradients_are_off(net: nn.Sequential) -> None:
    with torch.no_grad():
        moved = perturb(net, IMAGES, LABELS, ATTACK, seed=0, ids=torch.arange(4))
    assert not moved.requires_grad
    assert not torch.equal(moved, IMAGES)
