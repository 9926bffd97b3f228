"""Tables, CSV and JSON: what users read and what their scripts keep."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from dwlt.report import assess, collect, plain_tables
from dwlt.report.export import csv_files, json_text
from dwlt.report.verdicts import percent, seeds_text
from tests.report.make import PAPER, Maker

GOLDEN = Path(__file__).parent / "golden.csv"


def test_the_csv_is_pinned(make: Maker) -> None:
    """Three networks by hand: a dense one, a win, and one whose robust half is missing."""
    make.network(0, ([88, 90, 92], [20] * 3, [85] * 3, [50] * 3), seeds=3)
    make.network(6, ([87, 88, 89], [20] * 3, [85] * 3, [50] * 3), seeds=3)
    make.cell(10, "standard", 80, 5)
    found = csv_files(assess(collect(make.root), settings=PAPER))["report.csv"]
    assert found == GOLDEN.read_text(encoding="utf-8")


def test_a_hostile_name_stays_in_its_field(make: Maker) -> None:
    name = 'a,"b"\n=1+1'
    make.cell(6, "standard", 80, 5, pretrain={"id": "x", "name": name, "regime": "standard"})
    text = csv_files(assess(collect(make.root), settings=PAPER))["report.csv"]
    (line,) = csv.DictReader(text.splitlines(keepends=True))
    assert line["pretrain_name"] == name


def test_plain_tables(make: Maker) -> None:
    make.network(0, ([88, 90, 92], [20] * 3, [85] * 3, [50] * 3), seeds=3)
    make.network(6, ([87, 88, 89], [20] * 3, [85] * 3, [50] * 3), seeds=3)
    make.cell(10, "standard", 80, 5)
    head, group = plain_tables(assess(collect(make.root), settings=PAPER))
    columns = ("pre-training", "task", "tested", "estimated", "paper's rule", "one checkpoint")
    assert head.head == columns
    assert head.rows == (("adversarial", "digits:5-9", "none", "–", "73.80%", "73.80%"),)
    assert head.note == "RA: pgd-20 linf 8/255, n = 100 test images, 3 seeds"
    assert [(*row[:2], *row[-2:]) for row in group.rows] == [
        ("0.00%", "dense", "0", "1,000"),
        ("to match", "", "", ""),
        ("73.80%", "double-win", "6", "262"),
        ("89.30%", "incomplete", "10", "107"),
    ]
    assert group.rows[0][2] == "90.00 ± 2.00"
    assert group.rows[1][2] == "≥ 88.00"
    assert group.rows[2][2] == "88.00 ± 1.00 ✓"
    assert group.rows[3][2:6] == ("80.00 ± 4.00 ?", "5.00 ± 2.18 ✗", "–", "–")
    assert group.rows[3][7] == "1 / 0"
    assert group.optional == ("Weakest number", "kept", "Seeds", "Round")
    assert {len(row) for row in group.rows} == {len(group.head)}


def test_the_share_of_all_parameters_stands_beside_that_of_the_prunable_ones(make: Maker) -> None:
    make.network(0, ([90], [20], [85], [50]), parameters=1600)
    make.network(6, ([90], [20], [85], [50]), parameters=1600)
    report = assess(collect(make.root), settings=PAPER)
    (group,) = json.loads(json_text(report))["groups"]
    # 262 of 1000 prunable weights, and all 600 others.
    assert (group["tickets"][0]["parameters"], group["tickets"][0]["kept_of_all"]) == (
        1600,
        0.53875,
    )
    table = plain_tables(report)[1]
    assert [row[-1] for row in table.rows] == ["100.00%", "", "53.87%"]


def test_no_groups_no_tables(make: Maker) -> None:
    assert plain_tables(assess(collect(make.root), settings=PAPER)) == []


def test_json_says_it_all(study: Maker) -> None:
    study.write("transfer/digits-00000001/spec.toml", "")
    value = json.loads(json_text(assess(collect(study.root), settings=PAPER)))
    assert (value["format"], value["version"]) == ("dwlt-report", 3)
    (group,) = value["groups"]
    assert group["extreme_sparsity"] == {
        "round": 10,
        "kept": 107,
        "total": 1000,
        "sparsity": "89.30%",
    }
    verdicts = {t["round"]: t["verdict"] for t in group["tickets"]}
    assert verdicts == {
        1: "incomplete",
        3: "double-win",
        6: "double-win",
        10: "double-win",
        15: "undecided",
        20: "not",
    }
    ticket = next(t for t in group["tickets"] if t["round"] == 10)
    assert ticket["numbers"]["standard_sa"]["correct"] == [93, 94, 95]
    assert ticket["numbers"]["standard_sa"]["n"] == 100
    assert value["unfinished"][0]["folder"] == "transfer/digits-00000001"
    assert len(value["prune"]) == 7


def test_json_keys_are_pinned(study: Maker) -> None:
    """Scripts read these; a change is a new version."""
    value = json.loads(json_text(assess(collect(study.root), settings=PAPER)))
    assert sorted(value) == [
        *("controls", "data_efficiency", "evaluate", "flags", "format", "frontier"),
        *("groups", "headline", "mask_overlaps", "pretrain", "prune", "settings", "summary"),
        *("unfinished", "variance", "verified", "version", "warnings"),
    ]
    (group,) = value["groups"]
    assert sorted(group) == [
        *("attack", "dense", "environments", "estimated", "extreme_sparsity", "floors"),
        *("fraction", "group", "one_checkpoint_extreme_sparsity", "pretrain", "prune", "rule"),
        *("runs", "slug", "task", "tested", "tickets", "views"),
    ]
    search = ["criterion", "id", "method", "name", "of", "regime", "rewind", "scope", "task"]
    assert sorted(group["prune"]) == search
    assert sorted(group["dense"]) == ["numbers", "one_checkpoint", "seeds", "total"]
    numbers = ["adversarial_ra", "adversarial_sa", "standard_ra", "standard_sa"]
    assert sorted(group["dense"]["numbers"]) == numbers
    level = ["correct", "mean", "n", "seeds", "spread"]
    assert sorted(group["dense"]["numbers"]["standard_sa"]) == sorted([*level, "needed"])
    ticket = group["tickets"][0]
    assert sorted(ticket) == [
        *("counted", "kept", "kept_of_all", "layers", "margin", "missing", "numbers"),
        *(
            "one_checkpoint",
            "paper",
            "parameters",
            "round",
            "seeds",
            "sparsity",
            "total",
            "verdict",
        ),
    ]
    assert sorted(ticket["one_checkpoint"]) == ["numbers", "verdict"]
    assert sorted(ticket["numbers"]) == numbers
    assert sorted(ticket["numbers"]["standard_sa"]) == sorted(
        [*level, "error", "gap", "match", "needed"]
    )
    assert sorted(ticket["margin"]["numbers"]["standard_sa"]) == [
        *("basis", "difference", "high", "low", "margin", "match", "p", "standard_error"),
    ]
    assert sorted(value["prune"][0]) == [
        *("kept", "layers", "mask", "method", "regime", "round", "run", "total")
    ]
    assert sorted(value["pretrain"][0]) == ["regime", "run", "seed", "task", "test"]
    assert sorted(value["flags"][0]) == ["code", "severity", "text", "values", "where"]


def test_json_names_each_environment_of_a_group_once(make: Maker) -> None:
    here, there = {"torch": "2.15.0", "cpu": "A"}, {"torch": "2.14.1", "cpu": "A"}
    make.network(0, ([90], [20], [85], [50]), environment=here)
    make.network(6, ([90], [20], [85], [50]), environment=there)
    (group,) = json.loads(json_text(assess(collect(make.root), settings=PAPER)))["groups"]
    assert group["environments"] == [there, here]


def test_no_win_is_null(make: Maker) -> None:
    make.network(0, ([90], [20], [85], [50]))
    value = json.loads(json_text(assess(collect(make.root), settings=PAPER)))
    assert value["groups"][0]["extreme_sparsity"] is None


@pytest.mark.parametrize(("counts", "text"), [((3, 3), "3"), ((3, 2), "3 / 2"), ((0, 1), "0 / 1")])
def test_seeds_text(counts: tuple[int, ...], text: str) -> None:
    assert seeds_text(counts) == text


def test_a_dash_for_what_was_not_measured() -> None:
    assert percent(None) == "–"
