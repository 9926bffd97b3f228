"""Tables as data: tidy rows under named columns, and one renderer each for CSV, JSON and text.

A table is made once. A cell holds what a reader sees (``text``, a mark, small print) and what a
program gets (``value``). The fourth renderer, HTML, is the macro ``table`` in ``macros.html``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

Value = Any
"""What JSON can hold: None, text, whole numbers, shares in [0, 1], lists and mappings of them."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One cell.

    Attributes:
        text: what a reader sees.
        value: what a program gets. A mapping fills several CSV columns, see ``Column.parts``.
        mark: a sign behind the text, such as a check mark.
        state: a class of the stylesheet that colours the cell's mark, badge or small print.
        note: the mark in words, for screen readers and on hover.
        small: lines in small print below the text; on the page alone.
        link: the anchor on the page that the text leads to.
        badge: whether the text is shown as a coloured badge.
        heat: a share in [0, 1] that shades the cell.
    """

    text: str
    value: Value = None
    mark: str = ""
    state: str = ""
    note: str = ""
    small: tuple[str, ...] = ()
    link: str = ""
    badge: bool = False
    heat: float | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        key: its name for programs. Dots nest in JSON and become underscores in CSV, where the
            word "numbers" is left out: "one_checkpoint.numbers.standard_sa" is
            "one_checkpoint_standard_sa".
        title: its head for readers; "" where only programs get it.
        short: the head in a terminal, where the title is too long for one.
        over: a head that spans neighbours with the same one; on the page alone.
        over_look: a class of the stylesheet for that head.
        look: a class of the stylesheet for its cells and head.
        left: whether it is text, aligned to the left.
        first: whether it names the row.
        parts: of a cell whose value is a mapping, the keys that have a CSV column each.
        csv, json: whether programs get it in these files.
        drop: order in which a narrow terminal leaves columns out; 0 for never.
        page: whether the page shows it too.
    """

    key: str
    title: str = ""
    short: str = ""
    over: str = ""
    over_look: str = ""
    look: str = ""
    left: bool = False
    first: bool = False
    parts: tuple[str, ...] = ()
    csv: bool = True
    json: bool = True
    drop: int = 0
    page: bool = True


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of a row by column key (a missing one is empty), and its look on the page."""

    cells: Mapping[str, Value]
    look: str = ""

    def cell(self, key: str) -> Entry:
        """A cell for display; a plain value gets its text."""
        found = self.cells.get(key)
        return found if isinstance(found, Entry) else Entry(text_of(found), found)

    def value(self, key: str) -> Value:
        """What programs get of a cell."""
        found = self.cells.get(key)
        return found.value if isinstance(found, Entry) else found


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under columns.

    Attributes:
        key: its name for programs, and as a file.
        title: what it is called.
        caption: what a reader of the page must know.
        note: what a reader of the terminal must know besides.
    """

    key: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    caption: str = ""
    note: str = ""
    look: str = ""

    @property
    def on_page(self) -> list[Column]:
        """The columns that the page shows."""
        return [column for column in self.columns if column.title and column.page]

    @property
    def spans(self) -> list[tuple[str, str, list[Column]]]:
        """Heads that span several columns: text, look, and the columns; "" spans none."""
        found = groupby(self.on_page, lambda column: column.over)
        listed = [(over, list(columns)) for over, columns in found]
        return [(over, columns[0].over_look, columns) for over, columns in listed]

    def beside(self, columns: Iterable[Column], cells: Mapping[str, Value]) -> Table:
        """The same table with more columns in front, which hold the same in every row."""
        rows = tuple(Row({**cells, **row.cells}, row.look) for row in self.rows)
        return replace(self, columns=(*columns, *self.columns), rows=rows)


def text_of(value: Value) -> str:
    """A plain value for a reader: "–" for nothing, 1,234 for a count."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(text_of, value)) or "none"
    return str(value)


@dataclass(frozen=True, slots=True)
class PlainTable:
    """A table of text for a terminal or any other display.

    Attributes:
        left: so many columns from the first are text, the others numbers.
        optional: heads of columns that may be left out for want of room, in that order.
    """

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: int
    optional: tuple[str, ...]
    note: str


def plain(table: Table) -> PlainTable:
    """The text of a table: what readers see, with marks and without small print."""
    columns = [column for column in table.columns if column.title]
    left = next((n for n, column in enumerate(columns) if not column.left), len(columns))
    droppable = sorted((c for c in columns if c.drop), key=lambda column: column.drop)
    rows = tuple(tuple(_plain_cell(row.cell(c.key)) for c in columns) for row in table.rows)
    return PlainTable(
        table.title,
        tuple(column.short or column.title for column in columns),
        rows,
        left,
        tuple(column.short or column.title for column in droppable),
        table.note,
    )


def _plain_cell(cell: Entry) -> str:
    return f"{cell.text} {cell.mark}" if cell.mark else cell.text


def to_json(table: Table) -> list[dict[str, Value]]:
    """The rows as objects for programs."""
    return [nested(table, row) for row in table.rows]


def nested(table: Table, row: Row) -> dict[str, Value]:
    """One row as an object; dots in the columns' keys nest."""
    found: dict[str, Value] = {}
    for column in table.columns:
        if column.json:
            *above, last = column.key.split(".")
            place = found
            for name in above:
                place = place.setdefault(name, {})
            place[last] = row.value(column.key)
    return found


def to_csv(tables: Sequence[Table]) -> str:
    """Tables with the same columns as one CSV text: shares with six decimals, no empty words."""
    columns = [column for column in tables[0].columns if column.csv]
    head = [name for column in columns for name in _names(column)]
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(head)
    for table in tables:
        for row in table.rows:
            writer.writerow([text for column in columns for text in _fields(column, row)])
    return target.getvalue()


def _names(column: Column) -> list[str]:
    words = [word for word in column.key.split(".") if word != "numbers"]
    name = "_".join(words)
    return [f"{name}_{part}" for part in column.parts] if column.parts else [name]


def _fields(column: Column, row: Row) -> list[str]:
    value = row.value(column.key)
    if not column.parts:
        return [_field(value)]
    found = value or {}
    return [_field(found.get(part)) for part in column.parts]


def _field(value: Value) -> str:
    """One CSV field. Zero has no sign."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{round(value, 6) + 0.0:.6f}"
    if isinstance(value, (list, tuple)):
        return "; ".join(map(str, value))
    return str(value)
