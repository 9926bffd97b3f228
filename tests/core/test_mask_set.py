"""Mask sets through the binding: packing, operations, files, digests."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as arrays
from safetensors import safe_open
from safetensors.numpy import save

from dwlt import _core
from dwlt.errors import DwltError, FormatError, MaskError

DIGEST = "b3:" + "0f" * 32


@given(arrays.arrays(np.bool_, arrays.array_shapes(min_dims=0, min_side=0, max_side=9)))
def test_packing_and_unpacking_is_identity(bools: np.ndarray) -> None:
    masks = _core.MaskSet.from_bools({"w": bools})
    assert np.array_equal(masks["w"], bools)
    assert masks["w"].shape == bools.shape
    assert masks.kept == int(bools.sum())
    transposed = _core.MaskSet.from_bools({"w": bools.T})
    assert np.array_equal(transposed["w"], bools.T)


def test_a_set_behaves_as_a_mapping() -> None:
    masks = _core.MaskSet.dense({"b": (2, 3), "a": []})
    assert masks.names == list(masks) == ["b", "a"]
    assert masks.shapes == {"b": (2, 3), "a": ()}
    assert (len(masks), "a" in masks, "c" in masks) == (2, True, False)
    assert masks.layers() == [("b", 6, 6), ("a", 1, 1)]
    assert masks.meta == {}
    assert repr(masks) == "MaskSet(2 tensors, 7 of 7 weights kept)"
    with pytest.raises(MaskError, match="c: the mask set has no such mask"):
        masks["c"]


def test_unpacked_masks_are_copies() -> None:
    masks = _core.MaskSet.dense({"w": (2,)})
    masks["w"][0] = False
    assert masks.kept == 2


def test_operations() -> None:
    a = _core.MaskSet.from_bools({"w": np.array([True, True, False, False])})
    b = _core.MaskSet.from_bools({"w": np.array([True, False, True, False])})
    assert (a & b)["w"].tolist() == [True, False, False, False]
    assert (a | b)["w"].tolist() == [True, True, True, False]
    assert (a - b)["w"].tolist() == [False, True, False, False]
    assert (a ^ b)["w"].tolist() == [False, True, True, False]
    assert (a & b).is_subset(a)
    assert a != b
    overlap = a.overlap(b)
    assert (overlap.both, overlap.left, overlap.right, overlap.total) == (1, 2, 2, 4)
    assert (overlap.iou, overlap.lift) == (1 / 3, 1.0)
    assert a.overlaps(b) == {"w": overlap}
    assert repr(overlap) == "Overlap(both=1, left=2, right=2, total=4)"
    (a & b).check_lineage(a)
    with pytest.raises(MaskError, match="w: weight 2 is kept although"):
        b.check_lineage(a)
    with pytest.raises(MaskError, match="v: in the second mask set, not in the first"):
        a.is_subset(_core.MaskSet.dense({"w": (4,), "v": (1,)}))


def test_only_booleans_are_packed() -> None:
    with pytest.raises(MaskError, match="w: not a NumPy array of bool"):
        _core.MaskSet.from_bools({"w": np.array([1, 0])})


def test_a_file_is_plain_safetensors(tmp_path: Path) -> None:
    bools = {"conv": np.arange(12).reshape(3, 4) % 3 == 0, "a": np.array([True])}
    masks = _core.MaskSet.from_bools(bools)
    path = tmp_path / "mask.safetensors"
    masks.save(path, round=3, weights=DIGEST, parent=None)
    with safe_open(path, framework="np") as file:
        meta = file.metadata()
        packed = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    shapes = json.loads(meta["shapes"])
    for name, expected in bools.items():
        bits = np.unpackbits(packed[name], bitorder="little")[: expected.size]
        assert np.array_equal(bits.reshape(shapes[name]).astype(bool), expected)
    assert {key: meta[key] for key in ("format", "version", "round", "weights", "parent")} == {
        "format": "dwlt-mask",
        "version": "1",
        "round": "3",
        "weights": DIGEST,
        "parent": "",
    }
    assert (meta["kept"], meta["total"], meta["digest"]) == ("5", "13", masks.digest)
    again = _core.MaskSet.load(path)
    assert again == masks
    assert again.meta == {"round": 3, "weights": DIGEST, "parent": None}
    again.save(tmp_path / "again", round=3, weights=DIGEST, parent=None)
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_faults_of_files(tmp_path: Path) -> None:
    masks = _core.MaskSet.dense({"w": (3,)})
    with pytest.raises(FormatError, match="cannot read"):
        _core.MaskSet.load(tmp_path / "missing")
    with pytest.raises(FormatError, match="cannot read"):
        _core.MaskSet.load(tmp_path)
    with pytest.raises(DwltError, match="cannot write"):
        masks.save(tmp_path / "no" / "folder", round=0, weights=None, parent=None)
    with pytest.raises(MaskError, match="parent must be a digest"):
        masks.save(tmp_path / "mask", round=0, weights=None, parent="x")
    (tmp_path / "page").write_text("<!DOCTYPE html>")
    with pytest.raises(FormatError, match="page: not a safetensors file: it is a web page"):
        _core.MaskSet.load(tmp_path / "page")
    (tmp_path / "model").write_bytes(save({"w": np.zeros(3, np.float32)}))
    with pytest.raises(FormatError, match="model: not a mask file"):
        _core.MaskSet.load(tmp_path / "model")


def test_a_model_file_has_the_digest_of_its_tensors(tmp_path: Path) -> None:
    a, b = np.arange(6, dtype=np.float32).reshape(2, 3), np.array([1, 2], dtype=np.int64)
    path = tmp_path / "model.safetensors"
    path.write_bytes(save({"a": a, "b": b}, metadata={"any": "text"}))
    digest = _core.digest_file(path)
    assert digest == _core.digest_tensors([("b", "I64", (2,), b), ("a", "F32", [2, 3], a)])
    assert digest == _core.digest_tensors(
        [("a", "F32", a.shape, a.tobytes()), ("b", "I64", b.shape, b.tobytes())]
    )
    assert digest != _core.digest_tensors([("a", "F32", (3, 2), a), ("b", "I64", (2,), b)])
    with pytest.raises(MaskError, match="a: 24 bytes do not fill shape"):
        _core.digest_tensors([("a", "F32", (2,), a)])
    with pytest.raises(MaskError, match="a: the bytes are not contiguous"):
        _core.digest_tensors([("a", "F32", (3, 2), a.T)])
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FormatError, match=r"model\.safetensors: cut short"):
        _core.digest_file(path)


def test_bits_are_written_as_any_number() -> None:
    masks = _core.MaskSet.from_bools({"w": np.array([[True, False], [True, True]])})
    for dtype in (np.uint8, np.uint16, np.uint32, np.uint64):
        out = np.full(4, 9, dtype)
        masks.unpack_into("w", out, np.iinfo(dtype).max)
        assert out.tolist() == [np.iinfo(dtype).max, 0, np.iinfo(dtype).max, np.iinfo(dtype).max]
    with pytest.raises(MaskError, match="the array has 3 places, the mask has 4"):
        masks.unpack_into("w", np.zeros(3, np.uint8), 1)
    with pytest.raises(MaskError, match="w: 256 does not fit the array's type"):
        masks.unpack_into("w", np.zeros(4, np.uint8), 256)
    with pytest.raises(MaskError, match="w: not a flat array of unsigned integers"):
        masks.unpack_into("w", np.zeros(4, np.float32), 1)
    with pytest.raises(MaskError, match="x: the mask set has no such mask"):
        masks.unpack_into("x", np.zeros(4, np.uint8), 1)


def test_progress_counts_bytes(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(save({"w": np.arange(1.0, 21.0, dtype=np.float32)}))
    hashed, looked, written = _core.Progress(), _core.Progress(), _core.Progress()
    assert hashed.bytes == 0
    assert _core.digest_file(path, progress=hashed) == _core.digest_file(path)
    assert hashed.bytes >= 80
    masks = _core.select_checkpoint(path, ["w"], keep=5, progress=looked)
    assert looked.bytes == 80
    _core.apply_to_file(path, masks, tmp_path / "out", progress=written)
    assert written.bytes == 80
