"""The functions that ``import dwlt`` offers: pruning, random controls, checkpoints, tickets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from torch import nn
from torch.nn.utils import prune

import dwlt
from dwlt import _core
from dwlt.errors import FormatError, MaskError, ModelError
from dwlt.masks.arrays import DeviceWeights
from dwlt.masks.selection import bytes_of


def weights() -> dict[str, Any]:
    return {
        "a": np.array([[1.0, -4.0], [0.5, 3.0]], dtype=np.float32),
        "b": torch.tensor([-2.0, 0.25], dtype=torch.bfloat16),
    }


def test_import_stays_light() -> None:
    program = (
        "import sys, dwlt\n"
        "dwlt.prune_magnitude, dwlt.prune_checkpoint, dwlt.MaskSet\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_every_public_name_is_there() -> None:
    for name in dwlt.__all__:
        assert getattr(dwlt, name).__doc__
    assert set(dwlt.__all__) <= set(dir(dwlt))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = dwlt.nothing


@pytest.mark.parametrize(
    ("asked", "kept"),
    [({"rate": 0.5}, 3), ({"sparsity": 0.25}, 4), ({"keep": 3}, 3)],  # round(1.5) is 2
)
def test_counts(asked: dict[str, Any], kept: int) -> None:
    masks = dwlt.prune_magnitude(weights(), **asked)
    assert masks.kept == kept
    assert masks["a"].tolist()[0] == [kept == 4, True]
    assert (masks.density, masks.sparsity) == (kept / 6, 1 - kept / 6)


def test_rate_is_of_what_remains_and_sparsity_of_all() -> None:
    parent = dwlt.prune_magnitude(weights(), keep=4)
    assert dwlt.prune_magnitude(weights(), rate=0.25, within=parent).kept == 3
    assert dwlt.prune_magnitude(weights(), sparsity=0.5, within=parent).kept == 3
    with pytest.raises(MaskError, match="cannot keep 6 of 4 weights kept by the mask set"):
        dwlt.prune_magnitude(weights(), sparsity=0.0, within=parent)


def test_given_counts_per_tensor() -> None:
    masks = dwlt.prune_magnitude(weights(), keep={"b": 2, "a": 1})
    assert masks.layers() == [("a", 1, 4), ("b", 2, 2)]
    assert masks["a"].tolist() == [[False, True], [False, False]]
    cases: list[tuple[dict[str, int] | int, str]] = [
        ({"a": 1}, "b: keep has it and the weights do not"),
        ({"a": 5, "b": 0}, "a: cannot keep 5 of 4 weights"),
        ({"a": -1, "b": 0}, "cannot keep -1 weights"),
        (2**64, "cannot keep 18446744073709551616 weights"),
        (2**64 - 1, "cannot keep 18446744073709551615 of"),
    ]
    for keep, said in cases:
        with pytest.raises(MaskError, match=said):
            dwlt.prune_magnitude(weights(), keep=keep)


@pytest.mark.parametrize("asked", [{}, {"rate": 0.1, "keep": 1}])
def test_exactly_one_amount(asked: dict[str, Any]) -> None:
    with pytest.raises(MaskError, match="exactly one of"):
        dwlt.prune_magnitude(weights(), **asked)


def test_types_without_order_are_refused() -> None:
    for array in (np.arange(3), torch.arange(3)):
        with pytest.raises(MaskError, match=r"w has type .*int64, which has no magnitude order"):
            dwlt.prune_magnitude({"w": array}, keep=1)


def test_any_layout_is_taken() -> None:
    rows = np.array([[1.0, 2.0], [3.0, 4.0]])
    raw = np.frombuffer(b"x" + rows.tobytes(), dtype=np.uint8)[1:].view(np.float64)
    for array in (rows.T, torch.from_numpy(rows).T, raw.reshape(2, 2).T):
        masks = dwlt.prune_magnitude({"w": array}, keep=2)
        assert masks["w"].tolist() == [[False, True], [False, True]]


def test_twenty_rounds_equal_pytorch_without_ties() -> None:
    generator = torch.Generator().manual_seed(5)
    layers: list[Any] = [nn.Linear(40, 30), nn.Linear(30, 20)]
    for layer in layers:
        nn.init.normal_(layer.weight, generator=generator)
    own = {f"{i}.weight": layer.weight.detach().clone() for i, layer in enumerate(layers)}
    masks: dwlt.MaskSet | None = None
    targets = [(layer, "weight") for layer in layers]
    for _ in range(20):
        prune.global_unstructured(targets, prune.L1Unstructured, amount=0.2)
        masks = dwlt.prune_magnitude(own, rate=0.2, within=masks)
        for i, layer in enumerate(layers):
            theirs = layer.weight_mask.bool().numpy()
            assert np.array_equal(masks[f"{i}.weight"], theirs)


def test_random_masks() -> None:
    shapes: dict[str, Any] = {"a": (300, 100), "b": np.zeros((500, 20), np.float32)}
    masks = dwlt.prune_random(shapes, sparsity=0.9, seed=3)
    assert (masks.kept, masks.total) == (4000, 40_000)
    assert masks == dwlt.prune_random(dict(reversed(shapes.items())), sparsity=0.9, seed=3)
    assert masks.overlap(dwlt.prune_random(shapes, sparsity=0.9, seed=4)).both < 600
    # A tensor's lots do not hang on the others, so fewer kept are a part of more.
    assert dwlt.prune_random(shapes, keep=1000, seed=3).is_subset(masks)
    each = dwlt.prune_random(shapes, rate=0.5, scope="tensor", seed=3)
    assert each.layers() == [("a", 15_000, 30_000), ("b", 5000, 10_000)]
    inside = dwlt.prune_random(shapes, rate=0.5, within=masks, seed=9)
    assert (inside.kept, inside.is_subset(masks)) == (2000, True)
    counts = {name: kept for name, kept, _ in masks.layers()}
    shuffled = dwlt.prune_random(shapes, keep=counts, seed=7)
    assert shuffled.layers() == masks.layers()
    assert shuffled != masks


def test_random_masks_are_pinned() -> None:
    # A seed stands in specs; other bits from it would be another experiment.
    assert dwlt.prune_random({"w": (16,)}, keep=5, seed=1)["w"].nonzero()[0].tolist() == PINNED


PINNED = [4, 6, 7, 8, 11]


def test_to_torch() -> None:
    masks = dwlt.MaskSet.from_bools({"w": np.array([[True, False]])})
    assert masks.to_torch()["w"].tolist() == [[True, False]]
    halves = masks.to_torch("cpu", torch.bfloat16)["w"]
    assert (halves.dtype, halves.tolist()) == (torch.bfloat16, [[1.0, 0.0]])


@pytest.mark.parametrize(
    "dtype",
    [
        torch.bool,
        torch.uint8,
        torch.int8,
        torch.int64,
        torch.float16,
        torch.float32,
        torch.float64,
        torch.float8_e4m3fn,
        torch.complex64,
        torch.complex128,
    ],
)
def test_to_torch_gives_ones_and_zeros_of_any_type(dtype: torch.dtype) -> None:
    bools = np.arange(77).reshape(7, 11) % 3 == 0
    masks = dwlt.MaskSet.from_bools(
        {"w": bools, "scalar": np.array(True), "empty": np.zeros((0, 2), np.bool_)}
    )
    tensors = masks.to_torch(dtype=dtype)
    assert {tensor.dtype for tensor in tensors.values()} == {dtype}
    wide = torch.complex128
    assert torch.equal(tensors["w"].to(wide), torch.from_numpy(bools).to(wide))
    assert tensors["scalar"].to(wide).item() == 1
    assert tensors["empty"].shape == (0, 2)


class Counted(DeviceWeights):
    """Remembers the largest stretch that was asked for."""

    largest = 0

    def fetch(self, start: int, count: int) -> np.ndarray[Any, Any]:
        Counted.largest = max(Counted.largest, count)
        return super().fetch(start, count)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_weights_on_another_device_are_copied_in_stretches(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    # This machine need not have another device: what is on the CPU is treated as if elsewhere.
    weights = {
        "a": torch.randn(1000, 700, generator=torch.Generator().manual_seed(0)).to(dtype),
        "b": torch.randn(7, 5, generator=torch.Generator().manual_seed(1)).to(dtype).T,
    }
    here = dwlt.prune_magnitude(weights, rate=0.2)
    again = dwlt.prune_magnitude(weights, rate=0.2, within=here)
    monkeypatch.setattr("dwlt.masks.arrays._is_on_device", lambda array: True)
    monkeypatch.setattr("dwlt.masks.arrays.DeviceWeights", Counted)
    Counted.largest = 0
    assert dwlt.prune_magnitude(weights, rate=0.2) == here
    assert dwlt.prune_magnitude(weights, rate=0.2, within=here) == again
    assert 0 < Counted.largest <= 2**18 * weights["a"].element_size()
    with pytest.raises(MaskError, match="has no magnitude order here"):
        dwlt.prune_magnitude({"a": torch.ones(2, dtype=torch.int32)}, rate=0.2)


def test_a_device_that_fails_is_named() -> None:
    class Broken:
        shape = (20_000,)

        def fetch(self, start: int, count: int) -> bytes:
            return b"" if start else bytes(count - 1)

    with pytest.raises(MaskError, match=r"w: cannot copy weights: .*bytes came instead of"):
        _core.select_magnitude([("w", Broken(), "float32")], keep=3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_weights_on_a_gpu_give_the_masks_of_the_cpu() -> None:
    weights = {"a": torch.randn(3000, 700), "b": torch.randn(70, 50).to(torch.bfloat16)}
    there = {name: tensor.cuda() for name, tensor in weights.items()}
    masks = dwlt.prune_magnitude(weights, rate=0.2)
    assert dwlt.prune_magnitude(there, rate=0.2) == masks
    on_gpu = masks.to_torch("cuda", torch.float32)["a"]
    assert on_gpu.is_cuda
    assert int(on_gpu.sum()) == masks.layers()[0][1]


def sharded(folder: Path) -> dict[str, np.ndarray[Any, Any]]:
    random = np.random.default_rng(0)
    tensors = {name: random.normal(size=(40, 30)).astype(np.float32) for name in "abc"}
    tensors["bias"] = np.ones(7, np.float32)
    files = {"a": "m-1.safetensors", "c": "m-1.safetensors", "b": "m-2.safetensors"}
    files["bias"] = "m-2.safetensors"
    for file in set(files.values()):
        part = {name: tensors[name] for name in tensors if files[name] == file}
        save_file(part, folder / file)
    index = {"metadata": {"total_size": 1}, "weight_map": files}
    (folder / "m.safetensors.index.json").write_text(json.dumps(index))
    return tensors


def test_a_checkpoint_gives_the_masks_of_its_tensors_however_it_is_sharded(tmp_path: Path) -> None:
    tensors = sharded(tmp_path)
    expected = dwlt.prune_magnitude({name: tensors[name] for name in "abc"}, rate=0.2)
    assert dwlt.prune_checkpoint(tmp_path, rate=0.2) == expected
    assert dwlt.prune_checkpoint(tmp_path / "m.safetensors.index.json", rate=0.2) == expected
    save_file(tensors, tmp_path / "whole")
    assert dwlt.prune_checkpoint(tmp_path / "whole", rate=0.2) == expected
    again = dwlt.prune_checkpoint(tmp_path, rate=0.2, within=expected)
    assert again.is_subset(expected)
    only = dwlt.prune_checkpoint(tmp_path, keep=7, only=["b*"])
    assert only.names == ["b", "bias"]
    with pytest.raises(MaskError, match="no tensor to prune"):
        dwlt.prune_checkpoint(tmp_path, keep=7, only=["x*"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda map_: map_.pop("a"), "a: m-1.safetensors has it, the index does not"),
        (lambda map_: map_.update(d="m-1.safetensors"), "d: the index has it, m-1.safetensors"),
        (lambda map_: map_.update(a="m-2.safetensors"), "a: in m-1.safetensors, the index says"),
        (lambda map_: map_.update(a="m-3.safetensors"), "cannot read .*m-3.safetensors"),
        (lambda map_: map_.update(a="../m-1.safetensors"), "is not the name of a file beside"),
    ],
)
def test_an_index_that_lies(tmp_path: Path, change: Any, said: str) -> None:
    sharded(tmp_path)
    path = tmp_path / "m.safetensors.index.json"
    index = json.loads(path.read_text())
    change(index["weight_map"])
    path.write_text(json.dumps(index))
    with pytest.raises(FormatError, match=said):
        dwlt.prune_checkpoint(tmp_path, rate=0.2)


def test_a_folder_without_index(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no safetensors file in this folder"):
        dwlt.prune_checkpoint(tmp_path, rate=0.2)
    save_file({"a": np.ones((2, 2), np.float32)}, tmp_path / "1.safetensors")
    save_file({"a": np.ones((2, 2), np.float32)}, tmp_path / "2.safetensors")
    with pytest.raises(FormatError, match=r"2.safetensors: a: .*1.safetensors has it too"):
        dwlt.prune_checkpoint(tmp_path, rate=0.2)


def test_tickets_are_put_together(tmp_path: Path) -> None:
    model = nn.Linear(3, 2)
    state = {
        "weight": np.array([[1, -2, 3], [-4, 5, -6]], np.float32),
        "bias": np.array([1, 2], np.float32),
    }
    path, mask = tmp_path / "w.safetensors", tmp_path / "m.safetensors"
    save_file(state, path)
    masks = dwlt.prune_checkpoint(path, keep=3)
    masks.save(mask, weights=_core.digest_file(path))
    dwlt.load_ticket(model, path, mask)
    assert model.weight.tolist() == [[0, 0, 0], [-4, 5, -6]]
    assert not torch.signbit(model.weight[0]).any()
    assert model.bias.tolist() == [1, 2]
    with pytest.raises(ModelError, match="does not fit the network"):
        dwlt.load_ticket(nn.Linear(3, 3), path, mask)
    save_file({**state, "bias": np.zeros(2, np.float32)}, path)
    with pytest.raises(MaskError, match="belongs to weights b3:"):
        dwlt.load_ticket(model, path, mask)
    with pytest.raises(MaskError, match="'weight' belongs to no parameter"):
        dwlt.apply_masks(nn.Sequential(nn.Linear(3, 2)), masks)


def test_applying_to_a_file_keeps_every_other_byte(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    state: dict[str, Any] = {
        "w": random.normal(size=(70, 3)).astype(np.float16),
        "b": np.array([-0.0, np.nan], np.float32),
    }
    source, out = tmp_path / "w", tmp_path / "out"
    save_file(state, source, metadata={"note": "kept"})
    masks = dwlt.prune_checkpoint(source, rate=0.4)
    _core.apply_to_file(source, masks, out)
    got = load_file(out)
    expected = np.where(masks["w"], state["w"], np.float16(0))
    assert got["w"].tobytes() == expected.tobytes()
    assert got["b"].tobytes() == state["b"].tobytes()
    length = 8 + int.from_bytes(source.read_bytes()[:8], "little")
    assert out.read_bytes()[:length] == source.read_bytes()[:length]
    with pytest.raises(MaskError, match='has no tensor "x"'):
        _core.apply_to_file(source, dwlt.MaskSet.dense({"x": (1,)}), out)
    with pytest.raises(MaskError, match=r"w: shape \[70, 3\], but its mask has \[3\]"):
        _core.apply_to_file(source, dwlt.MaskSet.dense({"w": (3,)}), out)


def test_bytes_of_a_checkpoint_are_those_of_its_tensors(tmp_path: Path) -> None:
    tensors: dict[str, Any] = {"a": np.zeros((3, 5), np.float32), "b": np.zeros(2, np.uint8)}
    save_file(tensors, tmp_path / "some.safetensors")
    assert bytes_of(tmp_path / "some.safetensors") == 3 * 5 * 4 + 2
