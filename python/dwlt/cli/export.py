"""``dwlt export``: results in the forms of others."""

from __future__ import annotations

from pathlib import Path

import click

from dwlt.cli.options import (
    json_option,
    judging_options,
    mask_file,
    out_option,
    quiet_option,
    sharing,
)
from dwlt.cli.paths import Folder
from dwlt.cli.streams import echo, others_to_stderr


@click.group()
def command() -> None:
    """Write a network in the forms that others use.

    \b
    Examples:
      dwlt export hub runs/transfer/digits-0a1b2c3d -o ticket
      dwlt export onnx runs/transfer/digits-0a1b2c3d -o ticket.onnx
    """


round_option = click.option(
    "--round",
    "round_",
    metavar="N",
    type=click.IntRange(0, 99),
    help="Of a search: which round. Default: its last.",
)
checkpoint_option = click.option(
    "--checkpoint",
    type=click.Choice(["sa", "ra"]),
    help="Of a transfer: the best by SA or by RA on validation. Default: ra where it was measured.",
)


@command.command()
@click.argument("run", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--out", "-o", type=Folder(), required=True, help="A new or empty folder for the files."
)
@round_option
@checkpoint_option
@sharing(*judging_options)
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


@command.command()
@click.argument("model", type=click.Path(exists=True, path_type=Path))
@out_option
@click.option("--mask", type=mask_file, help="Lay a ticket's masks on a model file first.")
@round_option
@checkpoint_option
@json_option
@quiet_option
def onnx(
    model: Path,
    out: Path,
    mask: Path | None,
    round_: int | None,
    checkpoint: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write a network as ONNX: pixels in [0, 1] in, logits out.

    MODEL is a model file or a finished run folder. The normaliser is inside, masked weights are
    zero, and the number of images is free. Where ONNX Runtime is installed, its logits are compared
    with PyTorch's. Needs dwlt[onnx].

    \b
    Examples:
      dwlt export onnx runs/transfer/digits-0a1b2c3d -o ticket.onnx
      dwlt export onnx my.safetensors --mask mask.safetensors -o ticket.onnx
    """
    from dwlt.cli.show import emit_json
    from dwlt.export.onnx import load, to_onnx
    from dwlt.outputs import require_other, write_file

    require_other(out, model, mask)
    with others_to_stderr():
        network, blueprint = load(model, mask=mask, round_=round_, checkpoint=checkpoint)
        graph = to_onnx(network, blueprint)
    write_file(out, graph.content)
    if as_json:
        emit_json({"out": str(out), "opset": graph.opset, "difference": graph.difference})
    elif not quiet:
        compared = "logits not compared: ONNX Runtime is not installed"
        if graph.difference is not None:
            compared = f"logits as PyTorch's to {graph.difference:.0e}"
        echo(f"{out}: {blueprint.model.name}, opset {graph.opset}, {compared}", err=True)
