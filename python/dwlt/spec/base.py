"""What every spec shares: it is immutable, refuses unknown keys, and knows what names a run."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from dwlt.units import Eps, parse_fraction


class Spec(BaseModel):
    """Base of all specs: frozen, strict about keys, defaults validated like given values."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


def label(default: Any) -> Any:
    """A field that describes a run without naming it: changing it does not make another run."""
    return Field(default=default, json_schema_extra={"identity": False})


def identity_values(spec: Spec) -> dict[str, Any]:
    """The values that name a run: required fields, and those that differ from their default.

    A field added later with a default leaves every existing run's id as it was; that is why
    defaults are left out, and why a default must never change its meaning.

    Returns:
        A JSON-ready mapping, nested like the spec.
    """
    values: dict[str, Any] = {}
    dumped = spec.model_dump(mode="json")
    for name, info in type(spec).model_fields.items():
        extra = info.json_schema_extra
        if isinstance(extra, dict) and extra.get("identity") is False:
            continue
        value = getattr(spec, name)
        if not info.is_required() and _by_value(value) == _by_value(
            info.get_default(call_default_factory=True)
        ):
            continue
        if isinstance(value, Spec):
            values[name] = identity_values(value)
        elif _holds_radius(value):
            values[name] = _by_value(value)
        else:
            values[name] = dumped[name]
    return values


def _by_value(value: Any) -> Any:
    """The value with every radius in it in lowest terms, down to any depth.

    3/16, 6/32 and 0.1875 are one radius, however it was written, and so are two attacks that
    differ in the spelling of theirs.
    """
    if isinstance(value, Spec):
        return {name: _by_value(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, Eps):
        return str(parse_fraction(value))
    if isinstance(value, tuple):
        return [_by_value(one) for one in value]
    return value


def _holds_radius(value: Any) -> bool:
    if isinstance(value, tuple):
        return any(_holds_radius(one) for one in value)
    return isinstance(value, Eps)
