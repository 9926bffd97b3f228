"""Files that ``torch.save`` wrote, read without running anything from them.

A pickle can name any function of any module, and plain unpickling calls it. PyTorch's safe reader
knows protocol 2 alone and refuses names it does not know, and published checkpoints have such names
beside their tensors (MadryLab's are written with dill, timm's hold the arguments of the command
line). The reader here knows all protocols, both formats of ``torch.save`` and all its tensors. For
a short list of modules a stand-in takes an object's place; every other name is refused.
"""

from __future__ import annotations

import io
import mmap
import struct
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

import torch
from torch import Tensor

from dwlt.checkpoints.builders import StorageClass, builder_of, is_harmless
from dwlt.checkpoints.opcodes import DamagedError, LeftOut, Reader
from dwlt.checkpoints.saved import Storage, TypedStorage, UnreadableTensor
from dwlt.errors import FormatError

_MAGIC = 0x1950A86A20F9469CFC6C
"""The first pickle of a file in the format that PyTorch wrote before 1.6."""

_FORMAT = 1001
"""Its second pickle: the version of that format, the only one there has been."""

_LOOKED_AT = 100
"""Dictionaries in which a name that is refused is looked for, to say where it stands."""


class _Names:
    """What the names of one file stand for, and which they were."""

    def __init__(self) -> None:
        self.left_out: dict[str, None] = {}
        self.refused: dict[str, None] = {}

    def resolve(self, module: str, attribute: str) -> Any:
        known = builder_of(module, attribute)
        if known is not None:
            return known
        name = f"{module}.{attribute}"
        (self.left_out if is_harmless(name) else self.refused)[name] = None
        return LeftOut(name)


def load_pickled(path: Path) -> tuple[Any, list[str]]:
    """The value in a file that ``torch.save`` wrote, and the names that were left out of it.

    Tensors in the value are ``SavedTensor``; their numbers are read when they are asked for.

    Raises:
        FormatError: the file names something that is not on the lists of ``builders``, holds a
            whole network instead of tensors, or is damaged.
    """
    names = _Names()
    try:
        value = _read_zip(path, names) if _is_zip(path) else _read_old(path, names)
    except DamagedError as error:
        # A file that asks for code says so first, whatever else is wrong with it.
        _require_harmless(path, names, None)
        raise FormatError(
            f"{path} cannot be read as a PyTorch file ({error})",
            hint="give a file of tensors: a state dict, or a checkpoint that holds one",
        ) from error
    _require_harmless(path, names, value)
    return value, list(names.left_out)


def _require_harmless(path: Path, names: _Names, value: Any) -> None:
    if not names.refused:
        return
    refused = list(names.refused)
    some = ", ".join(refused[:3]) + (", ..." if len(refused) > 3 else "")
    at = next(_places(value, names.refused, "", set()), None)
    raise FormatError(
        f"{path} asks for {some}, which only running code from the file could build"
        f"{f' (at {at!r})' if at else ''}; nothing was run",
        hint="it holds whole Python objects: where you trust it and have its code, save "
        "`model.state_dict()`, with plain tensors in it, and import that",
    )


def _places(value: Any, refused: dict[str, None], at: str, seen: set[int]) -> Iterator[str]:
    """Where the stand-ins of refused names are, by the keys on the way to them."""
    if isinstance(value, (LeftOut, UnreadableTensor)) and value.name in refused:
        yield at
    elif isinstance(value, dict) and id(value) not in seen and len(seen) < _LOOKED_AT:
        seen.add(id(value))
        for key, one in value.items():
            yield from _places(one, refused, f"{at}.{key}".lstrip("."), seen)


def _read_zip(path: Path, names: _Names) -> Any:
    """The format since PyTorch 1.6: a zip archive of one pickle and a file for each storage."""
    try:
        with zipfile.ZipFile(path) as archive:
            inside = {info.filename: info for info in archive.infolist()}
            found = min((n for n in inside if _is_value(n)), key=len, default=None)
            if found is None:
                raise DamagedError("it is a zip archive without data.pkl: not torch.save's")
            folder = found.removesuffix("data.pkl")
            if f"{folder}constants.pkl" in inside:
                raise DamagedError("it is a TorchScript program, as torch.jit.save writes them")
            order = b"little"
            if f"{folder}byteorder" in inside:
                order = archive.read(_unchecked(inside[f"{folder}byteorder"])).strip()
            pickled = archive.read(_unchecked(inside[found]))
    except DamagedError:
        raise
    except Exception as error:  # zipfile and zlib have error classes of their own, and others
        raise DamagedError(f"its zip archive is damaged: {error}") from error
    swapped = order.decode("latin-1") != sys.byteorder
    storages: dict[str, Storage] = {}

    def persistent(saved: Any) -> TypedStorage:
        kind, key, _ = _storage_id(saved)
        if key not in storages:
            info = inside.get(f"{folder}data/{key}")
            if info is None:
                raise DamagedError(f"it lacks the storage {key!r}")
            storages[key] = Storage(lambda: _member(path, info), swapped=swapped)
        return TypedStorage(storages[key], kind.dtype)

    return Reader(names.resolve, persistent).read(io.BytesIO(pickled))


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"PK"


def _is_value(name: str) -> bool:
    return name == "data.pkl" or (name.count("/") == 1 and name.endswith("/data.pkl"))


def _unchecked(info: zipfile.ZipInfo) -> zipfile.ZipInfo:
    """The entry; without a checksum where PyTorch was told to write none and put 0 in its place."""
    if getattr(info, "CRC", None) == 0:
        del info.CRC
    return info


def _member(path: Path, info: zipfile.ZipInfo) -> Tensor:
    """An entry's bytes, read straight to where they stay."""
    out = torch.empty(info.file_size, dtype=torch.uint8)
    view = out.numpy().data
    try:
        with zipfile.ZipFile(path) as archive, archive.open(_unchecked(info)) as file:
            at = 0
            while at < len(view) and (piece := file.read(min(len(view) - at, 1 << 24))):
                view[at : at + len(piece)] = piece
                at += len(piece)
            if at < len(view) or file.read(1):
                raise DamagedError(f"{info.filename} has another length than it says")
    except Exception as error:  # as above
        raise FormatError(
            f"{path} cannot be read as a PyTorch file ({info.filename} is damaged: {error})",
            hint="get the checkpoint again, whole",
        ) from error
    return out


def _storage_id(saved: Any) -> tuple[StorageClass, str, tuple[Any, ...]]:
    """A persistent id taken apart: class, key, and what follows."""
    if isinstance(saved, tuple) and len(saved) >= 5:
        word, kind, key, *rest = saved
        if word == "storage" and isinstance(kind, StorageClass) and isinstance(key, (str, int)):
            return kind, str(key), tuple(rest)
    raise DamagedError("its pickle refers to something that is no storage")


def _read_old(path: Path, names: _Names) -> Any:
    """The format before PyTorch 1.6: pickles one after another, then the storages' bytes."""
    with path.open("rb") as file:
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    places: dict[str, tuple[int, int]] = {}
    """Where the bytes of each storage are: known once the value has been read."""
    widths: dict[str, int] = {}
    roots: dict[str, Storage] = {}

    def root_of(key: str) -> Storage:
        return Storage(lambda: _copied(content, *places[key]))

    def stretch_of(root: Storage, start: int, size: int) -> Storage:
        return Storage(lambda: root.as_bytes()[start : start + size])

    def persistent(saved: Any) -> Any:
        if isinstance(saved, tuple) and len(saved) == 4 and saved[0] == "module":
            return saved[1]  # a network's class and its source: the class is refused by its name
        kind, key, (_, _, *view) = _storage_id(saved)
        width = widths.setdefault(key, kind.dtype.itemsize)
        root = roots.setdefault(key, root_of(key))
        if not view or view[0] is None:
            return TypedStorage(root, kind.dtype)
        _, start, count = view[0]
        return TypedStorage(stretch_of(root, int(start) * width, int(count) * width), kind.dtype)

    reader = Reader(names.resolve, persistent)
    source = cast(IO[bytes], content)
    if reader.read(source) != _MAGIC:
        raise DamagedError("it is a pickle, and not one that torch.save wrote")
    if reader.read(source) != _FORMAT:
        raise DamagedError("it is of a version that is not known")
    reader.read(source)  # sizes of C types on the machine that wrote it
    value = reader.read(source)
    keys = reader.read(source)
    if not isinstance(keys, list) or {str(key) for key in keys} != roots.keys():
        raise DamagedError("its list of storages does not fit its tensors")
    for key in map(str, keys):
        length = content.read(8)
        size = struct.unpack("<q", length)[0] * widths[key] if len(length) == 8 else -1
        if not 0 <= size <= content.size() - content.tell():
            raise DamagedError("it is cut short")
        places[key] = content.tell(), size
        content.seek(size, io.SEEK_CUR)
    return value


def _copied(content: mmap.mmap, start: int, size: int) -> Tensor:
    out = torch.empty(size, dtype=torch.uint8)
    if size:
        out.numpy().data[:] = memoryview(content)[start : start + size]
    return out
