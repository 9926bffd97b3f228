"""A full disk: which one it is, and what to do."""

from __future__ import annotations

import errno
import os
from pathlib import Path

_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG}


def full_disk(error: BaseException) -> str | None:
    """The next step where an error says that a disk takes no more; else None.

    Args:
        error: from the system, or one of dwlt's whose cause is from the system.
    """
    told = error if isinstance(error, OSError) else error.__cause__
    if not isinstance(told, OSError) or told.errno not in _FULL:
        return None
    again = "then run the same command again: what is finished is kept"
    if told.errno == errno.EFBIG:
        return f"files may not become that large there (see `ulimit -f`); raise the limit, {again}"
    name = told.filename
    named = os.fsdecode(name) if isinstance(name, (str, bytes, os.PathLike)) else ""
    what = "disk" if told.errno == errno.ENOSPC else "quota on the disk"
    where = f" at {_mount(Path(named))}" if named else ""
    return f"the {what}{where} is full: free some space there or name a place elsewhere, {again}"


def _mount(path: Path) -> Path:
    """Where the disk that holds a path is mounted; the path need not be there any more."""
    place = path.absolute()
    while not place.is_mount() and place != place.parent:
        place = place.parent
    return place
