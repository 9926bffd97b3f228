"""Files whose name the user gave: what cannot be written is refused before the work begins.

The core writes them (``_core.write_atomic`` and the like): it follows links, replaces plain files
by renaming a finished one into place, and gives a pipe or a terminal the bytes. Here the name is
looked at before hours of work are spent, with a message that says what to do.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from dwlt import _core
from dwlt.errors import UserError

KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a disk"),
)


def require_writable(path: Path) -> Path:
    """Refuse a name under which no file can be written.

    Returns:
        The path, as it was named.

    Raises:
        UserError: it is a folder, socket or disk; its folder is not there; or its links lead round
            in a circle.
        OSError: it cannot be looked at.
    """
    with suppress(OSError):
        mode = path.stat().st_mode
        if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
            return path  # what /dev/stdout leads to may have no name of its own
    try:
        target = path.resolve()
    except (RuntimeError, OSError) as error:  # RuntimeError: a circle, up to Python 3.12
        raise UserError(f"{path} is a link that leads nowhere") from error
    try:
        mode = target.stat().st_mode
    except NotADirectoryError as error:
        raise UserError(f"{path}: a part of that path is a file, not a folder") from error
    except FileNotFoundError as error:
        if target.parent.is_dir():
            return path
        leads = f"{path} is a link to {target}, and" if target != path.absolute() else f"{path}:"
        raise UserError(
            f"{leads} there is no folder {target.parent}", hint="make the folder first"
        ) from error
    for is_kind, name in KINDS:
        if is_kind(mode):
            raise UserError(f"{path} is {name}, not a file to write", hint="name another file")
    return path


def write_file(path: Path, content: bytes) -> None:
    """Write a file that the user named, whole or not at all.

    Raises:
        UserError: as ``require_writable``.
        OSError, DwltError: it cannot be written.
    """
    _core.write_atomic(os.fspath(require_writable(path)), content)


def require_other(out: Path, *given: Path | None) -> None:
    """Refuse an output that is also an input.

    Raises:
        UserError: it is.
    """
    if out.exists() and any(path is not None and out.samefile(path) for path in given):
        raise UserError(f"{out} would be overwritten by itself", hint="name another -o file")
