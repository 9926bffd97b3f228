"""Selection through the binding: arrays of every type, in place, and their faults."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.utils import prune

from dwlt import _core
from dwlt.errors import MaskError


def array(*values: float, dtype: str = "float32") -> np.ndarray[Any, np.dtype[Any]]:
    return np.array(values, dtype=dtype)


def test_keeps_the_largest_of_all_tensors() -> None:
    tensors = [
        ("a", array(1.0, -4.0, 0.5, 3.0).reshape(2, 2), "float32"),
        ("b", array(-2.0, 0.25), "float32"),
    ]
    masks = _core.select_magnitude(tensors, keep=3)
    assert masks["a"].tolist() == [[False, True], [False, True]]
    assert masks["b"].tolist() == [True, False]
    assert (masks.kept, masks.total, masks.names) == (3, 6, ["a", "b"])


@pytest.mark.parametrize("dtype", ["float64", "F32", "f16", "torch.float32", "float16"])
def test_element_types_by_name(dtype: str) -> None:
    kind = {"F32": "float32", "f16": "float16", "torch.float32": "float32"}.get(dtype, dtype)
    masks = _core.select_magnitude([("w", array(1, -3, 2, dtype=kind), dtype)], keep=2)
    assert masks["w"].tolist() == [False, True, True]


@pytest.mark.parametrize(
    ("torch_dtype", "name"), [(torch.bfloat16, "bfloat16"), (torch.float16, "F16")]
)
def test_half_precision_comes_as_its_bits(torch_dtype: torch.dtype, name: str) -> None:
    bits = torch.tensor([0.5, -1.5, 1.25, -0.0], dtype=torch_dtype).view(torch.uint16).numpy()
    masks = _core.select_magnitude([("w", bits, name)], keep=2)
    assert masks["w"].tolist() == [False, True, True, False]


def test_within_and_scope() -> None:
    tensors = [("a", array(5, 6, 7, 8), "float32"), ("b", array(1, 2), "float32")]
    within = _core.MaskSet.from_bools(
        {"b": np.array([True, True]), "a": np.array([True, True, False, False])}
    )
    assert _core.select_magnitude(tensors, keep=2, within=within)["a"].tolist() == [
        True,
        True,
        False,
        False,
    ]
    shared = _core.select_magnitude(tensors, keep=2, within=within, scope="tensor")
    assert shared.layers() == [("a", 1, 4), ("b", 1, 2)]


@pytest.mark.parametrize(
    ("tensors", "keep", "scope", "message"),
    [
        ([("w", array(1, 2), "float32")], 3, "global", "cannot keep 3 of 2 weights"),
        ([("w", array(1, np.nan), "float32")], 1, "global", "w: weight 1 is NaN"),
        ([("w", array(1, 2), "int64")], 1, "global", "w: weights of type .int64. have no order"),
        ([("w", array(1, 2), "float64")], 1, "global", "w: the array holds float32, not float64"),
        ([("w", array(1, 2), "bfloat16")], 1, "global", "w: the array holds float32, not bfloat16"),
        ([("w", array(1, 2, 3)[::2], "float32")], 1, "global", "w: the array is not contiguous"),
        ([("w", np.ones((2, 3), np.float32).T, "float32")], 1, "global", "w: the array is not co"),
        ([("w", [1.0, 2.0], "float32")], 1, "global", "w: the weights are not a NumPy array"),
        ([("w", array(1), "float32")] * 2, 1, "global", "two tensors are named"),
        ([("w", array(1), "float32")], 1, "layer", "scope must be"),
    ],
)
def test_faults_are_named(tensors: Any, keep: int, scope: str, message: str) -> None:
    with pytest.raises(MaskError, match=message):
        _core.select_magnitude(tensors, keep=keep, scope=scope)


def test_within_must_fit() -> None:
    tensors = [("w", array(1, 2), "float32")]
    cases: list[tuple[dict[str, tuple[int, ...]], str]] = [
        ({"v": (2,)}, "w: the mask set has no such mask"),
        ({"w": (1, 2)}, "w: shape .2., but its mask has shape .1, 2."),
        ({"w": (2,), "x": (1,)}, "x: the mask set has it, but no such tensor is given"),
    ]
    for shapes, message in cases:
        with pytest.raises(MaskError, match=message):
            _core.select_magnitude(tensors, keep=1, within=_core.MaskSet.dense(shapes))


def test_hint_travels_with_the_error() -> None:
    with pytest.raises(MaskError) as caught:
        _core.select_magnitude([("w", array(np.nan), "float32")], keep=1)
    assert caught.value.hint is not None


@given(st.integers(0, 2**60), st.floats(0, 1))
def test_count_to_remove_is_pythons_round(remaining: int, rate: float) -> None:
    assert _core.count_to_remove(remaining, rate) == min(round(rate * remaining), remaining)


@given(st.integers(0, 2**20), st.sampled_from([0.1, 0.2, 0.25, 0.5, 0.75]))
def test_count_to_remove_rounds_halves_to_even(remaining: int, rate: float) -> None:
    assert _core.count_to_remove(remaining, rate) == round(rate * remaining)


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_rates_outside_the_unit_interval(rate: float) -> None:
    with pytest.raises(MaskError, match="rate must lie between 0 and 1"):
        _core.count_to_remove(10, rate)


def test_twenty_rounds_equal_pytorchs_pruning() -> None:
    """Weights without ties, 20% of what is left each round: the same masks as torch's."""
    generator = torch.Generator().manual_seed(0)
    layers = {f"l{i}": torch.nn.Linear(30, 20 + i, bias=False) for i in range(3)}
    for layer in layers.values():
        layer.weight.data = torch.randn(layer.weight.shape, generator=generator)
    tensors = [(n, m.weight.detach().numpy().copy(), "float32") for n, m in layers.items()]
    masks = _core.MaskSet.dense({n: a.shape for n, a, _ in tensors})
    for _ in range(20):
        prune.global_unstructured(
            [(m, "weight") for m in layers.values()],
            pruning_method=prune.L1Unstructured,
            amount=0.2,
        )
        keep = masks.kept - _core.count_to_remove(masks.kept, 0.2)
        masks = _core.select_magnitude(tensors, keep=keep, within=masks)
        for name, layer in layers.items():
            mask = layer.get_buffer("weight_mask").numpy().astype(bool)
            assert np.array_equal(masks[name], mask), name
