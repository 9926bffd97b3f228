"""Files that are not what they should be: downloads that failed, Git LFS pointers, archives."""

from __future__ import annotations

from pathlib import Path

from dwlt import _core
from dwlt.errors import FormatError

HEAD = 512
"""Bytes from the start of a file that tell its kind."""


def head_of(path: Path) -> bytes:
    """The first bytes of a file, as many as tell its kind.

    Raises:
        FormatError: the file is empty.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head:
        raise FormatError(f"{path} is empty", hint="get the file again, whole")
    return head


def kind_of(head: bytes) -> str | None:
    """What a file that begins so is, such as "a web page: the download failed"; None: unknown.

    Args:
        head: its first bytes, at best ``HEAD`` of them.
    """
    remark = _core.sniff_file(head)
    return None if remark is None else remark.removeprefix("is ")


def refuse_other_kinds(path: Path, head: bytes | None = None) -> None:
    """Refuse a file whose first bytes say that it is none of the files that dwlt reads.

    Args:
        path: the file.
        head: its first bytes, where they have been read already.

    Raises:
        FormatError: it is empty, a web page, a Git LFS pointer, an archive or another format, as
            the message says.
    """
    remark = _core.sniff_file(head_of(path) if head is None else head)
    if remark is not None:
        raise FormatError(f"{path} {remark}", hint="get the file itself, whole")
