"""Optimisers, clipping and averages: by hand, under masks, and over a resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from dwlt.spec import TrainSpec
from dwlt.training import CheckpointSlot, TrainJob, lr_at, train
from dwlt.training.average import WeightAverage
from dwlt.training.optimizers import OPTIMIZERS, make_optimizer, state_tensors
from tests.training.memory import blobs, small_net
from tests.training.test_resume import attempt, essence, start

SETTINGS: dict[str, dict[str, Any]] = {
    "adamw": {"optimizer": "adamw", "lr": 0.01},
    "adamw, no decay of biases": {"optimizer": "adamw", "decay": "weights", "lr": 0.01},
    "sgd, clipped": {"clip": 0.05},
    "sgd, averaged": {"ema": 0.9},
    "adamw, clipped and averaged": {"optimizer": "adamw", "clip": 0.1, "ema": 0.8},
    "one cycle": {"schedule": "linear", "points": [[0, 0], [1, 1], [3, 0]]},
}


def spec(**changes: Any) -> TrainSpec:
    values = {"epochs": 3, "batch_size": 8, "lr": 0.05, "weight_decay": 0.01, **changes}
    return TrainSpec(**values)


@pytest.mark.parametrize("name", SETTINGS)
def test_masks_hold_and_a_resume_is_bit_equal(tmp_path: Path, name: str) -> None:
    settings = spec(**SETTINGS[name])
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    expected = essence(*attempt(whole, settings), whole)
    polls = iter(range(100))
    outcome, _ = attempt(parts, settings, stop=lambda: next(polls) >= 5)
    assert outcome.interrupted
    outcome, net = attempt(parts, settings)
    assert essence(outcome, net, parts) == expected
    before, _, masks = start()
    weight, first = net.state_dict()["0.weight"], before.state_dict()["0.weight"]
    mask = masks["0.weight"]
    assert bool((weight[~mask] == 0).all())
    assert bool((weight[mask] != first[mask]).all())
    saved = CheckpointSlot(parts / "state.safetensors", {"run": "x"})._meta()
    assert saved["epochs"] == 3


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_what_is_remembered_of_masked_weights_is_zero_and_kept_zeros_train(
    tmp_path: Path, kind: str
) -> None:
    from safetensors.torch import load_file

    net, prunable, masks = start()
    kept = masks["0.weight"]
    where = tuple(int(each[0]) for each in kept.nonzero(as_tuple=True))
    with torch.no_grad():
        prunable["0.weight"][where] = 0.0
    slot = CheckpointSlot(tmp_path / "state.safetensors", {})
    train(
        TrainJob(
            model=net,
            split=blobs(),
            spec=spec(optimizer=kind, epochs=1),
            seed=0,
            device="cpu",
            slot=slot,
            prunable=prunable,
            masks=masks,
        )
    )
    tensors = load_file(slot.path)
    states = [v for n, v in tensors.items() if n.startswith("momentum.") and v.shape == kept.shape]
    assert len(states) == {"sgd": 1, "adamw": 2}[kind]
    for state in states:
        assert bool((state[~kept] == 0).all())
        assert bool((state[kept] != 0).any())
    assert tensors["model.0.weight"][where] != 0


def test_two_steps_of_adamw_by_hand() -> None:
    net = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        net.weight.fill_(1.0)
    settings = spec(optimizer="adamw", lr=0.1, momentum=0.5, beta2=0.75, weight_decay=0.2)
    optimizer = make_optimizer(net, settings)
    # Gradients 2, then 4. Step 1: both corrected moments give 2 / 2 = 1. Step 2: the first moment
    # is (0.5 * 1 + 0.5 * 4) / 0.75, the second (0.75 * 1 + 0.25 * 16) / (1 - 0.75^2).
    for gradient in (2.0, 4.0):
        net.weight.grad = torch.full((1, 1), gradient)
        optimizer.step()
    first = 1 * (1 - 0.1 * 0.2) - 0.1
    ratio = (2.5 / 0.75) / (4.75 / (1 - 0.75**2)) ** 0.5
    assert net.weight.item() == pytest.approx(first * (1 - 0.1 * 0.2) - 0.1 * ratio, rel=1e-5)
    names = {param: name for name, param in net.named_parameters()}
    assert sorted(state_tensors(optimizer, names)) == [
        "exp_avg/weight",
        "exp_avg_sq/weight",
        "step/weight",
    ]


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_biases_and_normalisation_are_left_out_of_the_decay_on_request(kind: str) -> None:
    net = small_net()
    for decay, shrinks in (("all", True), ("weights", False)):
        optimizer = make_optimizer(net, spec(optimizer=kind, decay=decay, momentum=0.0))
        for param in net.parameters():
            param.grad = torch.zeros_like(param)
        before = {name: param.detach().clone() for name, param in net.named_parameters()}
        optimizer.step()
        changed = {n for n, p in net.named_parameters() if not torch.equal(p, before[n])}
        assert {"0.weight", "6.weight"} <= changed
        assert ("1.weight" in changed, "0.bias" in changed) == (shrinks, shrinks)


def test_masked_gradients_do_not_count_in_the_length(tmp_path: Path) -> None:
    moved = []
    for clip in (1e-4, 2e-4):
        net, prunable, masks = start()
        before = {name: value.clone() for name, value in net.state_dict().items()}
        slot = CheckpointSlot(tmp_path / f"{clip}.safetensors", {})
        values: dict[str, Any] = {
            "model": net,
            "split": blobs(8),
            "seed": 0,
            "device": "cpu",
            "slot": slot,
        }
        settings = spec(epochs=1, clip=clip, lr=1.0, momentum=0.0, weight_decay=0.0)
        job = {**values, "spec": settings, "prunable": prunable, "masks": masks}
        train(TrainJob(**job))
        steps = []
        for name, param in net.named_parameters():
            step = param.detach() - before[name]
            steps.append(step[masks[name]] if name in masks else step.flatten())
        moved.append(torch.cat(steps).norm().item())
    # One step, as long as the limit says: the rate is 1.
    assert moved == pytest.approx([1e-4, 2e-4], rel=2e-2)


def test_an_average_forgets_its_beginning_and_swaps_with_the_weights() -> None:
    net = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        net.weight.fill_(0.0)
    average = WeightAverage(net, 0.5)
    with torch.no_grad():
        net.weight.fill_(11.0)
    average.after_step(0)  # keeps 2 / 11
    assert average.state_dict()["weight"].item() == pytest.approx(9.0)
    average.after_step(1000)  # keeps 0.5
    assert average.state_dict()["weight"].item() == pytest.approx(10.0)
    with average.in_place():
        assert net.weight.item() == pytest.approx(10.0)
    assert net.weight.item() == 11.0
    average.install()
    assert net.weight.item() == pytest.approx(10.0)


def test_a_linear_schedule_is_straight_between_its_points() -> None:
    settings = spec(schedule="linear", points=[[0, 0], [1, 1], [3, 0]], lr=0.8)
    rates = [lr_at(settings, step, 4) for step in range(14)]
    assert rates[:4] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert rates[4:12] == pytest.approx([0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0])
    assert rates[12:] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"optimizer": "adamw", "nesterov": True}, "nesterov belongs"),
        ({"beta2": 0.9}, "beta2 belongs"),
        ({"schedule": "linear"}, "which needs them"),
        ({"points": [[0, 0], [1, 1]]}, "points belong"),
        ({"schedule": "linear", "points": [[1, 0], [0, 1]]}, "must ascend"),
        ({"schedule": "linear", "points": [[0, 0], [1, 1]], "warmup": 1}, "no warmup"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        spec(**changes)
