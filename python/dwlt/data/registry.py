"""The names of tasks. A new data set is one loader file and one line here."""

from __future__ import annotations

from collections.abc import Callable

from dwlt.data import digits, imagefolder, parquet
from dwlt.data.request import Request
from dwlt.data.source import Dataset
from dwlt.data.torchsets import TORCH_SETS
from dwlt.errors import DataError
from dwlt.plugins import Registry, unknown_hint

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


TASKS: Registry[Callable[[Request], Dataset]] = Registry(
    "dwlt.tasks", {**LOADERS, **FOLDER_LOADERS}, error=DataError
)
"""These and the sets of other packages, after whose names a choice of classes may follow."""


def list_tasks() -> list[str]:
    """Every name that a task may begin with; layouts are written with ``:DIR``."""
    return sorted(f"{name}:DIR" if name in FOLDER_LOADERS else name for name in TASKS.names())


def find_loader(kind: str) -> Callable[[Request], Dataset]:
    """The loader behind a name.

    Raises:
        DataError: there is none; the hint has the nearest name.
        UserError: the package that brings it cannot be imported.
    """
    if kind not in TASKS:
        hint = unknown_hint(kind, TASKS.names()).split("there are:")[0]
        raise DataError(
            f"there is no task {kind!r}", hint=f"{hint}tasks: {', '.join(list_tasks())}"
        )
    return TASKS.get(kind)
