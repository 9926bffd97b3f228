"""Every kind of tensor that ``torch.save`` writes, in every protocol and both formats."""

from __future__ import annotations

import sys
import types
import zipfile
from collections import Counter, OrderedDict, defaultdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from dwlt.checkpoints import entries_of, read_checkpoint
from dwlt.errors import FormatError

FORMATS = [(protocol, old) for old in (False, True) for protocol in (2, 3, 4, 5)]
BASE = torch.arange(24.0).reshape(2, 3, 4)


def numbers(dtype: torch.dtype) -> Tensor:
    """A few numbers of a type, of which some have no short form in any other."""
    if dtype == torch.bool:
        return torch.tensor([True, False, True])
    if dtype.is_complex:
        return torch.tensor([1 + 2j, -0.5j]).to(dtype)
    return torch.tensor([0.0, 1.0, 1.5, 3.0]).to(dtype)


DTYPES = {
    *(torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32),
    *(torch.int16, torch.int8, torch.uint8, torch.uint16, torch.uint32, torch.uint64, torch.bool),
    *(torch.complex64, torch.complex128, torch.float8_e4m3fn, torch.float8_e5m2),
    *(torch.float8_e4m3fnuz, torch.float8_e5m2fnuz, torch.float8_e8m0fnu),
}
WINDOWS = {
    "transposed": BASE.permute(2, 0, 1),
    "offset": BASE[1, 1:, ::2],
    "expanded": torch.arange(3.0)[:, None].expand(3, 4),
    "empty": torch.empty(0),
    "empty in one dimension": torch.empty(2, 0, 3),
    "scalar": torch.tensor(2.5),
    "parameter": torch.nn.Parameter(BASE.clone()),
    "frozen": torch.nn.Parameter(BASE.clone(), requires_grad=False),
    "buffer": torch.nn.Buffer(BASE.clone()),
    "conjugate": torch.tensor([1 + 2j, 3 - 1j]).conj(),
    "negative": torch.tensor([1 + 2j, 3 - 1j]).conj().imag,
}
SPARSE = torch.tensor([[0.0, 2.0, 0.0, 0.0], [1.0, 0.0, 0.0, 3.0]])


def layouts() -> dict[str, Tensor]:
    """Sparse tensors; PyTorch warns that some layouts are in beta."""
    return {
        "coo": SPARSE.to_sparse(),
        "coo, hybrid": BASE.to_sparse(2),
        "coo, boolean": (SPARSE != 0).to_sparse(),
        "coo, not coalesced": torch.sparse_coo_tensor(
            torch.tensor([[0, 0, 1]]), torch.tensor([1.0, 2.0, 4.0]), (3,), check_invariants=True
        ),
        "csr": SPARSE.to_sparse_csr(),
        "csc": SPARSE.to_sparse_csc(),
        "bsr": SPARSE.to_sparse_bsr((1, 2)),
        "bsc": SPARSE.to_sparse_bsc((1, 2)),
    }


def read(path: Path) -> dict[str, Tensor]:
    (entry,) = entries_of(read_checkpoint(path)[0])
    assert not entry.unreadable
    return entry.tensors


def same(one: Tensor, other: Tensor) -> bool:
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    if one.dtype.is_floating_point and one.dtype.itemsize == 1:
        one, other = one.view(torch.uint8), other.view(torch.uint8)
    return torch.equal(one, other)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("protocol", "old"), FORMATS)
def test_every_kind_of_tensor_is_read_in_every_format(
    protocol: int, old: bool, tmp_path: Path
) -> None:
    given = {str(dtype): numbers(dtype) for dtype in DTYPES if not (old and dtype.is_complex)}
    given |= WINDOWS
    shared = torch.arange(6.0)
    given |= {"whole": shared, "part": shared[2:5], "tied": given["parameter"]}
    given |= {f"strange name é/{name}": tensor for name, tensor in layouts().items()}
    path = tmp_path / "given.pth"
    torch.save(given, path, pickle_protocol=protocol, _use_new_zipfile_serialization=not old)
    found = read(path)
    assert found.keys() == given.keys()
    for name, tensor in given.items():
        dense = tensor.detach().to_dense() if tensor.layout != torch.strided else tensor.detach()
        if name.endswith("boolean"):
            dense = SPARSE != 0
        assert found[name].layout == torch.strided
        assert same(found[name], dense.resolve_conj().resolve_neg()), name


@pytest.mark.parametrize(("protocol", "old"), FORMATS)
def test_plain_values_beside_tensors_are_read(protocol: int, old: bool, tmp_path: Path) -> None:
    plain = {
        "list": [1, -(2**70), 2.5, None, True, "text", b"bytes", bytearray(b"more")],
        "set": {1, 2},
        "frozen": frozenset({"a"}),
        "complex": 1 + 2j,
        "size": torch.Size([2, 3]),
        "tuples": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)),
        "dtype": torch.float16,
        "dicts": [OrderedDict(a=1), Counter("aab"), defaultdict(int, b=2), {3: {4: 5}}],
        "device": torch.device("cuda", 1),
    }
    path = tmp_path / "given.pth"
    torch.save(plain, path, pickle_protocol=protocol, _use_new_zipfile_serialization=not old)
    found, names = read_checkpoint(path)
    assert found == plain | {"device": "cuda:1"}
    assert set(names) <= {"builtins.int", "__builtin__.int", "__builtin__.long"}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("old", [False, True], ids=["zip", "old"])
def test_quantised_tensors_are_what_pytorch_computes_with(old: bool, tmp_path: Path) -> None:
    scales, zeros = torch.tensor([0.1, 0.25]), torch.tensor([3, -2])
    given = {
        "tensor": torch.quantize_per_tensor(torch.randn(2, 3), 0.1, 7, torch.quint8),
        "int32": torch.quantize_per_tensor(torch.randn(2, 3), 0.01, 0, torch.qint32),
        "channels": torch.quantize_per_channel(torch.randn(3, 2), scales, zeros, 1, torch.qint8),
        "window": torch.quantize_per_tensor(torch.randn(2, 3), 0.1, 1, torch.qint8)[:, 1:],
    }
    path = tmp_path / "given.pth"
    torch.save(given, path, _use_new_zipfile_serialization=not old)
    (entry,) = entries_of(read_checkpoint(path)[0])
    assert entry.dequantized == given.keys()
    for name, tensor in given.items():
        assert torch.equal(entry.tensors[name], tensor.dequantize()), name


class Own(torch.Tensor):
    """A subclass as a library has it, whose numbers may mean anything."""


@pytest.mark.filterwarnings("ignore")
def test_what_has_no_numbers_is_called_by_its_reason(tmp_path: Path) -> None:
    half = torch.quantize_per_channel(
        torch.randn(2, 2), torch.ones(2), torch.zeros(2), 0, torch.quint4x2
    )
    given = {
        "meta": torch.empty(2, device="meta"),
        "nested": torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
        "half": half,
        "bits": torch.ones(2, dtype=torch.uint8).view(torch.bits8),
        "float4": torch.ones(2, dtype=torch.uint8).view(torch.float4_e2m1fn_x2),
        "w": torch.ones(2),
    }
    torch.save(given, tmp_path / "given.pth")
    (entry,) = entries_of(read_checkpoint(tmp_path / "given.pth")[0])
    assert list(entry.tensors) == ["w"]
    assert {name: reason.split(":")[0] for name, reason in entry.unreadable.items()} == {
        "meta": "is a tensor on the meta device",
        "nested": "is a nested tensor",
        "half": "is quantised (quint4x2, per_channel_affine)",
        "bits": "is of type bits8, which packs numbers into bits",
        "float4": "is of type float4_e2m1fn_x2, which packs numbers into bits",
    }


def test_a_subclass_of_tensors_is_refused_where_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "given.pth"
    torch.save({"state_dict": {"conv.weight": torch.ones(2).as_subclass(Own)}}, path)
    with pytest.raises(FormatError) as caught:
        read_checkpoint(path)
    assert f"asks for {__name__}.Own, which" in str(caught.value)
    assert "(at 'state_dict.conv.weight')" in str(caught.value)
    # One of a module whose objects may be left out is no reason to refuse the file.
    monkeypatch.setitem(sys.modules, "timm", types.ModuleType("timm"))
    monkeypatch.setattr(sys.modules["timm"], "Own", Own, raising=False)
    monkeypatch.setattr(Own, "__module__", "timm")
    torch.save({"conv.weight": torch.ones(2).as_subclass(Own)}, path)
    (entry,) = entries_of(read_checkpoint(path)[0])
    assert entry.unreadable["conv.weight"].startswith("is a timm.Own, a subclass of torch.Tensor")


@pytest.mark.parametrize("dtype", [torch.float32, torch.int16, torch.complex64, torch.bool])
def test_files_of_machines_with_the_other_byte_order(dtype: torch.dtype, tmp_path: Path) -> None:
    given = numbers(dtype)
    torch.save({"w": given}, tmp_path / "little.pth")
    width = dtype.itemsize // (2 if dtype.is_complex else 1)
    with (
        zipfile.ZipFile(tmp_path / "little.pth") as little,
        zipfile.ZipFile(tmp_path / "big.pth", "w") as big,
    ):
        for name in little.namelist():
            content = little.read(name)
            if name.endswith("byteorder"):
                content = b"big"
            elif name.endswith("data/0"):
                parts = [content[at : at + width] for at in range(0, len(content), width)]
                content = b"".join(part[::-1] for part in parts)
            big.writestr(name, content)
    assert torch.equal(read(tmp_path / "big.pth")["w"], given)


def test_a_file_without_checksums_is_read(tmp_path: Path) -> None:
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"w": BASE}, tmp_path / "given.pth")
    finally:
        torch.serialization.set_crc32_options(before)
    assert torch.equal(read(tmp_path / "given.pth")["w"], BASE)


def edited(path: Path, out: Path, name: str, change: Any) -> Path:
    """The file with one entry changed, and checksums that fit."""
    with zipfile.ZipFile(path) as given, zipfile.ZipFile(out, "w") as made:
        for one in given.namelist():
            content = given.read(one)
            if not one.endswith(name) or (content := change(content)) is not None:
                made.writestr(one, content)
    return out


def test_damage_is_refused_by_name(tmp_path: Path) -> None:
    path, out = tmp_path / "w.pth", tmp_path / "out.pth"
    torch.save({"w": BASE}, path)
    (entry,) = entries_of(read_checkpoint(edited(path, out, "data/0", lambda b: b[:-4]))[0])
    assert entry.unreadable == {"w": "is damaged: it reaches past its storage"}
    cases: list[tuple[str, Any, str]] = [
        ("data/0", lambda _: None, "lacks the storage '0'"),
        ("data.pkl", lambda _: None, "a zip archive without data.pkl"),
        ("data.pkl", lambda b: b[:-1], "its pickle is damaged"),
        ("data.pkl", lambda b: b.replace(b"storage", b"storaga"), "is no storage"),
        ("version", lambda b: b, ""),
    ]
    for name, change, message in cases:
        edited(path, out, name, change)
        if message:
            with pytest.raises(FormatError, match=message):
                read_checkpoint(out)
        else:
            assert torch.equal(read(out)["w"], BASE)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("w/constants.pkl", b"")
    with pytest.raises(FormatError, match="TorchScript program"):
        read_checkpoint(path)


def test_sparse_indices_that_lead_elsewhere_are_refused(tmp_path: Path) -> None:
    wrong = torch.sparse_coo_tensor(
        torch.tensor([[9]]), torch.ones(1), (10,), check_invariants=True
    )
    torch.save({"w": wrong}, tmp_path / "w.pth")
    path = edited(
        tmp_path / "w.pth", tmp_path / "out.pth", "data/0", lambda b: (99).to_bytes(8, "little")
    )
    (entry,) = entries_of(read_checkpoint(path)[0])
    # In PyTorch's words: that index 99 is beyond 10.
    assert entry.unreadable["w"].startswith("cannot be read: ")


def test_small_floats_of_safetensors(tmp_path: Path) -> None:
    import json
    import struct

    header = {
        "half": {"dtype": "F4", "shape": [2, 4], "data_offsets": [0, 4]},
        "six": {"dtype": "F6_E2M3", "shape": [4], "data_offsets": [4, 7]},
        "w": {"dtype": "F8_E4M3FNUZ", "shape": [2], "data_offsets": [7, 9]},
    }
    text = json.dumps(header).encode()
    path = tmp_path / "small.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(9))
    (entry,) = entries_of(read_checkpoint(path)[0])
    assert entry.tensors["w"].dtype == torch.float8_e4m3fnuz
    assert entry.unreadable == {
        "half": "is of type F4, which packs numbers into bits",
        "six": "is of type F6_E2M3, which packs numbers into bits",
    }
    save_file({"w": numbers(torch.float8_e5m2)}, path)
    assert same(read(path)["w"], numbers(torch.float8_e5m2))
