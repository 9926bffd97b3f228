"""One table of settings laid over another."""

from __future__ import annotations

from typing import Any


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """``base`` with the values of ``over``; tables that both have are merged in turn."""
    found = dict(base)
    for key, value in over.items():
        old = found.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        found[key] = merged(old, value) if both else value  # type: ignore[arg-type]
    return found
