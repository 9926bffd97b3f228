"""A failed validation in dwlt's own words."""

from __future__ import annotations

from typing import get_args

from pydantic import BaseModel, ValidationError

from dwlt.errors import SpecError, did_you_mean


def explain(error: ValidationError, where: str, kind: type[BaseModel]) -> SpecError:
    """The first fault of a validation, with its place and the nearest key that exists.

    Args:
        where: what is in front of the key, e.g. the config's name or "prune.train".
        kind: the model that was validated; its keys, and those below it, are candidates.
    """
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        wrong = str(first["loc"][-1])
        hint = did_you_mean(wrong, _known_keys(kind)).strip() or None
        return SpecError(f"{where}: unknown key {place!r}", hint=hint)
    if first["type"] == "missing":
        return SpecError(f"{where}: {place!r} is missing")
    reason = first["msg"].removeprefix("Value error, ")
    value = "" if isinstance(first["input"], (dict, BaseModel)) else f" (got {first['input']!r})"
    at = f"{place}: " if place else ""
    return SpecError(f"{where}: {at}{reason}{value}")


def _known_keys(kind: type[BaseModel]) -> list[str]:
    keys = set(kind.model_fields)
    for info in kind.model_fields.values():
        for nested in (info.annotation, *get_args(info.annotation)):
            if isinstance(nested, type) and issubclass(nested, BaseModel):
                keys.update(_known_keys(nested))
    return sorted(keys)
