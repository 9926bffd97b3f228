"""A tiny installed package with entry points: a folder on ``sys.path`` with its metadata."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dwlt import plugins


@contextmanager
def installed(
    folder: Path, entry_points: dict[str, dict[str, str]], files: dict[str, str]
) -> Iterator[None]:
    """What ``pip install`` would leave of a package, found by Python's own discovery.

    Args:
        folder: an empty folder for it.
        entry_points: by group, targets by name.
        files: sources by file name; their modules are forgotten afterwards.
    """
    info = folder / "dwlt_example-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: dwlt-example\nVersion: 1.0\n")
    lines = []
    for group, targets in entry_points.items():
        lines += [f"[{group}]", *(f"{name} = {target}" for name, target in targets.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    for name, text in files.items():
        (folder / name).write_text(text)
    sys.path.insert(0, str(folder))
    plugins.plugins.cache_clear()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in files:
            sys.modules.pop(Path(name).stem, None)
        plugins.plugins.cache_clear()
