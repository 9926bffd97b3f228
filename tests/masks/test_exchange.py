"""Masks from and to other formats; a file that would run code does not."""

from __future__ import annotations

import os
import pickle
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
from dwlt.masks.exchange import read_masks, write_masks

BOOLS = {"conv.weight": np.array([[True, False], [False, True]])}


def pruned() -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    prune.l1_unstructured(model[0], "weight", amount=5)  # type: ignore[no-untyped-call]
    return model


@pytest.mark.parametrize("wrap", ["none", "state_dict", "model", "module."])
def test_what_pytorch_wrote_is_read(tmp_path: Path, wrap: str) -> None:
    model = pruned()
    state: dict[str, Any] = dict(model.state_dict())
    if wrap == "module.":
        state = {"epoch": 3, "state_dict": {f"module.{key}": v for key, v in state.items()}}
    elif wrap != "none":
        state = {wrap: state, "epoch": 3}
    path = tmp_path / "model.pth"
    torch.save(state, path)
    masks = read_masks(path)
    assert masks.layers() == [("0.weight", 7, 12)]
    assert np.array_equal(masks["0.weight"], model.state_dict()["0.weight_mask"].bool().numpy())


def test_no_code_is_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "trapped"),)

    path = tmp_path / "trap.pth"
    path.write_bytes(pickle.dumps({"state_dict": Trap()}))
    with pytest.raises(FormatError, match="read without running code"):
        read_masks(path)
    torch.save({"state_dict": Trap()}, path)
    with pytest.raises(FormatError, match="read without running code"):
        read_masks(path)
    np.savez(tmp_path / "trap.npz", w=np.array([Trap()], dtype=object))
    with pytest.raises(FormatError):
        read_masks(tmp_path / "trap.npz")
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize("ending", [".npz", ".safetensors", ".pth"])
def test_round_trip(tmp_path: Path, ending: str) -> None:
    masks = dwlt.MaskSet.from_bools(BOOLS)
    out = tmp_path / f"masks{ending}"
    write_masks(masks, out)
    assert read_masks(out) == masks


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
    with pytest.raises(FormatError, match="imported from"):
        read_masks(tmp_path / "x.txt")
    with pytest.raises(FormatError, match="exported to"):
        write_masks(dwlt.MaskSet.dense({}), tmp_path / "x.txt")
    np.savez(tmp_path / "values.npz", w=np.array([0.0, 0.5]))
    with pytest.raises(MaskError, match="w: a mask holds 0 and 1 alone"):
        read_masks(tmp_path / "values.npz")
    torch.save({"w": torch.ones(2)}, tmp_path / "dense.pth")
    with pytest.raises(MaskError, match="has no masks"):
        read_masks(tmp_path / "dense.pth")
    torch.save([1], tmp_path / "list.pth")
    with pytest.raises(FormatError, match="holds list"):
        read_masks(tmp_path / "list.pth")
    dwlt.MaskSet.from_bools(BOOLS).save(tmp_path / "own.safetensors")
    with pytest.raises(FormatError, match="is a mask file of dwlt already"):
        read_masks(tmp_path / "own.safetensors")
    whole = (tmp_path / "values.npz").read_bytes()
    for cut in range(0, len(whole), 7):
        (tmp_path / "cut.npz").write_bytes(whole[:cut])
        with pytest.raises(FormatError):
            read_masks(tmp_path / "cut.npz")
