"""Masks on weights and momentum: exact zeros, nothing inferred, nothing revived."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import Parameter

from dwlt import _core
from dwlt.errors import MaskError, TrainingError
from dwlt.masks.tensors import (
    Enforcer,
    apply_,
    check,
    magnitude_masks,
    to_bool_tensors,
    zero_state_,
)

MASK = torch.tensor([[True, False], [False, True]])


def weight(*values: float) -> Parameter:
    return Parameter(torch.tensor(values, dtype=torch.float32).view(2, 2))


def bits(tensor: Tensor) -> list[str]:
    return [struct.pack(">f", value).hex() for value in tensor.flatten().tolist()]


def test_a_mask_set_becomes_tensors_of_the_same_shapes() -> None:
    kept = {"b": np.array([[True, False]]), "a": np.array([False, True, True])}
    tensors = to_bool_tensors(_core.MaskSet.from_bools(kept))
    assert list(tensors) == ["b", "a"]
    assert {name: tensor.tolist() for name, tensor in tensors.items()} == {
        "b": [[True, False]],
        "a": [False, True, True],
    }
    assert tensors["a"].dtype == torch.bool


def test_apply_leaves_plus_zero_and_kept_bits() -> None:
    param = weight(-0.0, -5.0, float("nan"), 1e-42)
    apply_({"w": param, "free": weight(1, 2, 3, 4)}, {"w": MASK})
    # -5 and NaN are masked and become +0.0. The kept ones keep their bits: -0.0, and the
    # denormal 1e-42, which is 714 (0x2ca) times the smallest number, 2**-149.
    assert bits(param) == ["80000000", "00000000", "00000000", "000002ca"]


@pytest.mark.parametrize(
    ("masks", "named"),
    [({"x": MASK}, "'x'"), ({"w": torch.ones(4, dtype=torch.bool)}, r"\(4,\)")],
)
def test_masks_that_do_not_fit_are_refused(masks: dict[str, Tensor], named: str) -> None:
    params = {"w": weight(1, 2, 3, 4)}
    with pytest.raises(MaskError, match=named):
        apply_(params, masks)
    with pytest.raises(MaskError, match=named):
        check(params, masks)
    with pytest.raises(MaskError, match=named):
        Enforcer(params, masks)


def test_check_names_the_tensor_and_counts() -> None:
    check({"w": weight(1, 0, -0.0, 0)}, {"w": MASK})
    with pytest.raises(TrainingError, match="2 masked weights of w "):
        check({"w": weight(1, 1e-42, float("nan"), 0)}, {"w": MASK})


def test_optimiser_state_is_zeroed_under_the_mask_only() -> None:
    param, other = weight(1, 2, 3, 4), weight(1, 2, 3, 4)
    optimizer = torch.optim.Adam([param, other])
    for each in (param, other):
        each.grad = torch.ones_like(each)
    optimizer.step()
    zero_state_(optimizer, {"w": param, "free": other}, {"w": MASK})
    for key in ("exp_avg", "exp_avg_sq"):
        assert (optimizer.state[param][key] != 0).tolist() == MASK.tolist()
        assert bool((optimizer.state[other][key] != 0).all())
    assert float(optimizer.state[param]["step"]) == 1


@given(seed=st.integers(0, 10_000), nesterov=st.booleans())
@settings(max_examples=25, deadline=None)
def test_masked_weights_never_revive(seed: int, nesterov: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    param = Parameter(torch.randn(3, 4, generator=generator))
    mask = torch.rand(3, 4, generator=generator) < 0.5
    optimizer = torch.optim.SGD([param], lr=0.1, momentum=0.9, weight_decay=0.1, nesterov=nesterov)
    enforcer = Enforcer({"w": param}, {"w": mask})
    # Momentum from before the mask, as a pruning step in mid-training would leave it.
    optimizer.state[param]["momentum_buffer"] = torch.randn(3, 4, generator=generator)
    enforcer.zero_masked(optimizer)
    for _ in range(4):
        param.grad = torch.randn(3, 4, generator=generator)
        optimizer.step()
        enforcer.after_step(optimizer)
        enforcer.check()
        assert not bool(optimizer.state[param]["momentum_buffer"][~mask].any())
    assert bool((param[mask] != 0).all())


def test_a_kept_weight_of_zero_trains() -> None:
    param = weight(0.0, 1.0, 1.0, 2.0)
    optimizer = torch.optim.SGD([param], lr=0.5)
    enforcer = Enforcer({"w": param}, {"w": MASK})
    enforcer.zero_masked(optimizer)
    param.grad = torch.ones_like(param)
    optimizer.step()
    enforcer.after_step(optimizer)
    assert param.tolist() == [[-0.5, 0.0], [0.0, 1.5]]


def test_settling_leaves_plus_zero() -> None:
    param = weight(1.0, -1.0, -1.0, 1.0)
    optimizer = torch.optim.SGD([param], lr=0.5)
    enforcer = Enforcer({"w": param}, {"w": MASK})
    enforcer.after_step(optimizer)
    assert bits(param)[1] == "80000000"
    enforcer.zero_masked(optimizer)
    assert bits(param)[1] == "00000000"


def test_channels_last_weights_are_enforced() -> None:
    values = torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    param = Parameter(values.to(memory_format=torch.channels_last))
    mask = values > 0
    enforcer = Enforcer({"w": param}, {"w": mask})
    enforcer.after_step(torch.optim.SGD([param], lr=0.1))
    assert torch.equal(param.detach(), values.clamp(min=0))


def test_the_largest_magnitudes_stay_across_tensors() -> None:
    params = {"a": weight(0.1, -4.0, 0.3, 2.0), "b": Parameter(torch.tensor([-3.0, 0.2]))}
    first = magnitude_masks(params, keep=3)
    assert first["a"].tolist() == [[False, True], [False, True]]
    assert first["b"].tolist() == [True, False]
    second = magnitude_masks(
        {**params, "b": Parameter(torch.tensor([0.0, 9.0]))}, keep=2, within=first
    )
    # 9.0 is the largest, but was removed before.
    assert second["b"].tolist() == [False, False]
    assert second.is_subset(first)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_every_weight_type_is_read(dtype: torch.dtype) -> None:
    param = Parameter(torch.tensor([1.0, -3.0, 2.0, 0.5], dtype=dtype))
    assert magnitude_masks({"w": param}, keep=2)["w"].tolist() == [False, True, True, False]


def test_weights_of_no_magnitude_are_refused() -> None:
    with pytest.raises(MaskError, match=r"w has type torch\.int64"):
        magnitude_masks({"w": torch.arange(3)}, keep=1)


def test_weights_in_another_memory_layout_keep_their_order() -> None:
    values = torch.arange(24.0).view(2, 3, 2, 2)
    param = Parameter(values.to(memory_format=torch.channels_last))
    kept = magnitude_masks({"w": param}, keep=5)["w"]
    assert kept.reshape(-1).nonzero()[0].tolist() == [19, 20, 21, 22, 23]
