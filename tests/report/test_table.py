"""Tables as data, and what each renderer makes of them."""

from __future__ import annotations

from dwlt.report.table import Column, Entry, Row, Table, plain, text_of, to_csv, to_json

COLUMNS = (
    Column("id"),
    Column("name", "Name", left=True, first=True),
    Column("numbers.sa", "SA", short="sa", parts=("mean", "n")),
    Column("files", csv=False),
    Column("extra", "Extra", drop=1, csv=False, json=False),
)
ROWS = (
    Row(
        {
            "id": 7,
            "name": 'a,"b"',
            "numbers.sa": Entry("90.00", {"mean": -1e-9, "n": 100, "other": 1}, mark="✓"),
            "files": ["x", "y"],
            "extra": 1234,
        },
        "dense",
    ),
    Row({"id": 8}),
)
TABLE = Table("t", "T", COLUMNS, ROWS, note="n")


def test_csv_has_parts_in_columns_and_quotes_what_must_be() -> None:
    assert to_csv([TABLE]) == ('id,name,sa_mean,sa_n\n7,"a,""b""",0.000000,100\n8,,,\n')


def test_json_nests_and_keeps_values_whole() -> None:
    first, second = to_json(TABLE)
    assert first == {
        "id": 7,
        "name": 'a,"b"',
        "numbers": {"sa": {"mean": -1e-9, "n": 100, "other": 1}},
        "files": ["x", "y"],
    }
    assert second == {"id": 8, "name": None, "numbers": {"sa": None}, "files": None}


def test_text_has_titled_columns_with_marks() -> None:
    shown = plain(TABLE)
    assert shown.head == ("Name", "sa", "Extra")
    assert shown.rows == (('a,"b"', "90.00 ✓", "1,234"), ("–", "–", "–"))
    assert (shown.left, shown.optional, shown.note) == (1, ("Extra",), "n")


def test_columns_in_front_hold_the_same_in_every_row() -> None:
    wide = TABLE.beside((Column("task"),), {"task": "digits"})
    assert to_csv([wide]).splitlines()[2] == "digits,8,,,"
    assert wide.rows[0].look == "dense"


def test_plain_values_have_their_text() -> None:
    found = [text_of(v) for v in (None, True, False, 12345, 0.25, ("a", 1), (), "x")]
    assert found == ["–", "yes", "no", "12,345", "0.25", "a, 1", "none", "x"]
