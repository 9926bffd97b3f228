"""The loop: arithmetic by hand, masks held, failures named."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dwlt.errors import DataError, TrainingError
from dwlt.masks.tensors import Enforcer
from dwlt.results import Accuracy, Flag
from dwlt.scoring import Scored, score
from dwlt.spec import AttackSpec, ScoreSpec, TrainSpec
from dwlt.training import CheckpointSlot, EpochRecord, TrainJob, TrainOutcome, train
from dwlt.units import Eps
from tests.training.memory import blobs, small_net, split_of

HOOKS = ("score_epoch", "on_epoch", "stop")
ATTACK = AttackSpec(eps=Eps("0.1"), step=Eps("0.05"), steps=2)


def spec(**changes: Any) -> TrainSpec:
    return TrainSpec(**{"epochs": 3, "batch_size": 8, "lr": 0.05, **changes})


def run(folder: Path, model: nn.Module, train_spec: TrainSpec, **options: Any) -> TrainOutcome:
    values = {"seed": 1, "device": "cpu", "split": blobs(), **options}
    slot = CheckpointSlot(folder / "state.safetensors", {"run": "test"})
    hooks = {name: values.pop(name) for name in HOOKS if name in values}
    return train(TrainJob(model=model, spec=train_spec, slot=slot, **values), **hooks)


def head(net: nn.Sequential) -> nn.Linear:
    layer = net[6]
    assert isinstance(layer, nn.Linear)
    return layer


class Slope(nn.Module):
    """Logits (w * x, 0) of one-pixel images."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(1.0))

    def forward(self, images: Tensor) -> Tensor:
        margin = self.w * images.flatten(1)[:, 0]
        return torch.stack([margin, torch.zeros_like(margin)], 1)


@pytest.mark.parametrize("nesterov", [False, True])
def test_two_steps_by_hand(tmp_path: Path, nesterov: bool) -> None:
    # Two images x = 0.5 of class 0, label smoothing 0.2: the target is 0.9, so the gradient is
    # (sigmoid(w / 2) - 0.9) / 2, plus weight decay 0.1 w. Warm-up: rates 0.5, then 1.
    model = Slope()
    split = split_of(torch.full((2, 1, 1, 1), 0.5), torch.tensor([0, 0]))
    hand = spec(
        epochs=2, batch_size=2, lr=1.0, warmup=2, weight_decay=0.1, label_smoothing=0.2,
        momentum=0.5, nesterov=nesterov,
    )  # fmt: skip
    outcome = run(tmp_path, model, hand, split=split)
    w, momentum, losses = 1.0, 0.0, []
    for rate in (0.5, 1.0):
        p = 1 / (1 + math.exp(-w / 2))
        losses.append(-(0.9 * math.log(p) + 0.1 * math.log(1 - p)))
        gradient = (p - 0.9) / 2 + 0.1 * w
        momentum = 0.5 * momentum + gradient
        w -= rate * (gradient + 0.5 * momentum if nesterov else momentum)
    assert float(model.w.detach()) == pytest.approx(w, abs=1e-6)
    assert [record.loss for record in outcome.records] == pytest.approx(losses, abs=1e-6)
    assert [record.lr for record in outcome.records] == [0.5, 1.0]
    assert [record.train_accuracy for record in outcome.records] == [1.0, 1.0]
    assert [record.epoch for record in outcome.records] == [1, 2]


def test_loss_and_accuracy_are_means_over_samples(tmp_path: Path) -> None:
    # With lr next to nothing the two batches (2 samples, then 1) see the same weights.
    images = torch.tensor([0.5, 0.5, 1.0]).view(3, 1, 1, 1)
    split = split_of(images, torch.tensor([0, 1, 1]))
    outcome = run(tmp_path, Slope(), spec(epochs=1, batch_size=2, lr=1e-30), split=split)
    half, one = math.log(1 + math.exp(-0.5)), math.log(1 + math.exp(-1.0))
    assert outcome.records[0].loss == pytest.approx((half + (half + 0.5) + (one + 1)) / 3, abs=1e-6)
    assert outcome.records[0].train_accuracy == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    "regime",
    [
        {},
        {"regime": "fast", "attack": AttackSpec(eps=Eps("0.1"), step=Eps("0.125"), steps=1)},
        {"regime": "adversarial", "attack": ATTACK},
        {"regime": "adversarial", "attack": ATTACK.model_copy(update={"mode": "train"})},
        {"regime": "adversarial", "attack": ATTACK, "precision": "bf16"},
        {"channels_last": True},
    ],
    ids=["standard", "fast", "adversarial", "train-mode", "bf16", "channels-last"],
)
def test_every_way_of_training_learns(tmp_path: Path, regime: dict[str, Any]) -> None:
    net = small_net()
    outcome = run(tmp_path, net, spec(epochs=6, **regime), held_out=blobs(12, seed=9))
    assert outcome.epochs == 6
    assert not outcome.interrupted
    assert outcome.records[-1].loss < outcome.records[0].loss
    found = score(net, blobs(30, seed=5), ScoreSpec(), device="cpu")
    assert found.sa.value > 0.8
    watched = regime.get("regime") == "fast"
    assert all((record.probe is not None) == watched for record in outcome.records)
    assert all(param.is_contiguous() for param in net.parameters())
    assert all(param.dtype == torch.float32 for param in net.parameters())


def test_masks_hold_and_everything_else_trains(tmp_path: Path) -> None:
    net = small_net()
    conv = net[0].weight
    assert isinstance(conv, nn.Parameter)
    mask = torch.rand(conv.shape, generator=torch.Generator().manual_seed(0)) < 0.5
    mask[0, 0, 0, 0] = True
    with torch.no_grad():
        conv[0, 0, 0, 0] = 0.0
    before = {name: param.detach().clone() for name, param in net.named_parameters()}
    run(tmp_path, net, spec(epochs=2), prunable={"0.weight": conv}, masks={"0.weight": mask})
    assert conv.detach()[~mask].tolist() == [0.0] * int((~mask).sum())
    # The kept weight that was exactly zero trains like any other.
    assert bool((conv.detach() != before["0.weight"])[mask].all())
    for name, param in net.named_parameters():
        assert not torch.equal(param, before[name])


def test_a_revived_weight_ends_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = small_net()
    mask = torch.zeros(6, 1, 3, 3, dtype=torch.bool)
    monkeypatch.setattr(Enforcer, "after_step", lambda self, optimizer: None)
    with pytest.raises(TrainingError, match=r"\d+ masked weights of 0\.weight"):
        run(tmp_path, net, spec(), prunable=dict(net.named_parameters()), masks={"0.weight": mask})


def test_a_loss_that_is_not_finite_names_epoch_and_step(tmp_path: Path) -> None:
    net = small_net()

    def poison(epoch: int) -> None:
        if epoch == 2:
            with torch.no_grad():
                head(net).bias.fill_(math.inf)

    with pytest.raises(TrainingError, match="the loss became nan in epoch 3, step 1") as error:
        run(tmp_path, net, spec(), score_epoch=poison)
    assert "lower lr" in str(error.value.hint)


def test_nothing_to_train_on_is_refused(tmp_path: Path) -> None:
    empty = split_of(torch.zeros(0, 1, 6, 6), torch.zeros(0, dtype=torch.int64))
    with pytest.raises(DataError, match="nothing to train on"):
        run(tmp_path, small_net(), spec(), split=empty)


def test_no_epochs_only_apply_the_masks(tmp_path: Path) -> None:
    net = small_net()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    outcome = run(tmp_path, net, spec(epochs=0))
    assert replace(outcome, images=None) == TrainOutcome(0, False)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_flags_and_random_state_are_restored(tmp_path: Path) -> None:
    net = small_net()
    net[1].eval()
    frozen = net[6].bias
    assert isinstance(frozen, nn.Parameter)
    frozen.requires_grad_(False)
    bias, random = frozen.clone(), torch.get_rng_state()
    run(tmp_path, net, spec(regime="adversarial", attack=ATTACK))
    assert not net[1].training
    assert net.training
    assert [param.requires_grad for param in net.parameters()] == [True] * 5 + [False]
    assert torch.equal(frozen, bias)
    assert torch.equal(torch.get_rng_state(), random)


def test_epochs_are_told_once_saved_and_scored_when_asked(tmp_path: Path) -> None:
    net = small_net()
    told: list[EpochRecord] = []

    def on_epoch(record: EpochRecord) -> None:
        assert (tmp_path / "state.safetensors").exists()
        told.append(record)

    def score_epoch(epoch: int) -> Scored | None:
        return score(net, blobs(), ScoreSpec(), device="cpu") if epoch % 2 else None

    outcome = run(tmp_path, net, spec(), on_epoch=on_epoch, score_epoch=score_epoch)
    assert tuple(told) == outcome.records
    assert [record.validation is not None for record in told] == [True, False, True]
    assert told[0].values()["validation"]["sa"]["n"] == 24


def test_the_best_epochs_are_kept_and_ties_go_to_the_earlier(tmp_path: Path) -> None:
    net = small_net()
    weights: dict[int, Tensor] = {}

    def told(sa: int, ra: int) -> Scored:
        none = np.zeros(0)
        flags = (Flag("told", "once"),)
        accuracies = Accuracy(sa, 10), Accuracy(ra, 10)
        return Scored(*accuracies, "pgd-2", none.astype(np.int64), none.astype(bool), None, flags)

    def score_epoch(epoch: int) -> Scored:
        weights[epoch] = head(net).weight.detach().clone()
        return [told(5, 1), told(7, 3), told(7, 4), told(6, 4)][epoch - 1]

    outcome = run(tmp_path, net, spec(epochs=4), score_epoch=score_epoch, keep_best=True)
    assert {kind: best.epoch for kind, best in outcome.best.items()} == {"sa": 2, "ra": 3}
    assert outcome.best["sa"].validation["sa"]["value"] == 0.7
    assert outcome.flags == (Flag("told", "once"),)
    slot = CheckpointSlot(tmp_path / "state.safetensors", {})
    for best in outcome.best.values():
        slot.restore_best(best, net)
        assert torch.equal(head(net).weight, weights[best.epoch])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "state.best-ra-0003.safetensors",
        "state.best-sa-0002.safetensors",
        "state.safetensors",
    ]
