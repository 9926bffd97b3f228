"""Variance components in the report: which groups are replicates of one another."""

from __future__ import annotations

import csv
import json

import pytest

from dwlt.report import Report, assess, collect, plain_tables
from dwlt.report.export import csv_files, json_text
from dwlt.report.page import render
from tests.report.make import Maker, id8


def replicate(make: Maker, at: int, *, epochs: int = 15, shared: bool = False) -> None:
    """A whole experiment whose SA is ten points lower in each replicate; two seeds each."""
    name = "digits" if shared else f"digits-{at}"
    seed = 1000 * at
    spec = {"name": name, "seed": seed, "data": {"subset_seed": seed}, "train": {"epochs": epochs}}
    make.pretrain(name, spec=spec)
    ref = {"id": id8("pretrain", name, "adversarial"), "name": name, "regime": "adversarial"}
    make.prune(0, name, spec={"name": name, "seed": seed}, pretrain=ref)
    for number in (0, 6):
        for regime in ("standard", "adversarial"):
            for seed_ in (seed, seed + 1):
                sa = 80 - 10 * at + seed_ % 1000
                make.cell(number, regime, sa, 40, seed=seed_, name=name)


def report_of(make: Maker) -> Report:
    return assess(collect(make.root))


def test_three_replicates_have_components(make: Maker) -> None:
    for at in range(3):
        replicate(make, at)
    report = report_of(make)
    ((_, parts),) = report.components
    sa = parts[0]
    assert (sa.replicates, sa.networks, sa.seeds) == (3, 2, 2)
    # Seeds lie a half from their mean: variance 1/2; replicates ten points from one another.
    assert sa.seed == pytest.approx(0.5)
    assert sa.ticket == 0
    assert sa.replicate == pytest.approx(100)
    (table,) = [t for t in plain_tables(report) if t.title == "Where luck comes from"]
    assert table.rows[0][2] == "10.00 (100%)"
    line = next(csv.DictReader(csv_files(report)["variance.csv"].splitlines()))
    assert (line["number"], line["seed_variance"]) == ("standard_sa", "0.500000")
    value = json.loads(json_text(report))["variance"][0]
    assert value["seed"]["variance"] == pytest.approx(0.5)
    assert "Where luck comes from" in render(report)


@pytest.mark.parametrize("replicates", [1, 2])
def test_fewer_say_nothing(make: Maker, replicates: int) -> None:
    for at in range(replicates):
        replicate(make, at)
    report = report_of(make)
    assert report.components == ()
    assert "variance.csv" not in csv_files(report)
    assert "Where luck comes from" not in render(report)


def test_other_settings_are_no_replicate(make: Maker) -> None:
    for at in range(3):
        replicate(make, at, epochs=15 if at else 16)
    assert report_of(make).components == ()


def test_searches_that_share_transfers_are_no_replicates(make: Maker) -> None:
    """Three searches from one pre-training: their dense network is one and the same."""
    name = "digits"
    make.pretrain(name)
    for seed in (0, 1):
        for regime in ("standard", "adversarial"):
            make.cell(0, regime, 80, 40, seed=seed)
    for at in range(3):
        found = f"search-{at}"
        make.prune(0, found, spec={"name": found, "seed": at})
        ref = {"id": id8("prune", found, "imp"), "name": found, "method": "imp"}
        for seed in (0, 1):
            for regime in ("standard", "adversarial"):
                prune = ref | {"regime": "adversarial"}
                make.cell(6, regime, 80 + at, 40, seed=seed, salt=found, prune=prune)
    report = report_of(make)
    assert len(report.searched) == 3
    assert report.components == ()
