"""Write a report: page, tables and figures, each file whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dwlt.outputs import write_file
from dwlt.report import figures, sweep
from dwlt.report.assess import assess
from dwlt.report.collect import collect
from dwlt.report.content import Report
from dwlt.report.controls import control_tables
from dwlt.report.densities import density_tables
from dwlt.report.efficiency import efficiency_tables
from dwlt.report.efficiency_figure import efficiency_figure
from dwlt.report.export import json_text
from dwlt.report.overlaps import mask_overlaps
from dwlt.report.page import render
from dwlt.report.slugs import unique_slug
from dwlt.report.spreadsheet import csv_files
from dwlt.report.tables import controls_of


@dataclass(frozen=True, slots=True)
class ReportPaths:
    """Where everything was written, and the report itself. ``tables`` are all CSV files."""

    page: Path
    json: Path
    csv: Path
    tables: tuple[Path, ...]
    figures: tuple[Path, ...]
    data: Report


def write_report(runs_dir: Path | str, out_dir: Path | str) -> ReportPaths:
    """Read a runs folder and write ``report.html``, ``.json``, CSV files and ``figures/``.

    Files of an earlier report that this one does not have stay where they are; nothing is
    deleted. The page is written last, so one that is there is complete.

    Raises:
        UserError: ``runs_dir`` is not a folder.
        OSError, DwltError: ``out_dir`` cannot be written.
    """
    data = collect(runs_dir)
    report = assess(data, mask_overlaps(runs_dir, data))
    out = Path(out_dir)
    drawn = _draw(report, out / "figures")
    tables = {name: _write(out / name, text.encode()) for name, text in csv_files(report).items()}
    json = _write(out / "report.json", json_text(report).encode())
    page = _write(out / "report.html", render(report).encode())
    return ReportPaths(
        page=page,
        json=json,
        csv=tables["report.csv"],
        tables=tuple(tables.values()),
        figures=tuple(drawn),
        data=report,
    )


def _draw(report: Report, folder: Path) -> list[Path]:
    """All figures. Controls that stand beside a ticket in a table get none of their own."""
    drawn = []
    beside = controls_of(control_tables(report))
    for verdict in report.groups:
        if verdict.slug not in beside:
            drawn += _save(figures.curves(verdict), folder, f"curves-{verdict.slug}")
    taken: set[str] = set()
    for efficiency in efficiency_tables(report):
        slug = unique_slug(["data", efficiency.title], taken)
        drawn += _save(efficiency_figure(efficiency), folder, slug)
    tables = density_tables(report)
    searched = [table for table in tables if not table.control]
    for table in searched or tables:
        tickets = [(column.kept, column.total, column.layers) for column in table.columns]
        drawn += _save(figures.layers(table.title, tickets), folder, table.slug)
    for result in report.data.evaluate:
        if result.sweep:
            curve = sweep.draw(sweep.points(result), attack=result.test.attack or "")
            drawn += _save(curve, folder, f"sweep-{result.run.id}")
    return drawn


def _save(content: Mapping[str, bytes], folder: Path, stem: str) -> list[Path]:
    return [_write(folder / f"{stem}.{kind}", blob) for kind, blob in content.items()]


def _write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, content)
    return path
