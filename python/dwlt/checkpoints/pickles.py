"""PyTorch's pickled files, read without running anything that they name.

A pickle can call any function. PyTorch's restricted reader builds tensors and plain containers
alone and refuses whatever else a file names. Many published files name something else beside their
tensors (MadryLab's are written with dill, timm's hold the arguments of the command line). For a
short list of such modules the reader is given a stand-in that takes anything and does nothing;
every other name is refused. In neither case is the named object imported, let alone called.
"""

from __future__ import annotations

import pickletools
import warnings
import zipfile
from pathlib import Path
from typing import IO, Any

import torch

from dwlt.errors import FormatError

BESIDE = frozenset(
    {
        *("_codecs", "argparse", "collections", "copyreg", "cox", "datetime", "dill", "easydict"),
        *("enum", "functools", "lightning", "lightning_fabric", "ml_collections", "numpy"),
        *("omegaconf", "pathlib", "pytorch_lightning", "robustness", "timm", "typing", "yacs"),
    }
)
"""Modules whose objects are left out of a file: settings, schedules and numbers beside weights."""

BUILTINS = frozenset(
    {
        *("bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list"),
        *("object", "range", "set", "slice", "str", "tuple", "type"),
    }
)
"""Of Python's own names, the plain types."""

_PICKLES = 4
"""Pickles at the head of a file without a zip directory: three of bookkeeping, then the value."""


class _Nothing(type):
    """The type of the stand-in: calling it, or giving it state, gives the stand-in again."""

    def __call__(cls, *arguments: Any, **named: Any) -> Any:
        return cls

    def __setstate__(cls, state: Any) -> None:
        return None


class LeftOut(metaclass=_Nothing):
    """Stands where a file holds an object that is neither a tensor nor a plain value."""

    def __new__(cls, *arguments: Any) -> Any:
        return cls


def load_pickled(path: Path) -> tuple[Any, list[str]]:
    """The value in a file that ``torch.save`` wrote, and the names that were left out of it.

    Raises:
        FormatError: the file names something that is not on the lists above, holds a whole
            network instead of tensors, or is damaged.
    """
    try:
        names = _foreign(path)
    except Exception as error:  # zipfile and zlib have error classes of their own
        raise _unreadable(path, error) from error
    refused = [name for name in names if not _harmless(name)]
    if refused:
        raise FormatError(
            f"{path} asks for {_some(refused)}, which only running code from the file could "
            "build; nothing was run",
            hint="it holds whole Python objects: where you trust it and have its code, save "
            "`model.state_dict()` and import that",
        )
    stand_ins: list[Any] = [(LeftOut, name) for name in names]
    if stand_ins:
        stand_ins.append((_Nothing, f"{__name__}._Nothing"))
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(stand_ins):
            # Of the pickle protocol, and of storages of an older PyTorch: both are read.
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True), names
    except Exception as error:  # unpickling can fail in any way
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> FormatError:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return FormatError(
        f"{path} cannot be read as a PyTorch file without running code from it ({lines[0]})",
        hint="give a file of tensors: a state dict, or a checkpoint that holds one",
    )


def _foreign(path: Path) -> list[str]:
    """Names ("module.name") that the file refers to and PyTorch's reader does not know."""
    known = torch._weights_only_unpickler._get_allowed_globals()
    return [name for name in _named(path) if name not in known]


def _named(path: Path) -> list[str]:
    """Every global name in the file, in order of appearance, without building anything."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            inside = [name for name in archive.namelist() if name.endswith("data.pkl")]
            names = []
            for name in inside:
                with archive.open(name) as file:
                    names += _names_in(file)
    else:
        names = []
        with path.open("rb") as file:
            for _ in range(_PICKLES):
                names += _names_in(file)
    return list(dict.fromkeys(names))


def _names_in(file: IO[bytes]) -> list[str]:
    """Names in one pickle; the rest of a damaged one is left for PyTorch's reader to refuse."""
    names = []
    try:
        for operation, argument, _ in pickletools.genops(file):
            if operation.name in ("GLOBAL", "INST"):
                names.append(".".join(str(argument).split(" ", 1)))
    except Exception:  # pickletools raises whatever it stumbles over
        return names
    return names


def _harmless(name: str) -> bool:
    module, _, attribute = name.rpartition(".")
    if module in ("builtins", "__builtin__"):
        return attribute in BUILTINS
    return module.split(".")[0] in BESIDE


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
