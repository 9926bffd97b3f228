"""Result and spec files as plain values, and the environment that every result names.

Light on purpose: `dwlt runs` and `dwlt report` read run folders through this file alone.
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from dwlt.errors import LedgerError

FORMAT = {"format": "dwlt-result", "version": 1}

REQUIRED = {"stage", "id", "name", "spec", "starts", "task", "environment", "weights"}
"""What every stage's result has."""

_REDO = "put the file back as it was, or remove the run's folder to compute it again"


def to_json(value: Mapping[str, Any]) -> bytes:
    """JSON with sorted keys and a final newline, as all of dwlt's JSON files are."""
    return (json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def read_result(path: Path) -> dict[str, Any] | None:
    """A result file's content, or None where there is none yet.

    Raises:
        LedgerError: the file is there but is not a dwlt result.
    """
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise LedgerError(f"{path} cannot be read as a result: {error}", hint=_REDO) from error
    if not isinstance(value, dict) or value.get("format") != FORMAT["format"]:
        raise LedgerError(f"{path} is not a dwlt result", hint=_REDO)
    missing = REQUIRED - value.keys()
    if missing:
        raise LedgerError(f"{path} lacks {sorted(missing)[0]!r}", hint=_REDO)
    return value


def version() -> str:
    """The installed version of dwlt."""
    return metadata.version("dwlt")


def environment(device: str) -> dict[str, Any]:
    """Versions and machine, for every result file. Asks package metadata, not the packages."""
    return {
        "dwlt": version(),
        "torch": metadata.version("torch"),
        "torchvision": metadata.version("torchvision"),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": cpu_name(),
        "cpus": os.cpu_count(),
        "device": device,
    }


def cpu_name() -> str:
    """The processor's name as the system gives it, or the architecture."""
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def best_checkpoint(kind: str) -> str:
    """The name of a transfer's chosen checkpoint; ``kind`` is "sa" or "ra"."""
    return f"best-{kind}.safetensors"
