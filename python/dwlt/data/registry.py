"""The names of tasks. A new data set is one loader file and one line here."""

from __future__ import annotations

from collections.abc import Callable

from dwlt.data import digits, imagefolder, parquet
from dwlt.data.request import Request
from dwlt.data.source import Dataset
from dwlt.data.torchsets import TORCH_SETS
from dwlt.errors import DataError, did_you_mean

LOADERS: dict[str, Callable[[Request], Dataset]] = {
    "digits": digits.load,
    **{name: one.load for name, one in TORCH_SETS.items()},
}
"""Sets with a name of their own; what may follow the colon is a choice of classes."""

FOLDER_LOADERS: dict[str, Callable[[Request], Dataset]] = {
    "imagefolder": imagefolder.load,
    "parquet": parquet.load,
}
"""Layouts; what follows the colon is a folder."""


def list_tasks() -> list[str]:
    """Every name that a task may begin with; layouts are written with ``:DIR``."""
    return sorted([*LOADERS, *(f"{name}:DIR" for name in FOLDER_LOADERS)])


def find_loader(kind: str) -> Callable[[Request], Dataset]:
    """The loader behind a name.

    Raises:
        DataError: there is none; the hint has the nearest name.
    """
    loaders = {**LOADERS, **FOLDER_LOADERS}
    if kind in loaders:
        return loaders[kind]
    meant = did_you_mean(kind, loaders)
    raise DataError(f"there is no task {kind!r}", hint=f"{meant}tasks: {', '.join(list_tasks())}")
