"""The evaluation door: exact counts, exact bounds, no trace left behind."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import dwlt.scoring.accuracy
from dwlt.attacks import SearchResult
from dwlt.errors import DataError, DwltError
from dwlt.results.images import ids_digest
from dwlt.scoring import Scored, score
from dwlt.spec import AttackSpec, ScoreSpec
from dwlt.units import Eps
from tests.scoring.memory import Threshold, column, split_of

ATTACK = AttackSpec(eps=Eps("0.1"), step=Eps("0.05"), steps=4)
# Margins to one half: 0.3, 0.05, 0.2 and 0.08 on the right side, 0.2 on the wrong one.
IMAGES = column(0.8, 0.55, 0.3, 0.42, 0.7)
LABELS = torch.tensor([0, 0, 1, 1, 1])


def spec(**changes: Any) -> ScoreSpec:
    return ScoreSpec(**{"attack": ATTACK, **changes})


def measure(model: nn.Module, images: Tensor = IMAGES, labels: Tensor = LABELS, **k: Any) -> Scored:
    return score(model, split_of(images, labels), spec(**k), device="cpu")


@pytest.mark.parametrize("iterate", ["last", "any"])
def test_a_sample_is_robust_when_right_and_out_of_reach(iterate: str) -> None:
    attack = ATTACK.model_copy(update={"iterate": iterate})
    found = measure(Threshold(), attack=attack)
    assert found.clean.tolist() == [True, True, True, True, False]
    assert found.robust is not None
    assert found.robust.tolist() == [True, False, True, False, False]
    assert (found.sa.correct, found.sa.n, found.sa.value) == (4, 5, 0.8)
    assert found.ra is not None
    assert (found.ra.correct, found.ra.n, found.ra.value) == (2, 5, 0.4)
    assert found.ids.tolist() == [0, 10, 20, 30, 40]
    assert found.flags == ()


def test_values_are_those_of_result_files() -> None:
    found = measure(Threshold())
    values = json.loads(json.dumps(found.values()))
    assert values["attack"] == "pgd-4 linf 0.1, step 0.05"
    assert set(values) == {"sa", "ra", "attack", "attack_id", "images"}
    assert set(values["sa"]) == set(values["ra"]) == {"value", "correct", "n", "low", "high"}
    assert json.loads(json.dumps(found.samples())) == {
        "ids": [0, 10, 20, 30, 40],
        "clean": [1, 1, 1, 1, 0],
        "robust": [1, 0, 1, 0, 0],
    }


def test_without_an_attack_robust_accuracy_is_null() -> None:
    found = measure(Threshold(), attack=None)
    assert found.values() == {
        "sa": {"correct": 4, "n": 5, "value": 0.8, "low": found.sa.low, "high": found.sa.high},
        "ra": None,
        "attack": None,
        "attack_id": None,
        "images": ids_digest("memory", np.array([0, 10, 20, 30, 40])),
    }
    assert found.robust is None
    assert found.samples()["robust"] is None


def test_everything_wrong_is_zero_and_not_an_error() -> None:
    found = measure(Threshold(), labels=1 - torch.tensor([0, 0, 1, 1, 0]))
    assert found.ra is not None
    assert (found.sa.correct, found.ra.correct) == (0, 0)


def test_an_empty_split_is_refused() -> None:
    with pytest.raises(DataError, match="no samples"):
        measure(Threshold(), column(), LABELS[:0])


@pytest.mark.parametrize("pixel", [-3e-8, 1 + 1e-7])
def test_rounding_outside_the_range_passes(pixel: float) -> None:
    assert measure(Threshold(), column(pixel), LABELS[:1]).sa.n == 1


@pytest.mark.parametrize("pixel", [-0.1, 1.1, -2e-6, 255.0, math.nan])
def test_pixels_outside_the_range_are_refused(pixel: float) -> None:
    with pytest.raises(DataError, match=r"outside \[0, 1\]"):
        measure(Threshold(), column(0.5, pixel), LABELS[:2])


def test_scores_are_float32_under_autocast() -> None:
    model = Threshold()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        model(IMAGES)
        assert model.dtypes == {torch.bfloat16}
        model.dtypes.clear()
        measure(model)
    assert model.dtypes == {torch.float32}


def test_probabilities_are_flagged() -> None:
    found = measure(nn.Sequential(Threshold(), nn.Softmax(dim=1)))
    assert [flag.code for flag in found.flags] == ["probabilities"]
    assert "logits" in found.flags[0].text


def test_a_model_without_gradients_is_flagged() -> None:
    class Rounded(Threshold):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward((images * 20).round() / 20)

    found = measure(Rounded())
    assert [flag.code for flag in found.flags] == ["zero-gradient"]
    assert "4 of 5" in found.flags[0].text


def test_a_model_that_changes_its_mind_is_flagged_and_gets_no_credit() -> None:
    class Fickle(Threshold):
        calls = 0

        def forward(self, images: Tensor) -> Tensor:
            # Right on clean images and on every look but one: the last of the search.
            self.calls += 1
            return super().forward(images) * (-1 if self.calls == 6 else 1)

    found = measure(Fickle(), column(0.9, 0.8), torch.tensor([0, 0]))
    assert found.robust is not None
    assert found.robust.tolist() == [False, False]
    assert [flag.code for flag in found.flags] == ["unsteady"]


def test_an_attack_that_leaves_its_ball_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def cheat(model: nn.Module, images: Tensor, *args: Any, **kwargs: Any) -> SearchResult:
        none = torch.zeros(len(images), dtype=torch.bool)
        return SearchResult(images - 0.11, none, none)

    monkeypatch.setattr(dwlt.scoring.accuracy, "search", cheat)
    with pytest.raises(DwltError, match=r"pgd-4 linf 0\.1, step 0\.05 left its bounds"):
        measure(Threshold())


def conv_net() -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(1, 8, 3),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Dropout(),
            nn.Flatten(),
            nn.Linear(128, 3),
        )
    net[1].eval()
    return net


def test_batch_sizes_give_the_same_samples() -> None:
    images = torch.rand(128, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    net = conv_net().eval()
    with torch.no_grad():
        net[5].bias -= net(images).mean(0)
        labels = net(images).argmax(1)
    attack = AttackSpec(eps=Eps("0.02"), step=Eps("0.01"), steps=5, restarts=2)
    scores = [measure(net, images, labels, attack=attack, batch_size=b) for b in (1, 7, 128)]
    assert 5 < scores[0].values()["ra"]["correct"] < 123
    for other in scores[1:]:
        assert other.samples() == scores[0].samples()


def traces(model: nn.Module) -> dict[str, Any]:
    return {
        "flags": [module.training for module in model.modules()],
        "trains": [param.requires_grad for param in model.parameters()],
        "grads": [None if p.grad is None else p.grad.tolist() for p in model.parameters()],
        "state": {name: value.tolist() for name, value in model.state_dict().items()},
        "random": torch.get_rng_state().tolist(),
        "tf32": torch.backends.cudnn.allow_tf32,
    }


def test_no_trace_is_left_even_by_a_score_that_is_stopped() -> None:
    net = conv_net()
    net[5].bias.requires_grad_(False)
    net[0].bias.grad = torch.ones(8)
    images = torch.rand(9, 1, 6, 6, generator=torch.Generator().manual_seed(1))
    split = split_of(images, torch.arange(9) % 3)
    before = traces(net)
    told: list[tuple[int, int]] = []
    score(net, split, spec(batch_size=4), device="cpu", on_batch=lambda *now: told.append(now))
    assert told == [(4, 9), (8, 9), (9, 9)]
    assert traces(net) == before

    def leave(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score(net, split, spec(batch_size=4), device="cpu", on_batch=leave)
    assert traces(net) == before


def test_another_seed_starts_the_search_elsewhere() -> None:
    images = column(*[0.55] * 40)
    labels = torch.zeros(40, dtype=torch.int64)
    # So short a step that the start decides.
    attack = ATTACK.model_copy(update={"steps": 1, "step": Eps("1/1000")})
    found = [measure(Threshold(), images, labels, attack=attack, seed=s).robust for s in (0, 0, 1)]
    once, again, other = (one.tolist() for one in found if one is not None)
    assert once == again != other
