"""Condense a runs folder into one small result file: `python -m benchmarks.record RUNS NAME`.

Writes ``benchmarks/results/NAME.json`` (verdicts and counts from the report, settings, versions,
machine, seeds, seconds per stage), ``docs/figures/NAME.png`` and ``.svg`` (the curves), and
prints the Markdown table that docs/results.md shows.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dwlt.layout import STAGES
from dwlt.report import write_report
from dwlt.report.tables import terminal_tables
from dwlt.results import to_json

ROOT = Path(__file__).parent.parent


def results(runs: Path) -> Iterator[dict[str, Any]]:
    """Every result file below a runs folder."""
    for stage in STAGES:
        for path in sorted((runs / stage).glob("**/result.json")):
            yield json.loads(path.read_bytes())


def specs(found: list[dict[str, Any]]) -> dict[str, Any]:
    """One spec per stage, regime and control; what differs between cells is left out."""
    chosen: dict[str, Any] = {}
    for result in found:
        spec = {k: v for k, v in result["spec"].items() if k not in ("round", "seed", "name")}
        method = result.get("method", "imp")
        control = "" if method == "imp" else f"/{method}"
        chosen[f"{result['stage']}/{result['regime']}{control}"] = spec
    return chosen


def condense(runs: Path, report: dict[str, Any]) -> dict[str, Any]:
    """The committed file's content."""
    found = [result for result in results(runs) if result["stage"] != "evaluate"]
    seconds: dict[str, float] = defaultdict(float)
    for result in found:
        seconds[f"{result['stage']}/{result['regime']}"] += result["seconds"]
    machines = {json.dumps(result["environment"], sort_keys=True) for result in found}
    for group in report["groups"]:
        for ticket in group["tickets"]:
            del ticket["layers"]
        del group["runs"]
    for pair in report["mask_overlaps"]:
        del pair["layers"]
    return {
        "controls": report["controls"],
        "data_efficiency": report["data_efficiency"],
        "environments": [json.loads(machine) for machine in sorted(machines)],
        "finished": max(result["finished"] for result in found),
        "flags": report["flags"],
        "groups": report["groups"],
        "headline": report["headline"],
        "mask_overlaps": report["mask_overlaps"],
        "pretrain": report["pretrain"],
        "seconds": {stage: round(value, 1) for stage, value in sorted(seconds.items())},
        "specs": specs(found),
        "warnings": report["warnings"],
    }


def main() -> None:
    """Write the files and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path)
    parser.add_argument("name")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = write_report(arguments.runs, Path(folder))
        report = json.loads(paths.json.read_bytes())
        figures = ROOT / "docs" / "figures"
        figures.mkdir(exist_ok=True)
        for kind in ("png", "svg"):
            curves = sorted((Path(folder) / "figures").glob(f"curves-*.{kind}"))
            shutil.copyfile(curves[0], figures / f"{arguments.name}.{kind}")
        tables = terminal_tables(paths.data)
    target = ROOT / "benchmarks" / "results" / f"{arguments.name}.json"
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(to_json(condense(arguments.runs, report)))
    for table in tables:
        print(f"\n{table.title}\n")
        print("| " + " | ".join(table.head) + " |")
        print("|" + "---|" * len(table.head))
        for row in table.rows:
            print("| " + " | ".join(row) + " |")
        if table.note:
            print(f"\n{table.note}")


if __name__ == "__main__":
    main()
