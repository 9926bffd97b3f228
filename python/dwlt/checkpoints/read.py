"""Any checkpoint file as plain nested values, told by its content and not by its ending."""

from __future__ import annotations

import json
import tarfile
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from dwlt import _core
from dwlt.checkpoints.pickles import load_pickled
from dwlt.checkpoints.saved import UnreadableTensor
from dwlt.errors import FormatError
from dwlt.sniff import head_of, refuse_other_kinds

INDEX = ".index.json"
"""How the index of a checkpoint in several safetensors files ends."""


def read_checkpoint(path: Path) -> tuple[Any, list[str]]:
    """What a checkpoint file holds, and the names of what was left out of it.

    safetensors files and their indexes, and what ``torch.save`` writes, old and new. Values that
    are tensors come as such or as ``SavedTensor``; ``entries_of`` makes them plain tensors.

    Raises:
        FormatError: the file is of another kind, damaged, or would have to run code.
    """
    head = head_of(path)
    # Eight bytes of length, then JSON: told first, since a length may begin like anything else.
    if head[4:9] == b"\0\0\0\0{":
        return _safetensors(path), []
    if head.startswith((b"PK\x03\x04", b"\x80")):
        return load_pickled(path)
    _refuse_tar(path, head)
    refuse_other_kinds(path, head)
    if path.name.endswith(INDEX):
        return _sharded(path), []
    return _safetensors(path), []


def _refuse_tar(path: Path, head: bytes) -> None:
    """Name the format that ``torch.save`` wrote before 2017: a tar file of pickles and storages.

    Raises:
        FormatError: the file is one.
    """
    if head[257:262] != b"ustar":
        return
    with suppress(tarfile.TarError, OSError, EOFError), tarfile.open(path, "r:") as file:
        names = {member.name.removeprefix("./") for member in islice(file, 16)}
        if names >= {"pickle", "tensors", "storages"}:
            raise FormatError(
                f"{path} is what torch.save wrote before 2017: a tar file, which is not read here",
                hint="look for the weights in a newer format; or, where you trust their source, "
                "load them in PyTorch, torch.save their state_dict() and take that file",
            )


def _safetensors(path: Path) -> dict[str, Tensor | UnreadableTensor]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: _tensor(file, name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise FormatError(
            f"{path} is neither safetensors nor a PyTorch file ({error})",
            hint="give a .safetensors, .pth, .pt, .ckpt or .bin file",
        ) from error


def _tensor(file: Any, name: str) -> Tensor | UnreadableTensor:
    """A tensor, or why it cannot be had: PyTorch has no numbers of less than a byte."""
    dtype = file.get_slice(name).get_dtype()
    if (_core.dtype_bits(dtype) or 8) < 8:
        return UnreadableTensor(f"is of type {dtype}, which packs numbers into bits")
    found: Tensor = file.get_tensor(name)
    return found


def _sharded(path: Path) -> dict[str, Tensor | UnreadableTensor]:
    """The tensors of all files that an index names."""
    try:
        where: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
        shards = sorted(set(where.values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(f"{path} is not an index of safetensors files") from error
    tensors: dict[str, Tensor | UnreadableTensor] = {}
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
