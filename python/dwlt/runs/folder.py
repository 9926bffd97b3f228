"""What a run folder says of itself besides its results: its spec and its journal."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dwlt import _core
from dwlt.errors import LedgerError
from dwlt.runs import layout

if TYPE_CHECKING:
    from dwlt.spec import StageSpec


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
        raise LedgerError(
            f"{folder / layout.SPEC} cannot be read: {error}",
            hint="run the command that made the run again; it writes the file anew",
        ) from error


def read_settings(folder: Path, kind: type[StageSpec]) -> StageSpec:
    """A run folder's ``spec.toml`` as the settings of its stage.

    Raises:
        OSError, ValueError: it is not there, or holds no such settings.
    """
    values = tomllib.loads((folder / layout.SPEC).read_text(encoding="utf-8"))
    # TOML has no null, so a setting that is None was left out.
    needed = (name for name, setting in kind.model_fields.items() if setting.is_required())
    return kind.model_validate({**dict.fromkeys(needed), **values})


def steps_on_disk(folder: Path) -> list[tuple[str, str]]:
    """The steps of a run as far as it has come: of a prune run, the rounds that have a result."""
    stage = folder.parent.name
    if stage != "prune":
        return layout.steps(stage)
    found = sorted(folder.glob(f"round-*/{layout.RESULT}"))
    return [(path.parent.name, f"{path.parent.name}/{layout.RESULT}") for path in found]


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
