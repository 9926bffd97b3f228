"""Any checkpoint file as plain nested values, told by its content and not by its ending."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from dwlt.checkpoints.pickles import load_pickled
from dwlt.errors import FormatError

INDEX = ".index.json"
"""How the index of a checkpoint in several safetensors files ends."""

NOT_CHECKPOINTS = {
    b"<": "is a web page: the download failed",
    b"version https://git-lfs": "is a Git LFS pointer: the file itself was not fetched",
    b"\x1f\x8b": "is compressed with gzip: unpack it first",
    b"\x89HDF": "is an HDF5 file, as Keras writes them",
    b"\x93NUMPY": "is a NumPy array",
}
"""What is often found in place of a checkpoint, by its first bytes."""


def read_checkpoint(path: Path) -> tuple[Any, list[str]]:
    """What a checkpoint file holds, and the names of what was left out of it.

    safetensors files and their indexes, and what ``torch.save`` writes, old and new.

    Raises:
        FormatError: the file is of another kind, damaged, or would have to run code.
    """
    if path.name.endswith(INDEX):
        return _sharded(path), []
    with path.open("rb") as file:
        head = file.read(64)
    # Eight bytes of length, then JSON: told first, since a length may begin like anything else.
    if head[4:9] == b"\0\0\0\0{":
        return _safetensors(path), []
    for start, what in NOT_CHECKPOINTS.items():
        if head.lstrip().startswith(start):
            raise FormatError(f"{path} {what}", hint="get the checkpoint again, whole")
    if not head:
        raise FormatError(f"{path} is empty", hint="get the checkpoint again, whole")
    if head.startswith((b"PK\x03\x04", b"\x80")):
        return load_pickled(path)
    return _safetensors(path), []


def _safetensors(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise FormatError(
            f"{path} is neither safetensors nor a PyTorch file ({error})",
            hint="give a .safetensors, .pth, .pt, .ckpt or .bin file",
        ) from error


def _sharded(path: Path) -> dict[str, Tensor]:
    """The tensors of all files that an index names."""
    try:
        where: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
        shards = sorted(set(where.values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(f"{path} is not an index of safetensors files") from error
    tensors: dict[str, Tensor] = {}
    for shard in shards:
        if Path(shard).name != shard:
            raise FormatError(f"{path} names {shard!r}, which is not a file beside it")
        if not (path.parent / shard).is_file():
            raise FormatError(f"{path} names {shard}, which is not there", hint="fetch all parts")
        found = _safetensors(path.parent / shard)
        stray = next((name for name in found if where.get(name) != shard), None)
        if stray is not None:
            raise FormatError(f"{shard} has {stray!r}, which {path} does not place there")
        tensors |= found
    missing = next((name for name in where if name not in tensors), None)
    if missing is not None:
        raise FormatError(f"{where[missing]} has no {missing!r}, which {path} promises")
    return tensors
