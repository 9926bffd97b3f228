"""Finished steps of an evaluation on disk: a small file per attack and shard, written whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dwlt import _core
from dwlt.errors import LedgerError

_FORMAT = "dwlt-shard"


class ShardFiles:
    """The ``Steps`` of one evaluation.

    Args:
        folder: holds nothing else.
        identity: everything that the steps' outcomes depend on, flat and JSON-ready, so that a
            refusal can name the one thing that differs.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        self._folder = folder
        self._identity = json.loads(json.dumps(dict(identity)))

    def load(self, step: str, shard: int) -> dict[str, Any] | None:
        """What was saved, or None.

        Raises:
            LedgerError: the file is damaged, or of another evaluation; what differs is named.
        """
        path = self._path(step, shard)
        try:
            content = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise LedgerError(f"{path} cannot be read: {error}", hint=self._hint()) from error
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            raise LedgerError(f"{path} holds no shard of an evaluation", hint=self._hint())
        found = content["identity"] | {"step": content["step"], "shard": content["shard"]}
        own = self._identity | {"step": step, "shard": shard}
        for name in sorted(own.keys() | found.keys()):
            if own.get(name) != found.get(name):
                raise LedgerError(
                    f"{path} belongs to another evaluation: its {name} is {found.get(name)}, "
                    f"not {own.get(name)}",
                    hint=self._hint(),
                )
        value: dict[str, Any] = content["value"]
        return value

    def save(self, step: str, shard: int, value: dict[str, Any]) -> None:
        """Write a step's outcome: temporary sibling, fsync, rename."""
        content = {
            "format": _FORMAT,
            "identity": self._identity,
            "step": step,
            "shard": shard,
            "value": value,
        }
        self._folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(content, sort_keys=True) + "\n"
        _core.write_atomic(str(self._path(step, shard)), text.encode())

    def clear(self) -> None:
        """Remove the files, once the result is written."""
        if not self._folder.exists():
            return
        for path in self._folder.glob("*.json"):
            path.unlink(missing_ok=True)
        try:
            self._folder.rmdir()
        except OSError:
            # Something else lies there; it is not ours to remove.
            return

    def _path(self, step: str, shard: int) -> Path:
        return self._folder / f"{step.replace('/', '_')}-{shard:05d}.json"

    def _hint(self) -> str:
        return f"remove {self._folder} to start this evaluation from its beginning"
