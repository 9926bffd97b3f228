"""Paths on the command line, looked at before any work: a folder to use, a file to write."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, NoReturn

import click

from dwlt.outputs import require_writable


class _Given(click.ParamType[Path], ABC):
    """A path that is looked at before it is taken."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        if isinstance(value, Path):
            return value
        if not str(value):
            # An unset variable of a script, as in --runs "$RUNS", would mean the working directory.
            self.fail("the path is empty", param, ctx)
        path = Path(value)
        try:
            self.check(path)
        except OSError as error:
            self.fail(f"{path}: {error.strerror}", param, ctx)
        except _NotGoodError as error:
            self.fail(str(error), param, ctx)
        return path

    @abstractmethod
    def check(self, path: Path) -> None:
        """Raise what speaks against this path."""


class _NotGoodError(Exception):
    pass


class Folder(_Given):
    """A folder that is there, or that can be made: nothing but folders on the way to it.

    Args:
        text: whether its name must be text, because safetensors' own reader opens files in it.
    """

    name = "directory"

    def __init__(self, *, text: bool = False) -> None:
        self._text = text

    def check(self, path: Path) -> None:
        if self._text and not _is_text(path):
            _refuse(f"{path} is not a name in UTF-8, and model files in it could not be opened")
        for one in (path, *path.parents):
            if one.is_symlink() and not one.exists():
                _refuse(f"{one} is a link to {one.readlink()}, which is not there")
            if one.exists():
                if not one.is_dir():
                    _refuse(f"{one} is a file, not a folder")
                return


class OutFile(_Given):
    """A file to write.

    Args:
        folder: whether it may be a folder too.
    """

    name = "file"

    def __init__(self, *, folder: bool = False) -> None:
        self._folder = folder

    def check(self, path: Path) -> None:
        free = not path.exists() and not path.is_symlink()
        if not (self._folder and (free or path.is_dir())):
            require_writable(path)


def _is_text(path: Path) -> bool:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse(text: str) -> NoReturn:
    raise _NotGoodError(text)
