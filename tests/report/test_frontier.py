"""Searches for the frontier in the report: path, decisions, epochs, and the headline."""

from __future__ import annotations

import csv
import json
from typing import Any

import pytest
from benchmarks import record

from dwlt.report import Report, assess, collect, plain_tables, summary
from dwlt.report.export import csv_files, json_text
from dwlt.report.page import render
from dwlt.report.table import Entry
from tests.report.make import ATTACK, KEPT, PAPER, TOTAL, Maker, id8
from tests.report.test_verified import WIN, verified


def search(make: Maker, extreme: int | None, *, seeds: int = 3, **over: Any) -> None:
    """A search that probed round 6 with one seed and then confirmed it, or did not."""
    run_id = id8("frontier", extreme, seeds)
    ref = {"name": "digits", "regime": "adversarial"}
    ref["id"] = id8("pretrain", "digits", "adversarial")
    prune = {**ref, "id": id8("prune", "digits", "imp"), "method": "imp"}

    def step(number: int, phase: str, wanted: list[int]) -> dict[str, Any]:
        runs = [f"digits-{number}{phase}{seed}" for seed in wanted]
        return {
            "round": number,
            "regime": "standard",
            "seeds": wanted,
            "phase": phase,
            "reason": "to see",
            "runs": runs,
        }

    value = make.common("frontier", "digits", run_id) | {
        "weights": "b3:adversarial",
        "pretrain": ref,
        "prune": prune,
        "fraction": 1.0,
        "declared": [3, 6],
        "extreme": extreme,
        "kept": None if extreme is None else KEPT[extreme],
        "total": None if extreme is None else TOTAL,
        "confidence": 0.95,
        "reason": "no round was confirmed" if extreme is None else "round 6 is confirmed",
        "attack": ATTACK,
        "path": [
            step(0, "locate", [0]),
            step(6, "locate", [0]),
            step(0, "confirm", list(range(1, seeds + 1))),
            step(6, "confirm", list(range(1, seeds + 1))),
        ],
        "probes": [{"round": 6, "promising": True, "worst": 0.25}],
        "attempts": [
            {
                "round": 6,
                "seeds": seeds,
                "confidence": 0.98,
                "decision": "short" if extreme is None else "matches",
            }
        ],
        "spent": {"pretrain": 10, "prune": 60, "transfer": 130},
        "full": {"pretrain": 10, "prune": 60, "transfer": 930},
    }
    make.write(f"frontier/digits-{run_id}/result.json", value | over)


def report_of(make: Maker) -> Report:
    data = collect(make.root)
    assert data.warnings == ()
    return assess(data)


def test_path_decisions_and_epochs(make: Maker) -> None:
    search(make, 6)
    report = report_of(make)
    (table,) = [t for t in plain_tables(report) if t.title == "Searches for the frontier"]
    (row,) = table.rows
    shown = dict(zip(table.head, row, strict=True))
    assert shown["extreme"] == "≥ 73.80%"
    assert shown["Rounds asked for"] == "locate 0, 6; confirm 0, 6"
    assert shown["Decided"] == "round 6 with 3 seeds: matches"
    assert (shown["epochs"], shown["Full grid"], shown["Fewer"]) == ("200", "1,000", "5.0 x")
    assert shown["Transfers"] == "8"
    (line,) = csv.DictReader(csv_files(report)["frontier.csv"].splitlines())
    assert (line["spent_transfer"], line["full_total"], line["round"]) == ("130", "1000", "6")
    (value,) = json.loads(json_text(report))["frontier"]
    assert [step["phase"] for step in value["path"]] == ["locate"] * 2 + ["confirm"] * 2
    assert value["attempts"][0]["decision"] == "matches"
    assert "Searches for the frontier" in render(report)


def test_a_search_that_confirmed_nothing_says_why(make: Maker) -> None:
    search(make, None)
    report = report_of(make)
    (line,) = csv.DictReader(csv_files(report)["frontier.csv"].splitlines())
    assert (line["sparsity"], line["reason"]) == ("", "no round was confirmed")
    assert "no round was confirmed" in render(report)


def test_without_a_search_there_is_no_table(make: Maker) -> None:
    report = report_of(make)
    assert report.frontiers.rows == ()
    assert "frontier.csv" not in csv_files(report)
    assert json.loads(json_text(report))["frontier"] == []


@pytest.fixture
def hunted(make: Maker) -> Maker:
    """Transfers of a search: round 3 is lacking, round 6 has more seeds than were compared."""
    make.network(0, [row * 4 for row in WIN], seeds=4)
    make.network(6, [row * 4 for row in WIN], seeds=4)
    make.network(10, WIN)
    search(make, 6)
    return make


def test_what_a_search_confirmed_is_the_headline(hunted: Maker) -> None:
    found = summary(report_of(hunted))
    assert "extreme sparsity under PGD-20 is at least 73.80%, 95% confidence" in found.found
    assert "by `dwlt frontier`" in found.found
    assert found.command == "dwlt verify", "rounds that the search left out are not missing"


def test_where_the_grid_decides_nothing_the_headline_shows_the_search(make: Maker) -> None:
    """One seed each, as a search leaves most of its rounds, is too few for the verdict."""
    make.network(0, WIN)
    make.network(6, WIN)
    search(make, 6)
    report = report_of(make)
    (row,) = report.headline.rows
    cell = row.cells["extreme"]
    assert isinstance(cell, Entry)
    assert cell.text == "≥ 73.80%"
    assert cell.small == ("round 6", "95% confidence, by dwlt frontier")
    # For programs the key is the verdict of the grid, as it was.
    assert cell.value is None


def test_as_many_seeds_as_the_last_look_compared_verify_it(hunted: Maker) -> None:
    verified(hunted, 0, 40)
    verified(hunted, 6, 40)
    for path in hunted.root.glob("evaluate/*/result.json"):
        value = json.loads(path.read_bytes())
        checkpoint = hunted.root / value["model"].split("/", 1)[1]
        if json.loads(checkpoint.with_name("result.json").read_bytes())["seed"] == 0:
            path.unlink()
            path.parent.rmdir()
    report = report_of(hunted)
    (one,) = report.verified.values()
    assert one.confidence == 0.98
    (ticket,) = one.after.tickets
    assert {len(m.seeds) for m in ticket.ticket.numbers.values()} == {3}
    assert one.decided is not None
    assert one.decided.round == 6


def test_another_task_is_another_search(hunted: Maker) -> None:
    task = hunted.common("frontier", "x", "y")["task"] | {"name": "other"}
    search(hunted, None, seeds=5, task=task)
    report = assess(collect(hunted.root), settings=PAPER)
    (found,) = report.searches.values()
    assert found.extreme == 6


def test_a_search_enters_the_committed_record(hunted: Maker) -> None:
    value = json.loads(json_text(report_of(hunted)))
    found = record.condense(hunted.root, value)
    assert found["seconds"] == {
        "frontier": 12.5,
        "transfer/adversarial": 9 * 12.5,
        "transfer/standard": 9 * 12.5,
    }
    assert sorted(found["specs"]) == ["frontier", "transfer/adversarial", "transfer/standard"]
    assert found["frontier"][0]["full"]["total"] == 1000
