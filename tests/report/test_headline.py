"""The headline: rows are pre-trainings, columns tasks, and nothing is named more than needed."""

from __future__ import annotations

import csv
import json
from typing import Any

from dwlt.report import PlainTable, Report, assess, collect, plain_tables
from dwlt.report.export import csv_files, json_text
from dwlt.report.headline import undecided_beyond
from dwlt.report.page import render
from dwlt.results import RunRef, SearchRef
from dwlt.results.names import method_names, pretrain_names, search_names
from tests.report.make import PAPER, Maker, id8

WIN = ([90], [20], [85], [50])


def report_of(make: Maker) -> Report:
    return assess(collect(make.root), settings=PAPER)


def shown(make: Maker) -> PlainTable:
    return plain_tables(report_of(make))[0]


def rows(make: Maker, *heads: str) -> list[tuple[str, ...]]:
    """Some columns of the headline, without those that say what a row is not about here."""
    table = shown(make)
    wanted = heads or ("pre-training", "paper's rule")
    at = [table.head.index(head) for head in wanted]
    return [tuple(row[place] for place in at) for row in table.rows]


def pretrained(regime: str, name: str = "digits") -> dict[str, str]:
    return {"id": id8("pretrain", name, regime), "name": name, "regime": regime}


def found_by(
    regime: str, method: str = "imp", *, pretrain: str = "adversarial", **over: object
) -> dict[str, object]:
    run_id = id8("prune", regime, method, pretrain, sorted(over.items()))
    return {"id": run_id, "name": "digits", "method": method, "regime": regime, **over}


def win(make: Maker, number: int = 6, **over: Any) -> None:
    make.network(0, WIN, salt=str(over), **over)
    make.network(number, WIN, salt=str(over), **over)


def test_rows_are_in_the_papers_order(make: Maker) -> None:
    for regime, number in (("adversarial", 10), ("standard", 3), ("given", 1), ("fast", 6)):
        start = pretrained(regime)
        search = found_by("adversarial", pretrain=regime)
        win(make, number, pretrain=start, prune=search, weights=f"b3:{regime}")
    assert rows(make) == [
        ("standard", "48.80%"),
        ("fast", "73.80%"),
        ("adversarial", "89.30%"),
        ("given", "20.00%"),
    ]


def test_several_pretrainings_of_a_regime_are_told_apart_by_name_and_id(make: Maker) -> None:
    for name, number in (("wide", 6), ("deep", 10)):
        search = found_by("adversarial", pretrain=name)
        start = pretrained("fast", name)
        win(make, number, pretrain=start, prune=search, weights=f"b3:{name}")
    assert rows(make) == [
        (f"fast (deep-{id8('pretrain', 'deep', 'fast')})", "89.30%"),
        (f"fast (wide-{id8('pretrain', 'wide', 'fast')})", "73.80%"),
    ]


def test_searches_are_named_where_a_pretraining_has_several(make: Maker) -> None:
    win(make, 6, prune=found_by("standard"))
    win(make, 10, prune=found_by("adversarial"))
    win(make, 3, prune=found_by("adversarial", rewind="none"))
    assert rows(make, "pre-training", "found by", "paper's rule") == [
        ("adversarial", "standard", "73.80%"),
        ("adversarial", "adversarial", "89.30%"),
        ("adversarial", "adversarial, no rewinding", "48.80%"),
    ]


def test_rows_of_a_pretraining_are_tasks_then_falling_fractions(make: Maker) -> None:
    task = make.common("transfer", "x", "y")["task"]
    win(make, 6)
    win(make, 3, fraction=0.1)
    win(make, 10, task=task | {"name": "another"})
    assert rows(make, "task", "paper's rule") == [
        ("another", "89.30%"),
        ("digits:5-9", "73.80%"),
        ("digits:5-9, 10% of data", "48.80%"),
    ]
    assert shown(make).title == "Extreme sparsity under PGD-20"
    assert shown(make).note == "RA: pgd-20 linf 8/255, n = 100 test images, 1 seed"


def test_attacks_and_counts_are_named_where_rows_differ_in_them(make: Maker) -> None:
    win(make, 6)
    win(make, 3, attack="autoattack linf 8/255")
    win(make, 10, n=200)
    assert rows(make, "RA", "n", "paper's rule") == [
        ("AutoAttack", "100", "48.80%"),
        ("PGD-20", "100", "73.80%"),
        ("PGD-20", "200", "89.30%"),
    ]
    assert (shown(make).title, shown(make).note) == ("Extreme sparsity", "1 seed")


def test_seeds_are_a_column_where_they_differ(make: Maker) -> None:
    win(make, 6)
    many = ([90] * 3, [20] * 3, [85] * 3, [50] * 3)
    for number in (0, 10):
        make.network(number, many, seeds=3, fraction=0.1, salt="tenth")
    assert rows(make, "paper's rule", "seeds") == [("73.80%", "1"), ("89.30%", "3")]


def test_a_row_without_a_win_says_why(make: Maker) -> None:
    win(make, 6)
    make.network(0, WIN, fraction=0.1, salt="tenth")
    start = pretrained("fast")
    search = found_by("adversarial", pretrain="fast")
    lost = ([10], [0], [10], [0])
    make.network(0, WIN, pretrain=start, prune=search, weights="b3:f", salt="f")
    make.network(6, lost, pretrain=start, prune=search, weights="b3:f", salt="f")
    assert rows(make, "pre-training", "task", "paper's rule") == [
        ("fast", "digits:5-9", "none"),
        ("adversarial", "digits:5-9", "73.80%"),
        ("adversarial", "digits:5-9, 10% of data", "no ticket yet"),
    ]


def test_controls_are_not_in_the_headline(make: Maker) -> None:
    win(make, 6)
    make.network(10, WIN, method="random")
    assert rows(make) == [("adversarial", "73.80%")]


def test_a_report_of_controls_alone_has_no_headline_and_their_tables(make: Maker) -> None:
    make.network(0, WIN, method="random")
    make.network(10, WIN, method="random")
    tables = plain_tables(report_of(make))
    assert [table.title[:30] for table in tables] == ["adversarial pre-training (digi"]
    assert "No ticket of iterative pruning" in render(report_of(make))


def test_undecided_tickets_beyond_the_extreme_one_are_named(make: Maker) -> None:
    win(make, 6)
    make.network(10, ([86], [20], [85], [50]))
    make.network(15, ([86], [20], [85], [50]))
    make.network(20, ([10], [0], [10], [0]))
    (verdict,) = report_of(make).groups
    assert undecided_beyond(verdict.decides) == "96.50%"
    page = render(report_of(make))
    assert "undecided: 96.50%" in page
    # SA of the best-RA checkpoints is a decoy in these files, and the same everywhere.
    assert rows(make, "one checkpoint") == [("96.50%",)]


def test_the_headline_as_csv_and_json(make: Maker) -> None:
    win(make, 6)
    report = report_of(make)
    (line,) = csv.DictReader(csv_files(report)["headline.csv"].splitlines())
    assert {key: line[key] for key in ("pretrain_regime", "task", "n", "seeds")} == {
        "pretrain_regime": "adversarial",
        "task": "digits:5-9",
        "n": "100",
        "seeds": "1",
    }
    assert (line["extreme_kept"], line["extreme_sparsity"]) == ("262", "73.80%")
    (cell,) = json.loads(json_text(report))["headline"]
    assert cell["extreme_sparsity"]["kept"] == 262
    assert (cell["n"], cell["seeds"], cell["fraction"]) == (100, 1, 1.0)


def test_the_cells_of_the_page_lead_to_their_groups(make: Maker) -> None:
    win(make, 6)
    win(make, 3, fraction=0.1)
    text = render(report_of(make))
    assert text.count('href="#group-') == 2
    for number in (1, 2):
        assert f'id="group-{number}"' in text


def ref(run_id: str, regime: str = "fast", method: str = "imp", **over: Any) -> SearchRef:
    return SearchRef(run_id, "n", regime, method, **over)


def test_names_say_no_more_than_is_needed() -> None:
    assert pretrain_names([RunRef("a", "n", "fast"), RunRef("a", "n", "fast")]) == {"a": "fast"}
    assert search_names([ref("a", task="t"), ref("b", "standard", task="t")]) == {
        "a": "fast",
        "b": "standard",
    }
    assert search_names([ref("a", task="t"), ref("b", task="u", rewind=2)]) == {
        "a": "fast on t",
        "b": "fast on u, rewound to epoch 2",
    }
    assert search_names([ref("a"), ref("b")]) == {"a": "fast (n-a)", "b": "fast (n-b)"}
    assert search_names([ref("a", "none", "random")], method=True) == {"a": "random"}
    assert search_names([ref("a", "none", "random")]) == {"a": "random"}
    assert method_names([ref("a", "none", "random"), ref("b", "none", "random"), ref("c")]) == {
        "a": "random (n-a)",
        "b": "random (n-b)",
        "c": "imp",
    }
