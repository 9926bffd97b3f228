"""Calls into a user's own code: what they may touch, and how they fail.

A module that was written for another purpose parses the command line, changes the working
directory or seeds generators when it is imported. None of that may reach dwlt, and whatever it
raises is told with the network's name.
"""

from __future__ import annotations

import os
import random
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dwlt.errors import DwltError, ModelError

_OURS = Path(__file__).parents[1]
_LIBRARIES = tuple(
    Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")
)


@contextmanager
def guest(name: str, doing: str, hint: str | None = None) -> Iterator[None]:
    """Around every call into the code of a network.

    The working directory can be imported from, ``sys.argv`` holds no arguments, and what is
    global (random generators, default dtype, gradient mode, working directory) is afterwards as
    it was.

    Args:
        name: of the network, as a config gives it.
        doing: what is being done, as the subject of "... fails".
        hint: what the user can do about it.

    Raises:
        ModelError: whatever was raised inside, ``SystemExit`` included, but for Ctrl-C and
            dwlt's own errors.
    """
    try:
        with global_state_kept(), _working_directory_on_path(), _no_arguments(name):
            yield
    except (DwltError, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        # Not Exception: argparse raises SystemExit, and test tools have such classes too.
        raise ModelError(f"{name}: {doing} fails: {reason(error)}", hint=hint) from error


def reason(error: BaseException) -> str:
    """The first line of an error, with its type, and the user's line that it comes from."""
    lines = str(error).strip().splitlines()
    if isinstance(error, SystemExit):
        text = f"it ends the program (SystemExit: {lines[0] if lines else 'no status'})"
    else:
        text = type(error).__name__ + (f": {lines[0]}" if lines else "")
    where = None if isinstance(error, SyntaxError) else _failing_line(error)
    return text if where is None else f"{text} ({where})"


def _failing_line(error: BaseException) -> str | None:
    """The innermost line outside dwlt, PyTorch and the other libraries."""
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        file = frame.f_code.co_filename
        path = Path(file)
        if file.startswith("<") or path.is_relative_to(_OURS):
            continue
        if not any(path.is_relative_to(folder) for folder in _LIBRARIES):
            return f"{path.name}, line {line}"
    return None


@contextmanager
def global_state_kept() -> Iterator[None]:
    """Put back what a module may change for everybody: generators, defaults, the directory."""
    here = Path.cwd()
    python, numpy_state = random.getstate(), np.random.get_state()
    dtype, gradients = torch.get_default_dtype(), torch.is_grad_enabled()
    undo: list[Callable[[], Any]] = [
        lambda: random.setstate(python),
        lambda: np.random.set_state(numpy_state),
        lambda: torch.set_default_dtype(dtype),
        lambda: torch.set_grad_enabled(gradients),
        lambda: os.chdir(here),
    ]
    try:
        with torch.random.fork_rng(devices=_devices()):
            yield
    finally:
        for each in undo:
            each()


def _devices() -> list[int]:
    """GPUs whose generators are in use; asking others for their state would start them."""
    started: bool = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return list(range(torch.cuda.device_count())) if started else []


@contextmanager
def _working_directory_on_path() -> Iterator[None]:
    """Let modules be found in the working directory, which a console script leaves out. Some are
    imported late, by factories and layers."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        # The module may have taken it off the path itself.
        with suppress(ValueError):
            sys.path.remove(here)


@contextmanager
def _no_arguments(name: str) -> Iterator[None]:
    """Hide dwlt's own command line from a module that parses ``sys.argv``."""
    own = sys.argv
    sys.argv = [name.partition(":")[0]]
    try:
        yield
    finally:
        sys.argv = own
