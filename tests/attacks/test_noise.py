"""Noise: the published generator, per sample, whatever the batch."""

from __future__ import annotations

import pytest
import torch

from dwlt.attacks import noise

M = (1 << 64) - 1


def splitmix(state: int) -> int:
    """SplitMix64's finaliser in unbounded Python integers."""
    state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & M
    state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & M
    return state ^ (state >> 31)


@pytest.mark.parametrize("seed", [0, 1, 2**63 - 1])
def test_bits_are_those_of_splitmix64(seed: int) -> None:
    golden = 0x9E3779B97F4A7C15
    ids = torch.tensor([0, 5, 2**40])
    drawn = noise(seed, ids, (2, 3))
    for row, sample in enumerate(ids.tolist()):
        key = splitmix(((sample + 1) * golden + seed) & M)
        words = [splitmix((key + place * golden) & M) for place in range(1, 7)]
        expected = [(word >> 40) / 2**24 for word in words]
        assert drawn[row].flatten().tolist() == expected


def test_values_are_pinned() -> None:
    # Evaluations start from these numbers: other bits would be other results.
    assert (noise(0, torch.tensor([0]), (3,)) * 2**24).int().tolist() == [
        [10946269, 11764387, 6494865]
    ]


def test_batch_split_and_order_do_not_matter() -> None:
    ids = torch.tensor([9, 2, 7, 4, 0])
    whole = noise(3, ids, (1, 4, 4))
    rows = torch.cat([noise(3, ids[i : i + 1], (1, 4, 4)) for i in range(5)])
    assert torch.equal(whole, rows)
    assert torch.equal(noise(3, ids.flip(0), (1, 4, 4)), whole.flip(0))


def test_numbers_are_uniform_and_seeds_differ() -> None:
    drawn = noise(1, torch.arange(200), (3, 16, 16))
    assert drawn.dtype == torch.float32
    assert 0 <= float(drawn.min()) < 0.001
    assert 0.999 < float(drawn.max()) < 1
    # 153,600 numbers: the mean's standard error is 0.00074, so 0.004 is over five of them.
    assert abs(float(drawn.mean()) - 0.5) < 0.004
    assert abs(float(drawn.var()) - 1 / 12) < 0.002
    correlation = torch.corrcoef(torch.stack([drawn[0].flatten(), drawn[1].flatten()]))[0, 1]
    assert abs(float(correlation)) < 0.2
    assert not torch.equal(drawn, noise(2, torch.arange(200), (3, 16, 16)))


def test_ids_are_left_alone() -> None:
    ids = torch.arange(3)
    noise(0, ids, (2,))
    assert ids.tolist() == [0, 1, 2]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_draws_the_same_bits() -> None:
    ids = torch.tensor([0, 3, 2**50])
    assert torch.equal(noise(7, ids, (3, 8, 8)), noise(7, ids, (3, 8, 8), "cuda").cpu())
