"""``dwlt mask``: the group, and the commands that look at mask files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dwlt.cli import mask_files, mask_prune
from dwlt.cli.options import json_option, mask_file
from dwlt.cli.streams import echo

if TYPE_CHECKING:
    from dwlt._core import Overlap


@click.group()
def command() -> None:
    """Make, look at, compare, apply and convert mask files.

    \b
    Examples:
      dwlt mask prune model.safetensors --rate 0.2 -o mask.safetensors
      dwlt mask show runs/prune/digits-0a1b2c3d/round-10/mask.safetensors
      dwlt mask compare A.safetensors B.safetensors
      dwlt mask apply model.safetensors mask.safetensors -o ticket.safetensors
      dwlt mask apply model.safetensors mask.safetensors --packed \\
        -o small.safetensors
      dwlt mask unpack small.safetensors -o ticket.safetensors
      dwlt mask import pruned.pth -o mask.safetensors
    """


@command.command()
@click.argument("mask", type=mask_file)
@json_option
def show(mask: Path, as_json: bool) -> None:
    """Counts per tensor, sparsity, and what the masks belong to."""
    from dwlt import _core
    from dwlt.cli.show import Show, emit_json
    from dwlt.units import sparsity_text

    masks = _core.MaskSet.load(str(mask))
    layers = masks.layers()
    if as_json:
        emit_json(
            {
                "kept": masks.kept,
                "total": masks.total,
                "digest": masks.digest,
                "meta": dict(masks.meta),
                "layers": [{"name": n, "kept": k, "total": t} for n, k, t in layers],
            }
        )
        return
    rows = [
        [name, f"{kept:,}", f"{total:,}", sparsity_text(kept, total)]
        for name, kept, total in layers
    ]
    rows.append(
        ["all", f"{masks.kept:,}", f"{masks.total:,}", sparsity_text(masks.kept, masks.total)]
    )
    Show().table(str(mask), ["tensor", "kept", "of", "sparsity"], rows)
    for key, value in {"digest": masks.digest, **masks.meta}.items():
        echo(f"{key}: {value}")


@command.command()
@click.argument("first", type=mask_file)
@click.argument("second", type=mask_file)
@json_option
def compare(first: Path, second: Path, as_json: bool) -> None:
    """How much two mask sets share, per tensor and in all, against chance."""
    from dwlt import _core
    from dwlt.cli.show import Show, emit_json

    a, b = _core.MaskSet.load(str(first)), _core.MaskSet.load(str(second))
    rows = [overlap_row(name, found) for name, found in a.overlaps(b).items()]
    whole = overlap_row("all", a.overlap(b))
    nested = "second" if b.is_subset(a) else "first" if a.is_subset(b) else None
    if as_json:
        emit_json({"layers": rows, "all": whole, "nested": nested})
        return
    Show().table(
        "",
        ["tensor", "first keeps", "second keeps", "both", "IoU", "by chance"],
        [
            [
                str(r["name"]),
                f"{r['first']:,}",
                f"{r['second']:,}",
                f"{r['both']:,}",
                "-" if r["iou"] is None else f"{r['iou']:.4f}",
                "-" if r["chance"] is None else f"{r['chance']:.4f}",
            ]
            for r in [*rows, whole]
        ],
    )
    if nested:
        echo(f"every weight that the {nested} keeps is kept by the other too")


def overlap_row(name: str, found: Overlap) -> dict[str, str | int | float | None]:
    """Intersection over union, and what two independent random masks of these counts would give.

    By chance, both keep ``first * second / total`` weights on average; the IoU of that count is
    the last column.
    """
    first, second, total = found.left, found.right, found.total
    expected = first * second / total if total else 0.0
    union = first + second - expected
    return {
        "name": name,
        "first": first,
        "second": second,
        "both": found.both,
        "iou": found.iou,
        "chance": expected / union if union else None,
    }


command.add_command(mask_prune.command, "prune")
command.add_command(mask_files.apply)
command.add_command(mask_files.unpack)
command.add_command(mask_files.import_)
command.add_command(mask_files.export)
