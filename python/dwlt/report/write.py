"""Write a report: page, tables and figures, each file whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dwlt import _core
from dwlt.report import figures, sweep
from dwlt.report.collect import collect
from dwlt.report.densities import density_tables
from dwlt.report.export import csv_text, json_text
from dwlt.report.page import render
from dwlt.report.verdict import Report, assess


@dataclass(frozen=True, slots=True)
class ReportPaths:
    """Where everything was written, and the report itself."""

    page: Path
    json: Path
    csv: Path
    figures: tuple[Path, ...]
    data: Report


def write_report(runs_dir: Path | str, out_dir: Path | str) -> ReportPaths:
    """Read a runs folder and write ``report.html``, ``.json``, ``.csv`` and ``figures/``.

    Figures of an earlier report that this one does not have stay where they are; nothing is
    deleted. The page is written last, so one that is there is complete.

    Raises:
        UserError: ``runs_dir`` is not a folder.
        OSError, DwltError: ``out_dir`` cannot be written.
    """
    report = assess(collect(runs_dir))
    out = Path(out_dir)
    drawn = []
    for verdict in report.groups:
        drawn += _save(figures.curves(verdict), out / "figures", f"curves-{verdict.slug}")
    for table in density_tables(report):
        tickets = [(column.kept, column.total, column.layers) for column in table.columns]
        drawn += _save(figures.layers(table.title, tickets), out / "figures", table.slug)
    for result in report.data.evaluate:
        if result.sweep:
            curve = sweep.draw(sweep.points(result), attack=result.test.attack or "")
            drawn += _save(curve, out / "figures", f"sweep-{result.run.id}")
    csv = _write(out / "report.csv", csv_text(report).encode())
    json = _write(out / "report.json", json_text(report).encode())
    page = _write(out / "report.html", render(report).encode())
    return ReportPaths(page=page, json=json, csv=csv, figures=tuple(drawn), data=report)


def _save(content: Mapping[str, bytes], folder: Path, stem: str) -> list[Path]:
    return [_write(folder / f"{stem}.{kind}", blob) for kind, blob in content.items()]


def _write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    _core.write_atomic(path, content)
    return path
