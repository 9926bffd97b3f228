"""Masks from and to other formats; a file that would run code does not."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from torch import nn
from torch.nn.utils import prune

import dwlt
from dwlt.errors import FormatError, MaskError
from dwlt.masks.exchange import read_arrays, write_masks

BOOLS = {"conv.weight": np.array([[True, False], [False, True]])}


def pruned() -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    prune.l1_unstructured(model[0], "weight", amount=5)  # type: ignore[no-untyped-call]
    return model


def test_arrays_of_objects_are_not_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "trapped"),)

    np.savez(tmp_path / "trap.npz", w=np.array([Trap()], dtype=object))
    with pytest.raises(FormatError):
        read_arrays(tmp_path / "trap.npz")
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize("ending", [".npz", ".safetensors"])
def test_round_trip(tmp_path: Path, ending: str) -> None:
    masks = dwlt.MaskSet.from_bools(BOOLS)
    out = tmp_path / f"masks{ending}"
    write_masks(masks, out)
    assert read_arrays(out) == masks


def test_weights_go_along_into_a_file_that_pytorch_loads(tmp_path: Path) -> None:
    model = pruned()
    weights, out = tmp_path / "w.safetensors", tmp_path / "out.pth"
    plain = {
        key.removesuffix("_orig"): value.numpy()
        for key, value in model.state_dict().items()
        if not key.endswith("_mask")
    }
    save_file(plain, weights)
    masks = dwlt.MaskSet.from_bools({"0.weight": model[0].weight_mask.bool().numpy()})  # type: ignore[index]
    write_masks(masks, out, weights)
    again = pruned()
    again.load_state_dict(torch.load(out, weights_only=True))
    inputs = torch.ones(1, 4)
    assert torch.equal(again(inputs), model(inputs))
    with pytest.raises(MaskError, match=r"has no tensor 'conv\.weight'"):
        write_masks(dwlt.MaskSet.from_bools(BOOLS), out, weights)
    with pytest.raises(MaskError, match=r"1.weight: shape \[2, 3\], its mask has \[1\]"):
        write_masks(dwlt.MaskSet.dense({"1.weight": (1,)}), out, weights)
    with pytest.raises(FormatError, match=r"only in a \.pth file"):
        write_masks(masks, tmp_path / "x.npz", weights)


def test_faults(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="exported to"):
        write_masks(dwlt.MaskSet.dense({}), tmp_path / "x.txt")
    np.savez(tmp_path / "values.npz", w=np.array([0.0, 0.5]))
    with pytest.raises(MaskError, match="w: a mask holds 0 and 1 alone"):
        read_arrays(tmp_path / "values.npz")
    np.savez(tmp_path / "empty.npz")
    with pytest.raises(MaskError, match="has no masks"):
        read_arrays(tmp_path / "empty.npz")
    dwlt.MaskSet.from_bools(BOOLS).save(tmp_path / "own.safetensors")
    with pytest.raises(FormatError, match="is a mask file of dwlt already"):
        read_arrays(tmp_path / "own.safetensors")
    whole = (tmp_path / "values.npz").read_bytes()
    for cut in range(0, len(whole), 7):
        (tmp_path / "cut.npz").write_bytes(whole[:cut])
        with pytest.raises(FormatError):
            read_arrays(tmp_path / "cut.npz")


def test_a_shape_that_numpy_lacks_is_a_fault_of_the_file(tmp_path: Path) -> None:
    tensor = {"dtype": "BOOL", "shape": [1] * 70 + [4], "data_offsets": [0, 4]}
    header = json.dumps({"w": tensor}).encode()
    path = tmp_path / "deep.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + b"\1\0\1\1")
    with pytest.raises(FormatError, match=r"deep\.safetensors: .*dimension"):
        read_arrays(path)


def test_bytes_that_are_no_booleans_are_refused(tmp_path: Path) -> None:
    """NumPy reads the byte 2 as true; what takes its lowest bit for it reads false."""
    odd = np.frombuffer(b"\1\0\2\1", dtype=bool)
    save_file({"conv.weight": odd.reshape(2, 2)}, tmp_path / "odd.safetensors")
    np.savez(tmp_path / "odd.npz", w=odd)
    for name in ("odd.safetensors", "odd.npz"):
        with pytest.raises(MaskError, match=r"w(eight)?: a mask holds 0 and 1 alone"):
            read_arrays(tmp_path / name)
    for array in (odd, odd[::2], odd.reshape(2, 2).T):
        with pytest.raises(MaskError, match="w: a mask holds 0 and 1 alone"):
            dwlt.MaskSet.from_bools({"w": array})


def test_weights_to_go_along_that_cannot_be_read(tmp_path: Path) -> None:
    masks = dwlt.MaskSet.from_bools(BOOLS)
    (tmp_path / "cut.safetensors").write_bytes(b"\0" * 20)
    for name in ("gone.safetensors", "cut.safetensors"):
        with pytest.raises(FormatError, match=name):
            write_masks(masks, tmp_path / "out.pth", tmp_path / name)
    assert not (tmp_path / "out.pth").exists()


def test_checkpoints_are_left_to_their_reader(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(2)}, tmp_path / "dense.pth")
    assert read_arrays(tmp_path / "dense.pth") is None
    for name, tensors in {
        "mixed": {"w": np.ones(2, np.float32), "attn.mask": np.ones(2, bool)},
        "pruned": {"w_orig": np.ones(2, np.float32), "w_mask": np.ones(2, bool)},
        "alone": {"w_mask": np.ones(2, bool)},
    }.items():
        save_file(tensors, tmp_path / f"{name}.safetensors")
        assert read_arrays(tmp_path / f"{name}.safetensors") is None
