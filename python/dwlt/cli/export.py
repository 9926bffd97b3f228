"""``dwlt export``: results in the forms of others."""

from __future__ import annotations

from pathlib import Path

import click

from dwlt.cli.options import json_option, quiet_option
from dwlt.cli.paths import Folder
from dwlt.cli.streams import echo, others_to_stderr


@click.group()
def command() -> None:
    """Write a network in the forms that others use.

    \b
    Examples:
      dwlt export hub runs/transfer/digits-0a1b2c3d -o ticket
    """


@command.command()
@click.argument("run", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--out", "-o", type=Folder(), required=True, help="A new or empty folder for the files."
)
@click.option(
    "--round",
    "round_",
    metavar="N",
    type=click.IntRange(0, 99),
    help="Of a search: which round. Default: its last.",
)
@click.option(
    "--checkpoint",
    type=click.Choice(["sa", "ra"]),
    help="Of a transfer: the best by SA or by RA on validation. Default: ra where it was measured.",
)
@click.option(
    "--config",
    "-c",
    metavar="PRESET|FILE",
    envvar="DWLT_CONFIG",
    help="The config whose [verdict] judges. Default: margins by the number of test images.",
)
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change how to judge, e.g. --set verdict.margin_sa=1. Repeatable.",
)
@json_option
@quiet_option
def hub(
    run: Path,
    out: Path,
    round_: int | None,
    checkpoint: str | None,
    config: str | None,
    changes: tuple[str, ...],
    as_json: bool,
    quiet: bool,
) -> None:
    """Write a folder that is ready for the Hugging Face hub.

    RUN is a finished run folder of pretrain, prune or transfer. The folder gets model.safetensors
    (zeros where masked), mask.safetensors, config.json and a model card with results, intervals,
    protocol and verdict, and lines of plain PyTorch that load it. Nothing is uploaded.

    \b
    Examples:
      dwlt export hub runs/transfer/digits-0a1b2c3d -o ticket
      dwlt export hub runs/prune/digits-4e5f6a7b --round 6 -o ticket
    """
    from dwlt.cli.show import emit_json
    from dwlt.export.hub import export_hub
    from dwlt.export.source import find_source
    from dwlt.spec import load_verdict

    source = find_source(run, round_=round_, checkpoint=checkpoint)
    with others_to_stderr():
        made = export_hub(source, out, load_verdict(config, changes))
    if as_json:
        emit_json(
            {
                "out": str(made.folder),
                "files": list(made.files),
                "title": made.title,
                "verdict": made.verdict,
            }
        )
    elif not quiet:
        verdict = f"; verdict: {made.verdict}" if made.verdict else ""
        echo(f"{made.folder}: {made.title}, {len(made.files)} files{verdict}", err=True)
