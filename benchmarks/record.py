"""Condense a runs folder into one small result file: `python -m benchmarks.record RUNS NAME
[--config CONFIG]`; with `--search` its one search alone, round by round.

Writes ``benchmarks/results/NAME.json`` (verdicts and counts from the report, settings, versions,
machine, seeds, seconds per stage) and the curves to ``docs/figures``, and prints the Markdown
tables that docs/results.md and docs/study.md show.
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

from dwlt.report import plain_tables, write_report
from dwlt.results.files import to_json
from dwlt.runs.layout import STAGES
from dwlt.spec import load_verdict
from dwlt.units import sparsity_text

ROOT = Path(__file__).parent.parent


def results(runs: Path) -> Iterator[dict[str, Any]]:
    """Every result file below a runs folder."""
    for stage in STAGES:
        for path in sorted((runs / stage).glob("**/result.json")):
            yield json.loads(path.read_bytes())


def kind(result: dict[str, Any]) -> str:
    """Stage and regime, "transfer/standard"; the stage alone where it has no regime."""
    return "/".join(result[key] for key in ("stage", "regime") if key in result)


def specs(found: list[dict[str, Any]]) -> dict[str, Any]:
    """One spec per stage, regime, control and fraction; what differs between cells is left out."""
    chosen: dict[str, Any] = {}
    for result in found:
        spec = {k: v for k, v in result["spec"].items() if k not in ("round", "seed", "name")}
        method = result.get("method", "imp")
        control = "" if method == "imp" else f"/{method}"
        part = f"/{result['fraction']:g}" if result.get("fraction", 1.0) < 1 else ""
        chosen[f"{kind(result)}{control}{part}"] = spec
    return chosen


def keep_figures(drawn: Path, name: str) -> None:
    """Copy the curves of what was searched, and of data efficiency, to ``docs/figures``.

    A single search gets PNG and SVG under the plain name; a grid gets a PNG per search by
    iterative pruning on all images, and the data-efficiency figures.
    """
    target = ROOT / "docs" / "figures"
    target.mkdir(exist_ok=True)
    curves = sorted(drawn.glob("curves-*-imp-*.png"))
    if len(curves) == 1:
        for kind in ("png", "svg"):
            shutil.copyfile(curves[0].with_suffix(f".{kind}"), target / f"{name}.{kind}")
        return
    for path in curves:
        if "pct-" not in path.name:
            shutil.copyfile(path, target / f"{name}-{path.stem.split('-')[1]}.png")
    for path in sorted(drawn.glob("data-*.png")):
        shutil.copyfile(path, target / f"{name}-{path.stem}.png")


def condense(runs: Path, report: dict[str, Any]) -> dict[str, Any]:
    """The committed file's content."""
    found = [result for result in results(runs) if result["stage"] != "evaluate"]
    seconds: dict[str, float] = defaultdict(float)
    for result in found:
        seconds[kind(result)] += result["seconds"]
    machines = {json.dumps(result["environment"], sort_keys=True) for result in found}
    # What stands beside a ticket in `controls` needs no group of its own.
    searched = [group for group in report["groups"] if group["prune"]["method"] == "imp"]
    report["groups"] = searched or report["groups"]
    for group in report["groups"]:
        for ticket in group["tickets"]:
            del ticket["layers"]
        del group["runs"]
    for pair in report["mask_overlaps"]:
        del pair["layers"]
    shown = {key: report[key] for key in ("frontier", "variance", "verified") if report[key]}
    return shown | {
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


def condense_search(runs: Path) -> dict[str, Any]:
    """What a search found before each pruning: `dwlt prune` prints the same."""
    found = [result for result in results(runs) if result["stage"] == "prune"]
    searches = {result["id"] for result in found}
    if len(searches) != 1:
        raise SystemExit(f"{runs} holds {len(searches)} searches, and one is recorded")
    rounds = []
    for result in sorted(found, key=lambda result: int(result["round"])):
        score = (result.get("search") or {}).get("validation") or {}
        counts = {key: score.get(key) and _counts(score[key]) for key in ("sa", "ra")}
        kept, total = result["kept"], result["total"]
        rounds.append(
            {
                "round": result["round"],
                "kept": kept,
                "total": total,
                "sparsity": sparsity_text(kept, total),
                **counts,
            }
        )
    return {
        "environment": found[0]["environment"],
        "finished": max(result["finished"] for result in found),
        "rounds": rounds,
        "seconds": round(sum(result["seconds"] for result in found), 1),
        "spec": {k: v for k, v in found[0]["spec"].items() if k != "name"},
    }


def _counts(accuracy: dict[str, Any]) -> dict[str, int]:
    return {name: accuracy[name] for name in ("correct", "n")}


def main() -> None:
    """Write the files and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path)
    parser.add_argument("name")
    parser.add_argument("--config", help="whose [verdict] judges; default: margins that follow n")
    parser.add_argument("--search", action="store_true", help="the one search of the folder alone")
    arguments = parser.parse_args()
    if arguments.search:
        found = condense_search(arguments.runs)
        (ROOT / "benchmarks" / "results" / f"{arguments.name}.json").write_bytes(to_json(found))
        return
    settings = load_verdict(arguments.config) if arguments.config else None
    with tempfile.TemporaryDirectory() as folder:
        paths = write_report(arguments.runs, Path(folder), settings, figures=True)
        report = json.loads(paths.json.read_bytes())
        keep_figures(Path(folder) / "figures", arguments.name)
        tables = plain_tables(paths.data)
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
