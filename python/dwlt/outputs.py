"""Where a file goes that the user named: links are followed, and only plain files are replaced.

Files appear by renaming a finished one into place. Under a name that is a link, that would replace
the link; so the file it leads to is replaced instead. A pipe or a device such as a terminal gets
the bytes and stays. What can be neither is refused, before any work.
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


def destination(path: Path) -> Path:
    """The file that writing to ``path`` makes or replaces: where its links lead.

    A pipe or a character device is given back as it was named: what ``/dev/stdout`` leads to may
    have no name of its own.

    Raises:
        UserError: it is a folder, socket or disk; its folder is not there; or its links lead round
            in a circle.
        OSError: it cannot be looked at.
    """
    with suppress(OSError):
        mode = path.stat().st_mode
        if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
            return path
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
            return target
        leads = f"{path} is a link to {target}, and" if target != path.absolute() else f"{path}:"
        raise UserError(
            f"{leads} there is no folder {target.parent}", hint="make the folder first"
        ) from error
    for is_kind, name in KINDS:
        if is_kind(mode):
            raise UserError(f"{path} is {name}, not a file to write", hint="name another file")
    return target


def write_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: a temporary sibling, fsync, rename. See above for others.

    Raises:
        UserError: as ``destination``.
        OSError, DwltError: it cannot be written.
    """
    _core.write_atomic(os.fspath(destination(path)), content)
