"""Telling kinds of files apart by their first bytes."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from dwlt.checkpoints.read import read_checkpoint
from dwlt.errors import FormatError

TENSORS = {"w": torch.arange(4.0), "v": torch.ones(2, 2)}


@pytest.mark.parametrize("low", [0x80, 0x20, 0x3C, 0x78])
def test_safetensors_are_known_whatever_the_length_of_their_header(
    low: int, tmp_path: Path
) -> None:
    # The first byte is the header's length modulo 256: here those of a pickle, of blanks, of "<".
    path = tmp_path / "weights.bin"
    for width in range(600):
        save_file(TENSORS, path, metadata={"note": "x" * width})
        if path.read_bytes()[0] == low & ~7:
            break
    assert path.read_bytes()[0] == low & ~7
    found, _ = read_checkpoint(path)
    assert isinstance(found, dict)
    assert torch.equal(found["w"], TENSORS["w"])


def sharded(folder: Path, where: dict[str, str]) -> Path:
    save_file({"w": TENSORS["w"]}, folder / "one.safetensors")
    save_file({"v": TENSORS["v"], "w": TENSORS["w"] + 1}, folder / "two.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": where}))
    return index


def test_a_part_holds_what_the_index_places_there_and_no_more(tmp_path: Path) -> None:
    index = sharded(tmp_path, {"w": "one.safetensors", "v": "two.safetensors"})
    with pytest.raises(FormatError, match=r"two.safetensors has 'w'"):
        read_checkpoint(index)
    index = sharded(tmp_path, {"w": "one.safetensors"})
    assert set(read_checkpoint(index)[0]) == {"w"}


def test_tar_files_of_before_2017_are_named_with_a_way_out(tmp_path: Path) -> None:
    path = tmp_path / "old.pth"
    with tarfile.open(path, "w") as file:
        for name in ("sys_info", "pickle", "tensors", "storages"):
            file.addfile(tarfile.TarInfo(name))
    with pytest.raises(
        FormatError, match=r"old\.pth is what torch\.save wrote before 2017"
    ) as told:
        read_checkpoint(path)
    assert told.value.hint is not None
    assert "torch.save their state_dict()" in told.value.hint
    # Another tar file holds the checkpoint, and one that is cut off may hold anything.
    with tarfile.open(path, "w") as file:
        file.addfile(tarfile.TarInfo("model.pth"))
    with pytest.raises(FormatError, match="is a tar archive: unpack it first"):
        read_checkpoint(path)
    path.write_bytes(path.read_bytes()[:512])
    with pytest.raises(FormatError, match="is a tar archive: unpack it first"):
        read_checkpoint(path)
