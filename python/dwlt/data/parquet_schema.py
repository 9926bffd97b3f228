"""Which columns of a Parquet file hold image and label, and what the classes are called."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dwlt.data import names as naming
from dwlt.errors import DataError
from dwlt.sniff import HEAD, kind_of

_LABELS = ("label", "labels", "fine_label", "target")
_IMAGES = ("image", "img")


@dataclass(frozen=True)
class Columns:
    """The columns in use.

    Attributes:
        classes: class names; empty where the metadata names none.
        kind: of the labels: "integers", "booleans" or "text".
        first: the file that decided.
    """

    image: str
    label: str
    classes: tuple[str, ...]
    kind: str
    first: Path

    def check_same(self, path: Path) -> None:
        """Refuse a file of the set that lacks a column, holds other types or other classes."""
        schema = read_schema(path)
        image, label = (_field(schema, name, path) for name in (self.image, self.label))
        kind = label_kind(label.type)
        if kind != self.kind:
            raise DataError(
                f"{path}: column {self.label!r} holds {label.type}, where {self.first} holds "
                f"{self.kind}",
                hint="write the labels of all files as one type",
            )
        if not _holds_images(image.type):
            raise DataError(
                f"{path}: column {self.image!r} holds {image.type}, where {self.first} holds "
                "images",
                hint="write the images of all files as struct<bytes, path> or binary",
            )
        classes = _class_names(_features(schema, path), self.label)
        if classes and self.classes and not _same_names(classes, self.classes):
            raise DataError(
                f"{path}: its class names differ from the first training file's",
                hint="keep files of different data sets in different folders",
            )


def read_columns(path: Path, label: str | None) -> Columns:
    """Choose the columns of the first training file.

    Args:
        label: the label column that was asked for, or None to look for one: label, labels,
            fine_label, target, else the only column whose metadata has class names.

    Raises:
        DataError: there is no such column, or more than one could be meant.
    """
    schema = read_schema(path)
    features = _features(schema, path)
    if label is None:
        named = [name for name in schema.names if _class_names(features, name)]
        label = next((name for name in _LABELS if name in schema.names), None)
        if label is None and len(named) == 1:
            label = named[0]
        if label is None:
            raise DataError(
                f"{path}: no label column among {', '.join(schema.names)}",
                hint="name it after the folder: parquet:DIR#COLUMN",
            )
    type_ = _field(schema, label, path).type
    kind = label_kind(type_)
    if kind is None:
        raise DataError(
            f"{path}: column {label!r} holds {type_}, not class labels",
            hint="labels are integers, booleans or text; name another column after the folder: "
            "parquet:DIR#COLUMN",
        )
    return Columns(_image_column(schema, path), label, _class_names(features, label), kind, path)


def read_schema(path: Path) -> pa.Schema:
    """A file's schema.

    Raises:
        DataError: it is no Parquet file, or a damaged one.
    """
    return open_file(path).schema_arrow


def count_rows(path: Path) -> int:
    """A file's number of rows.

    Raises:
        DataError: it is no Parquet file, or a damaged one.
    """
    return int(open_file(path).metadata.num_rows)


def open_file(path: Path) -> pq.ParquetFile:
    """A Parquet file, opened.

    Raises:
        DataError: it is none, or a damaged one.
    """
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        head = b""
        with contextlib.suppress(OSError), path.open("rb") as file:
            head = file.read(HEAD)
        # What begins as a Parquet file does is a damaged one, and the error says how.
        reason = (None if head.startswith(b"PAR1") else kind_of(head)) or str(error)
        raise DataError(
            f"{path}: not a readable Parquet file ({reason})", hint="download the file anew"
        ) from error


def label_kind(kind: pa.DataType) -> str | None:
    """What labels of an Arrow type are: "integers", "booleans" or "text"; None: no labels."""
    kind = plain_type(kind)
    if pa.types.is_integer(kind):
        return "integers"
    if pa.types.is_boolean(kind):
        return "booleans"
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    return "text" if text or pa.types.is_string_view(kind) else None


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type of the values behind an extension type or a dictionary (pandas' categories)."""
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _same_names(some: tuple[str, ...], others: tuple[str, ...]) -> bool:
    return tuple(map(naming.key, some)) == tuple(map(naming.key, others))


def _field(schema: pa.Schema, name: str, path: Path) -> pa.Field:
    if name not in schema.names:
        raise DataError(
            f"{path}: no column {name!r} among {', '.join(schema.names)}",
            hint="name the label column after the folder: parquet:DIR#COLUMN",
        )
    if schema.names.count(name) > 1:
        raise DataError(f"{path}: two columns are called {name!r}", hint="rename one of them")
    return schema.field(name)


def _image_column(schema: pa.Schema, path: Path) -> str:
    fits = [field.name for field in schema if _holds_images(field.type)]
    chosen = next((name for name in _IMAGES if name in fits), fits[0] if len(fits) == 1 else None)
    if chosen is None:
        raise DataError(
            f"{path}: no image column among {', '.join(schema.names)}",
            hint="it has to be called `image` and hold struct<bytes, path> or binary",
        )
    return chosen


def _holds_images(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return bool(kind.get_field_index("bytes") >= 0)
    binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    return bool(binary or pa.types.is_binary_view(kind))


def _features(schema: pa.Schema, path: Path) -> dict[str, Any]:
    text = (schema.metadata or {}).get(b"huggingface")
    if text is None:
        return {}
    try:
        features = json.loads(text)["info"]["features"]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: its `huggingface` metadata is not as expected",
            hint="write the file anew with the `datasets` library, or drop that metadata",
        ) from error
    return features if isinstance(features, dict) else {}


def _class_names(features: dict[str, Any], column: str) -> tuple[str, ...]:
    feature = features.get(column)
    names = feature.get("names") if isinstance(feature, dict) else None
    if isinstance(names, dict):  # some writers number them
        numbered = all(str(key).isdecimal() for key in names)
        names = [names[key] for key in sorted(names, key=int if numbered else None)]
    return tuple(str(name) for name in names) if names else ()
