"""Types that all result models are built of, and what a file's fault is called.

Scalars are strict: a number written as text, or a boolean where a count belongs, is a fault of the
file and is not put right silently.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError, to_jsonable_python

Text = Annotated[str, Strict(), Field(min_length=1)]
Words = Annotated[str, Strict()]
"""Text that may be empty."""
Count = Annotated[int, Strict(), Field(ge=0)]
Positive = Annotated[int, Strict(), Field(ge=1)]
Integer = Annotated[int, Strict()]
Truth = Annotated[bool, Strict()]
Share = Annotated[float, Strict(), Field(ge=0, le=1, allow_inf_nan=False)]
Amount = Annotated[float, Strict(), Field(ge=0, allow_inf_nan=False)]
Bit = Annotated[int, Strict(), Field(ge=0, le=1)]

NARROW = ConfigDict(extra="ignore")
"""Of values inside a result: keys of later versions are passed over."""


class Frozen(BaseModel):
    """Base of what is a JSON object of its own; later versions may add keys, which are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


def jsonable(value: object) -> Any:
    """A value of these models as a result file holds it."""
    return to_jsonable_python(value, by_alias=True)


def fault(text: str) -> PydanticCustomError:
    """What a check raises about a value as a whole; the key is put before it."""
    return PydanticCustomError("dwlt", "{text}", {"text": text})


def out_of_range(key: str, value: object) -> PydanticCustomError:
    """A count that contradicts another one beside it."""
    return PydanticCustomError("dwlt-range", "{key}", {"key": key, "value": value})


def explain(error: ValidationError) -> str:
    """The first fault of a result file in one line that begins with the dotted key."""
    first = error.errors(include_url=False)[0]
    key = dotted(first["loc"])
    kind = first["type"]
    if kind == "dwlt":
        return f"{key}: {first['ctx']['text']}" if key else str(first["ctx"]["text"])
    if kind == "dwlt-range":
        name = first["ctx"]["key"]
        return (f"{key}.{name}" if key else str(name)) + _range(first["ctx"]["value"])
    return f"{key or 'the file'}{_WORDS.get(kind, _plain)(first)}"


def dotted(location: tuple[int | str, ...]) -> str:
    """A key as one would write it: ``layers[0].kept``."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _plain(error: ErrorDetails) -> str:
    return f" {error['msg'][0].lower()}{error['msg'][1:]}"


def _range(value: object) -> str:
    return f" = {value} is out of range"


def _says(text: str) -> Any:
    return lambda error: f" {text}"


_WORDS: dict[str, Any] = {
    "missing": _says("is missing"),
    **dict.fromkeys(("string_type", "string_too_short"), _says("is not a text")),
    **dict.fromkeys(("int_type", "int_from_float", "int_parsing"), _says("is not a whole number")),
    **dict.fromkeys(("float_type", "float_parsing"), _says("is not a number")),
    "bool_type": _says("is not true or false"),
    **dict.fromkeys(("tuple_type", "list_type"), _says("is not a list")),
    **dict.fromkeys(
        ("model_type", "model_attributes_type", "dict_type", "mapping_type", "dataclass_type"),
        _says("is not a JSON object"),
    ),
    **dict.fromkeys(
        (
            *("greater_than_equal", "greater_than", "less_than_equal", "less_than"),
            *("finite_number", "int_parsing_size"),
        ),
        lambda error: _range(error["input"]),
    ),
}
"""What is said of pydantic's kinds of fault; others are said in its own words."""
