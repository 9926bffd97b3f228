"""``dwlt report``"""

from __future__ import annotations

from pathlib import Path

import click

from dwlt.cli.options import json_option, quiet_option, runs_option
from dwlt.cli.paths import Folder
from dwlt.cli.streams import echo

SHORT = {
    "SA, standard transfer": "SA std",
    "RA, standard transfer": "RA std",
    "SA, adversarial transfer": "SA adv",
    "RA, adversarial transfer": "RA adv",
}
"""Heads that let the table fit into 80 columns."""


def shorten(cell: str) -> str:
    """ "97.77 ± 0.89 ?" as "97.77±0.89?"."""
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
@runs_option
@json_option
@quiet_option
def command(out: Path, runs: Path, as_json: bool, quiet: bool) -> None:
    """The double-win table, figures and one self-contained HTML page.

    Reads result and mask files only; works on a machine without PyTorch.

    The headline is the extreme sparsity of every pre-training (rows) on every
    task and share of the data (columns). The page adds, where the runs allow:
    data-efficiency curves (two fractions or more), tickets against controls
    (one-shot, random, shuffled, re-initialised), overlaps of masks between
    searches, densities of layers, a one-checkpoint verdict, and all flags.

    \b
    Files in the folder:
      report.html     everything, on one page
      report.json     the same for programs
      report.csv      one line per network
      headline.csv, controls.csv, efficiency.csv, overlaps.csv
                      where there is something to put in
      figures/        curves-*, data-*, layers-* as PNG, SVG and PDF

    \b
    Examples:
      dwlt report
      dwlt report --runs /data/runs --out paper/figures
      dwlt report --json
    """
    from dwlt.cli.show import Show
    from dwlt.report import evaluation_tables, terminal_tables, write_report

    paths = write_report(runs, out)
    if as_json:
        echo(paths.json.read_text(encoding="utf-8"), end="")
        return
    show = Show(quiet=quiet)
    tables = terminal_tables(paths.data)
    if not tables:
        show.say(f"{runs} holds no transferred ticket yet; run `dwlt transfer`, then with --adv")
    for table in [] if quiet else tables:
        rows = [[shorten(cell) for cell in row] for row in table.rows]
        head = [SHORT.get(name, name) for name in table.head]
        show.table(table.title, head, rows, left=table.left, optional=("kept", "seeds"))
        if table.note:
            show.say(table.note)
    if tables:
        show.say("std, adv: after standard, adversarial transfer; percent, mean±spread over seeds")
        show.say("✓ matches the dense network, ? unclear, ✗ falls short")
    for table in [] if quiet else evaluation_tables(paths.data.data):
        show.table(
            table.title, table.head, table.rows, left=table.left, optional=("after each attack",)
        )
    show.say(f"page: {paths.page}")
