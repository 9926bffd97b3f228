"""What a run folder says of itself besides its results: its spec and its journal."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from dwlt import _core
from dwlt.errors import LedgerError
from dwlt.runs import layout


def read_spec(folder: Path) -> dict[str, Any]:
    """The values in a run folder's ``spec.toml``; empty where it was never written.

    Raises:
        LedgerError: the file is damaged.
    """
    try:
        return tomllib.loads((folder / layout.SPEC).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise LedgerError(f"{folder / layout.SPEC} cannot be read: {error}") from error


def asked_rounds(folder: Path) -> int | None:
    """How many rounds a prune run was last asked for, or None where it never began.

    The spec cannot say: it is written once, and a run can be carried on to more rounds.
    """
    asked = None
    for line in _core.Ledger.read(str(folder)):
        entry = json.loads(line)
        if entry.get("event") == "asked":
            asked = int(entry["rounds"])
    return asked
