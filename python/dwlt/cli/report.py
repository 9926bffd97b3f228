"""``dwlt report``"""

from __future__ import annotations

from pathlib import Path

import click

from dwlt.cli.options import json_option, judging_options, quiet_option, runs_option, sharing
from dwlt.cli.paths import Folder
from dwlt.cli.streams import echo


def shorten(cell: str) -> str:
    """ "97.77 ± 0.89 ?" as "97.77±0.89?", so that the table fits into 80 columns."""
    return cell.replace(" ± ", "±").replace(" ✓", "✓").replace(" ✗", "✗").replace(" ?", "?")


@click.command()
@click.option(
    "--out",
    "-o",
    type=Folder(),
    default=Path("report"),
    show_default=True,
    help="Folder for the page, tables and figures.",
)
@click.option("--figures", is_flag=True, help="Also draw figures as PNG, SVG and PDF files.")
@sharing(*judging_options)
@runs_option
@json_option
@quiet_option
def command(
    out: Path,
    figures: bool,
    config: str | None,
    changes: tuple[str, ...],
    runs: Path,
    as_json: bool,
    quiet: bool,
) -> None:
    """The double-win table and one self-contained HTML page.

    Reads result and mask files only; works on a machine without PyTorch.

    First comes one sentence: what was found, and what to run next. The headline
    is the extreme sparsity of every pre-training on every task and share of the
    data: tested, estimated, by the paper's rule, and of one checkpoint. The page
    adds, where the runs allow: every rule, verdicts under AutoAttack beside their
    own, searches for the frontier, variance components, data-efficiency curves (two fractions
    or more), tickets against controls, overlaps of masks between searches,
    densities of layers, evaluations, and all flags.

    Margins belong fixed before results are looked at: in the [verdict] table of
    the experiment's config, which --config names.

    \b
    Files in the folder:
      report.html     everything, on one page
      report.json     the same for programs
      report.csv      one line per network
      headline.csv, controls.csv, efficiency.csv, overlaps.csv,
      verified.csv, frontier.csv, variance.csv
                      where there is something to put in
      figures/        with --figures: curves-*, data-*, layers-*, sweep-*

    \b
    Examples:
      dwlt report
      dwlt report --config experiment.toml --figures --out paper
      dwlt report --set verdict.rule=paper
      dwlt report --json
    """
    from dwlt.cli.show import Show
    from dwlt.report import plain_tables, summary, write_report
    from dwlt.spec import load_verdict

    settings = load_verdict(config, changes)
    paths = write_report(runs, out, settings, figures=figures)
    if as_json:
        echo(paths.json.read_text(encoding="utf-8"), end="")
        return
    show = Show(quiet=quiet)
    show.say(summary(paths.data).sentence)
    tables = [] if quiet else plain_tables(paths.data)
    for table in tables:
        rows = [[shorten(cell) for cell in row] for row in table.rows]
        show.table(table.title, table.head, rows, left=table.left, optional=table.optional)
        if table.note:
            show.say(table.note)
    if paths.data.groups:
        show.say("std, adv: after standard, adversarial transfer; percent, mean±spread over seeds")
        show.say("✓ matches the dense network, ? unclear, ✗ falls short")
    show.say(f"page: {paths.page}")
