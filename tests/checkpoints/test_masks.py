"""Masks of PyTorch's pruning: found in whatever ``dwlt import`` opens, and nothing else taken."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils import prune

import dwlt
from dwlt.checkpoints.masks import read_masks
from dwlt.errors import FormatError, MaskError
from dwlt.masks.exchange import write_masks

State = dict[str, Tensor]


def pruned() -> State:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Linear(3, 2))
    prune.l1_unstructured(model[0], "weight", amount=20)  # type: ignore[no-untyped-call]
    prune.l1_unstructured(model[2], "weight", amount=2)  # type: ignore[no-untyped-call]
    return dict(model.state_dict())


STATE = pruned()
EXPECTED = dwlt.MaskSet.from_bools(
    {name: STATE[f"{name}_mask"].bool().numpy() for name in ("0.weight", "2.weight")}
)


def masked(change: Callable[[Tensor], Tensor]) -> State:
    return {name: change(t) if name.endswith("_mask") else t for name, t in STATE.items()}


def under(prefix: str, state: State = STATE) -> State:
    return {prefix + name: tensor for name, tensor in state.items()}


FILES: dict[str, Any] = {
    "bare": STATE,
    "state_dict": {"state_dict": STATE, "epoch": 3},
    "net": {"net": STATE, "acc": 93.1},
    "last and best": {"last": {"state_dict": STATE}, "best": {"state_dict": STATE}},
    "parallel": {"model": under("module.")},
    "compiled": under("_orig_mod."),
    "compiled, parallel": under("_orig_mod.module."),
    "wrapped in part": {name.replace("0.", "0._checkpoint_wrapped_module."): tensor
                        for name, tensor in STATE.items()},
    "parameters": masked(lambda m: nn.Parameter(m)),
    "sparse": masked(lambda m: m.to_sparse()),
    "boolean": masked(lambda m: m.bool()),
    "boolean, sparse": masked(lambda m: m.bool().to_sparse()),
    "integers": masked(lambda m: m.to(torch.uint8)),
    "halves": masked(lambda m: m.half()),
    "8-bit floats": masked(lambda m: m.to(torch.float8_e4m3fn)),
    "another's buffer": STATE | {"attn_mask": torch.ones(4, 4).tril()},
    "another's numbers": STATE | {"attn_mask": torch.ones(4, 4).tril() * -100},
    "weights on the meta device": {
        name: t.to("meta") if name.endswith("_orig") else t for name, t in STATE.items()
    },
    "plain names": {name.removesuffix("_orig"): tensor for name, tensor in STATE.items()},
    "masks alone": {name: t for name, t in STATE.items() if name.endswith("_mask")},
}  # fmt: skip


@pytest.mark.parametrize("case", FILES)
def test_the_same_masks_are_found(case: str, tmp_path: Path) -> None:
    path = tmp_path / "given.pth"
    torch.save(FILES[case], path)
    found = read_masks(path)
    assert found.masks == EXPECTED
    assert ("not taken" in "".join(found.notes)) == case.startswith("another's")


@pytest.mark.parametrize("old", [False, True], ids=["zip", "old"])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol_is_read(protocol: int, old: bool, tmp_path: Path) -> None:
    path = tmp_path / "given"
    torch.save(STATE, path, pickle_protocol=protocol, _use_new_zipfile_serialization=not old)
    assert read_masks(path).masks == EXPECTED


def test_safetensors_are_read(tmp_path: Path) -> None:
    path = tmp_path / "given.safetensors"
    save_file(masked(lambda m: m.bool()), path)
    assert read_masks(path).masks == EXPECTED


def test_what_was_exported_is_read(tmp_path: Path) -> None:
    write_masks(EXPECTED, tmp_path / "out.pth")
    found = read_masks(tmp_path / "out.pth")
    assert found.masks == EXPECTED
    assert "without weights beside them: the file holds masks alone" in found.notes


def test_a_prefix_says_which_network(tmp_path: Path) -> None:
    other = masked(lambda m: torch.ones_like(m))
    path = tmp_path / "given.pth"
    torch.save(under("model.") | under("attacker.model.", other), path)
    assert read_masks(path, prefix="model.").masks == EXPECTED
    assert read_masks(path, prefix="attacker.model.").masks.kept == 60
    assert "0.weight" not in read_masks(path).masks
    torch.save({"a": STATE, "b": other}, path)
    with pytest.raises(MaskError, match="several sets of masks that differ: 'a', 'b'"):
        read_masks(path)
    assert read_masks(path, entry="a").masks == EXPECTED
    torch.save(under("_orig_mod.") | STATE, path)
    assert read_masks(path).masks == EXPECTED
    torch.save(under("_orig_mod.", other) | STATE, path)
    with pytest.raises(MaskError, match=r"two masks of '0\.weight' that differ"):
        read_masks(path)


def changed(**tensors: Any) -> dict[str, Any]:
    return STATE | {name.replace("__", "."): tensor for name, tensor in tensors.items()}


REFUSED: dict[str, tuple[Any, str]] = {
    "none": ({"w": torch.ones(2)}, "has no masks"),
    "a buffer": (
        {"w": torch.ones(2), "attn_mask": torch.ones(2)},
        r"has no masks: not taken are 'attn_mask' \(no 'attn_orig' beside it\)",
    ),
    "other values": (changed(**{"0__weight_mask": torch.full((3, 2, 3, 3), 0.5)}), "0 and 1 alone"),
    "not a number": (
        changed(**{"0__weight_mask": torch.full((3, 2, 3, 3), torch.nan)}),
        "0 and 1 alone",
    ),
    "another shape": (
        changed(**{"0__weight_mask": torch.ones(3)}),
        r"'0.weight_mask' has shape \[3\], its weight '0.weight_orig' has \[3, 2, 3, 3\]",
    ),
    "without numbers": (
        changed(**{"0__weight_mask": torch.ones(3, 2, 3, 3, device="meta")}),
        "'0.weight_mask' is a tensor on the meta device",
    ),
    "no entry": ({"state_dict": STATE}, "has no entry 'ema'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_mask_is_refused_by_name(case: str, tmp_path: Path) -> None:
    value, message = REFUSED[case]
    torch.save(value, tmp_path / "given.pth")
    with pytest.raises(MaskError, match=message):
        read_masks(tmp_path / "given.pth", entry="ema" if case == "no entry" else None)


def test_other_files_are_called_what_they_are(tmp_path: Path) -> None:
    torch.save([1], tmp_path / "list.pth")
    with pytest.raises(FormatError, match="holds list"):
        read_masks(tmp_path / "list.pth")
    (tmp_path / "pointer.pth").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(FormatError, match="Git LFS pointer"):
        read_masks(tmp_path / "pointer.pth")
    np.savez(tmp_path / "given.pth.npz", w=np.ones(2))
    (tmp_path / "given.pth.npz").rename(tmp_path / "given.pth")
    with pytest.raises(FormatError, match=r"zip archive without data\.pkl"):
        read_masks(tmp_path / "given.pth")


def test_no_code_is_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "trapped"),)

    path = tmp_path / "trap.pth"
    path.write_bytes(pickle.dumps({"state_dict": Trap()}))
    with pytest.raises(FormatError, match=r"posix.mkdir, which only running code"):
        read_masks(path)
    torch.save({"state_dict": Trap()}, path)
    with pytest.raises(FormatError, match=r"\(at 'state_dict'\); nothing was run"):
        read_masks(path)
    assert not (tmp_path / "trapped").exists()
