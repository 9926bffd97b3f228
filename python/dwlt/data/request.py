"""What the loader of a data set is asked for, and how it finds a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dwlt.errors import DataError

CACHE = ".dwlt-cache"
"""The folder in the data folder that holds what can be made again: indexes, working copies."""


@dataclass(frozen=True)
class Request:
    """A task's name, split at the first colon, and where data live.

    Attributes:
        argument: what follows the colon: a folder, or nothing.
        size: the size that images will be brought to, or None.
    """

    argument: str
    data_dir: Path
    size: int | None = None


def find_folder(text: str, data_dir: Path) -> Path:
    """An existing folder: absolute, below the data folder, or below the working directory.

    Raises:
        DataError: it is in neither place.
    """
    if not text:
        raise DataError("no folder is named", hint="write the folder after the colon")
    path = Path(text).expanduser()
    tried = [path] if path.is_absolute() else [data_dir / path, Path.cwd() / path]
    for folder in tried:
        if folder.is_dir():
            return folder
    for one in tried:
        if one.is_symlink() and not one.exists():
            raise DataError(
                f"{one}: is a link that leads nowhere", hint="mend the link, or name another folder"
            )
        if one.exists():
            raise DataError(f"{one}: is no folder", hint="name the folder that holds the images")
    raise DataError(
        f"there is no folder {' or '.join(str(one) for one in tried)}",
        hint="give an absolute path, or one relative to the data folder (--data-dir)",
    )
