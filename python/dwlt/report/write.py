"""Write a report: page, tables and figures, each file whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from dwlt.masks.overlaps import mask_overlaps
from dwlt.outputs import write_file
from dwlt.report.content import Report, assess
from dwlt.report.evaluations import comparable, evaluation_table
from dwlt.report.export import csv_files, json_text
from dwlt.report.page import render
from dwlt.report.pictures import gallery
from dwlt.report.table import PlainTable, plain
from dwlt.runs.collect import collect
from dwlt.runs.outcomes import NotedOutcomes
from dwlt.spec.verdict import VerdictPart


@dataclass(frozen=True, slots=True)
class ReportPaths:
    """Where everything was written, and the report itself. ``tables`` are all CSV files."""

    page: Path
    json: Path
    csv: Path
    tables: tuple[Path, ...]
    figures: tuple[Path, ...]
    data: Report


def write_report(
    runs_dir: Path | str,
    out_dir: Path | str,
    settings: VerdictPart | None = None,
    *,
    figures: bool = False,
) -> ReportPaths:
    """Read a runs folder and write ``report.html``, ``.json``, CSV files and ``figures/``.

    Files of an earlier report that this one does not have stay where they are; nothing is
    deleted. The page is written last, so one that is there is complete.

    Args:
        settings: how tickets are judged; the defaults where None.
        figures: also draw PNG, SVG and PDF files, which takes seconds for each group.

    Raises:
        UserError: ``runs_dir`` is not a folder.
        OSError, DwltError: ``out_dir`` cannot be written.
    """
    data = collect(runs_dir)
    masks = mask_overlaps(runs_dir, data)
    report = assess(data, masks, settings, NotedOutcomes(runs_dir))
    out = Path(out_dir)
    drawn: list[Path] = []
    if figures:
        # matplotlib takes longer to import than a report to make.
        from dwlt.report.figures import draw_all

        for stem, content in draw_all(report):
            paths = {kind: out / "figures" / f"{stem}.{kind}" for kind in content}
            drawn += [_write(paths[kind], blob) for kind, blob in content.items()]
    tables = {name: _write(out / name, text.encode()) for name, text in csv_files(report).items()}
    json = _write(out / "report.json", json_text(report).encode())
    page = _write(out / "report.html", render(report, gallery(runs_dir, report)).encode())
    return ReportPaths(
        page=page,
        json=json,
        csv=tables["report.csv"],
        tables=tuple(tables.values()),
        figures=tuple(drawn),
        data=report,
    )


def plain_tables(report: Report) -> list[PlainTable]:
    """What ``dwlt report`` prints: headline, a table per group, verified verdicts, searches for the
    frontier, variance components, what controls came to, evaluations.

    Controls that are held against a ticket have no table of their own, and evaluations behind a
    verified verdict are counted: the verdict says what they came to.
    """
    tables = [report.headline] if report.searched else []
    tables += [report.networks[verdict.slug] for verdict in report.alone]
    tables += report.verifications.values()
    tables += [table for table in (report.frontiers, report.variance) if table.rows]
    tables += [report.tally] if report.controls else []
    alone = [one for one in report.data.evaluate if not report.verifies(one)]
    tables += [evaluation_table(group) for group in comparable(alone)]
    shown = [plain(table) for table in tables]
    if behind := len(report.data.evaluate) - len(alone):
        at = next(n for n, one in enumerate(tables) if one.key == "verified")
        told = [shown[at].note, f"from {behind} evaluations, which the page lists"]
        shown[at] = replace(shown[at], note="; ".join(word for word in told if word))
    return shown


def _write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, content)
    return path
