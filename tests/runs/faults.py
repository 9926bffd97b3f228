"""A layer in which one operation on the disk fails, once: the n-th of a command.

Operations are counted as they are called: atomic writes, whatever the ledger writes, folders made,
files removed, files read. The core's own calls fail as a whole; ``Ledger.finish``, which writes
three times, also fails between its writes.
"""

from __future__ import annotations

import errno
import importlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from dwlt import _core
from dwlt.errors import DwltError


class Killed(BaseException):
    """The process is gone: nothing may handle this."""


MODES = ("refused", "killed before", "killed after")


class Faults:
    """Counts the operations of a command below a folder, and fails one of them.

    Args:
        root: the folder.
        at: which one, from 0; None: none of them.
        mode: "refused": an error instead of the operation, as on a full or failing disk; "killed
            before" and "killed after": the process ends there.
    """

    def __init__(self, root: Path, at: int | None = None, mode: str = MODES[0]) -> None:
        self.root = root
        self.at = at
        self.mode = mode
        self.names: list[str] = []

    def due(self, name: str) -> bool:
        """Count an operation; whether it is the one to fail."""
        self.names.append(name)
        return self.at == len(self.names) - 1

    def call(self, name: str, path: Path, act: Callable[[], Any], *, core: bool) -> Any:
        """Do an operation, or fail in it, with the core's error or the system's."""
        if not path.is_relative_to(self.root) or not self.due(f"{name} {path.name}"):
            return act()
        if self.mode == "refused":
            raise (
                DwltError(f"cannot {name} {path}: injected")
                if core
                else OSError(errno.EIO, "injected", str(path))
            )
        if self.mode == "killed after":
            with suppress(FileNotFoundError):  # that is what a look for a file may find
                act()
        raise Killed(name)

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """Put the layer between dwlt and the disk."""
        write = _core.write_atomic

        def write_atomic(path: str, content: bytes) -> None:
            self.call("write", Path(path), lambda: write(path, content), core=True)

        patch.setattr(_core, "write_atomic", write_atomic)
        patch.setattr(_core, "Ledger", _failing_ledger(self, _core.Ledger))
        for method in ("mkdir", "unlink", "rmdir", "read_bytes", "read_text"):
            patch.setattr(Path, method, _failing(self, getattr(Path, method), method))
        for module in ("dwlt.training.slot", "dwlt.models.files"):
            for name in ("load_file", "safe_open"):
                original = getattr(importlib.import_module(module), name, None)
                if original is not None:
                    patch.setattr(f"{module}.{name}", _failing(self, original, "read"))


def _failing(faults: Faults, original: Callable[..., Any], name: str) -> Any:
    def failing(path: Path, *args: Any, **kwargs: Any) -> Any:
        if name == "mkdir" and Path(path).exists():
            return original(path, *args, **kwargs)
        return faults.call(name, Path(path), lambda: original(path, *args, **kwargs), core=False)

    return failing


def _failing_ledger(faults: Faults, real: type[_core.Ledger]) -> Any:
    class Failing:
        """A ledger of the core whose calls may fail."""

        check, read, holder, verify = real.check, real.read, real.holder, real.verify

        def __init__(self, folder: str, header: str, plan: Sequence[tuple[str, str]]) -> None:
            self.folder = Path(folder)
            self.markers = dict(plan)
            self.ledger = self.call("lock", lambda: real.open(folder, header, plan))

        @staticmethod
        def open(folder: str, header: str, plan: Sequence[tuple[str, str]]) -> Failing:
            return Failing(folder, header, plan)

        def call(self, name: str, act: Callable[[], Any]) -> Any:
            return faults.call(name, self.folder / "journal", act, core=True)

        def note(self, text: str) -> None:
            self.call("note", lambda: self.ledger.note(text))

        def commit(self, step: str, files: list[str]) -> None:
            self.call("commit", lambda: self.ledger.commit(step, files))

        def finish(self, step: str, files: list[str], result: bytes) -> None:
            self.call("finish", lambda: self.ledger.finish(step, files, result))
            if faults.due("finish, between result and commit"):
                self.undo_commit()
            if faults.due("finish, between preparation and result"):
                (self.folder / self.markers[step]).unlink()
                self.undo_commit()

        def undo_commit(self) -> None:
            self.ledger.close()
            journal = self.folder / "journal"
            with journal.open("rb") as file:
                lines = file.read().splitlines(keepends=True)
            journal.write_bytes(b"".join(lines[:-1]))
            raise Killed("finish") if faults.mode != "refused" else DwltError("injected")

        def __getattr__(self, name: str) -> Any:
            return getattr(self.ledger, name)

    return Failing
