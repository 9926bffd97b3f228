"""Batches in pieces: how they are cut, who takes them, and that nothing but rounding changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from dwlt.spec import AttackSpec, TrainSpec
from dwlt.training import CheckpointSlot, TrainJob, train
from dwlt.training.pieces import Cuts, cut, share
from dwlt.training.statistics import RunningStatistics
from dwlt.units import Eps
from tests.training.memory import blobs, small_net, split_of


@pytest.mark.parametrize(
    ("count", "micro", "sizes"),
    [
        (8, None, [8]),
        (8, 8, [8]),
        (8, 100, [8]),
        (8, 4, [4, 4]),
        (9, 4, [3, 3, 3]),
        (10, 4, [3, 3, 4]),
        (5, 2, [2, 3]),
        (3, 2, [3]),
        (1, 2, [1]),
        (2048, 256, [256] * 8),
    ],
)
def test_cuts_by_hand(count: int, micro: int | None, sizes: list[int]) -> None:
    assert [high - low for low, high in cut(count, micro)] == sizes


@given(st.integers(1, 3000), st.integers(2, 300))
def test_a_cut_covers_the_batch_with_all_but_equal_pieces(count: int, micro: int) -> None:
    pieces = cut(count, micro)
    assert [0, *(high for _, high in pieces)] == [*(low for low, _ in pieces), count]
    sizes = {high - low for low, high in pieces}
    assert max(sizes) - min(sizes) <= 1
    assert min(sizes) >= min(count, 2)
    assert max(sizes) <= max(micro, 3)
    if micro > 2:
        assert len(pieces) == -(-count // micro)


@given(st.integers(1, 200), st.integers(1, 40))
def test_every_piece_is_taken_by_one_device(parts: int, devices: int) -> None:
    shares = [share(parts, rank, devices) for rank in range(devices)]
    assert sorted(piece for one in shares for piece in one) == list(range(parts))
    assert len(shares[0]) > 0
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@given(st.integers(1, 100), st.integers(2, 20), st.integers(1, 12))
def test_a_step_counts_every_image_once_on_any_number_of_devices(
    count: int, micro: int, devices: int
) -> None:
    mine = [Cuts([count], micro, rank, devices).mine(0) for rank in range(devices)]
    assert all(mine)
    counted = [piece for one in mine for piece in one if piece.weight > 0]
    assert sorted((p.low, p.high) for p in counted) == cut(count, micro)
    assert sum(piece.weight for piece in counted) == pytest.approx(1)
    assert all(p.weight == (p.high - p.low) / count for p in counted)


class Slope(nn.Module):
    """Logits (w * x, 0) of one-pixel images, through a BatchNorm that only watches."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.tensor(1.0))
        self.norm = nn.BatchNorm2d(1, affine=False, momentum=0.5)
        self.register_buffer("fixed", torch.tensor(0.1))

    def forward(self, images: Tensor) -> Tensor:
        self.norm(images)
        margin = self.w * images.flatten(1)[:, 0]
        return torch.stack([margin, torch.zeros_like(margin)], 1)


def run(folder: Path, model: nn.Module, split: Any, **spec: Any) -> dict[str, Tensor]:
    folder.mkdir(exist_ok=True)
    slot = CheckpointSlot(folder / "state.safetensors", {"run": "test"})
    settings = TrainSpec(**{"epochs": 1, "lr": 1.0, "weight_decay": 0.0, **spec})
    train(TrainJob(model=model, split=split, spec=settings, seed=1, device="cpu", slot=slot))
    return model.state_dict()


def test_statistics_and_gradient_by_hand(tmp_path: Path) -> None:
    # One batch of 4 images, 2 pieces. Logits' gradient by w at w = 1: mean of x (sigmoid(x) - y).
    images = torch.tensor([0.1, 0.2, 0.6, 0.8]).view(4, 1, 1, 1)
    labels = torch.tensor([0, 1, 0, 1])
    split = split_of(images, labels)
    order = next(iter(split.train_batches(batch_size=4, seed=1, epoch=0))).ids
    found = run(tmp_path, Slope(), split, batch_size=4, micro_batch=2, momentum=0.0)
    x, y = images.flatten(), labels
    gradient = (x * (torch.sigmoid(x) - (y == 0).float())).mean()
    assert float(found["w"]) == pytest.approx(1 - float(gradient), abs=1e-6)
    pieces = [x[order[:2]], x[order[2:]]]
    mean = sum(piece.mean() for piece in pieces) / 2
    var = sum(piece.var(correction=1) for piece in pieces) / 2
    assert float(found["norm.running_mean"]) == pytest.approx(float(0.5 * mean), abs=1e-6)
    assert float(found["norm.running_var"]) == pytest.approx(float(0.5 + 0.5 * var), abs=1e-6)
    # One update for one optimiser step; and what nothing moves keeps its bits.
    assert int(found["norm.num_batches_tracked"]) == 1
    assert torch.equal(found["fixed"], torch.tensor(0.1))


def test_unequal_pieces_weigh_what_they_hold() -> None:
    net = nn.BatchNorm1d(1, momentum=1.0)
    statistics = RunningStatistics(net, lambda tensor: None)
    images = torch.tensor([[1.0], [3.0], [10.0], [20.0], [30.0]])
    statistics.begin()
    for number, (low, high) in enumerate([(0, 2), (2, 5)]):
        if number:
            statistics.restore()
        net(images[low:high])
        statistics.add((high - low) / 5)
    statistics.end()
    assert net.running_mean is not None
    assert float(net.running_mean) == pytest.approx(0.4 * 2 + 0.6 * 20)


class Plain(nn.Module):
    """A network without batch statistics or dropout: pieces then change nothing but rounding."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3))

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images)  # type: ignore[no-any-return]


PGD = AttackSpec(eps=Eps("0.1"), step=Eps("0.05"), steps=2)
FAST = AttackSpec(eps=Eps("0.1"), step=Eps("0.125"), steps=1)


@pytest.mark.parametrize("micro", [2, 3, 5, 7, 8])
@pytest.mark.parametrize(
    "regime",
    [{}, {"regime": "fast", "attack": FAST}, {"regime": "adversarial", "attack": PGD}],
    ids=["standard", "fast", "adversarial"],
)
def test_pieces_of_any_size_train_the_same_network(
    tmp_path: Path, micro: int, regime: dict[str, Any]
) -> None:
    # 22 images in batches of 8: the last one has 6. Random starts belong to images, so that an
    # image is attacked alike in whatever piece it is.
    def trained(folder: str, micro_batch: int | None) -> dict[str, Tensor]:
        settings = {"batch_size": 8, "micro_batch": micro_batch, "lr": 0.05, "epochs": 2, **regime}
        return run(tmp_path / folder, Plain(), blobs(22), **settings)

    whole, pieces = trained("whole", None), trained("pieces", micro)
    for name, value in whole.items():
        assert torch.allclose(value, pieces[name], rtol=1e-4, atol=1e-6), name


def test_a_micro_batch_as_large_as_the_batch_is_the_batch(tmp_path: Path) -> None:
    settings = {"batch_size": 8, "lr": 0.05}
    net = nn.Sequential(*(layer for layer in small_net() if not isinstance(layer, nn.Dropout)))
    other = nn.Sequential(*(layer for layer in small_net() if not isinstance(layer, nn.Dropout)))
    whole = run(tmp_path / "whole", net, blobs(22), **settings)
    pieces = run(tmp_path / "pieces", other, blobs(22), micro_batch=8, **settings)
    for name, value in whole.items():
        assert torch.allclose(value, pieces[name], rtol=1e-6, atol=1e-7), name


def test_dropout_draws_by_piece(tmp_path: Path) -> None:
    # Two pieces of the same images must not drop the same places, and a second run does as the
    # first did.
    settings = {"batch_size": 8, "micro_batch": 4, "lr": 0.05}
    first = run(tmp_path / "1", small_net(), blobs(24), **settings)
    second = run(tmp_path / "2", small_net(), blobs(24), **settings)
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    seen: list[Tensor] = []

    class Noted(nn.Dropout):
        def forward(self, images: Tensor) -> Tensor:
            out = super().forward(images)
            seen.append(out == 0)
            return out

    net = nn.Sequential(nn.Flatten(), Noted(0.5), nn.Linear(36, 3))
    ones = split_of(torch.ones(8, 1, 6, 6), torch.arange(8) % 3)
    run(tmp_path / "3", net, ones, **settings)
    assert len(seen) == 2
    assert not torch.equal(seen[0], seen[1])
