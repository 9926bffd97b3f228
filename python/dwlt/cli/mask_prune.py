"""``dwlt mask prune``: masks by magnitude from a checkpoint, which is read in pieces."""

from __future__ import annotations

from pathlib import Path

import click

from dwlt.cli.options import json_option, mask_file, out_option, quiet_option
from dwlt.cli.streams import echo


@click.command()
@click.argument("weights", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--rate", metavar="SHARE", type=float, help="Share of the remaining weights to remove."
)
@click.option(
    "--sparsity", metavar="SHARE", type=float, help="Share of all weights to be without in the end."
)
@click.option("--keep", metavar="N", type=int, help="Number of weights to keep.")
@click.option("--within", type=mask_file, help="Mask file: only the weights it keeps compete.")
@click.option(
    "--only",
    multiple=True,
    metavar="GLOB",
    help="Names of the tensors to prune, as in '*.conv?.weight'. Repeatable. Default: those of "
    "--within, or every floating-point tensor of two dimensions or more. With --within: which of "
    "its tensors to prune further; --rate, --sparsity and --keep then count their weights alone, "
    "and the others keep their masks.",
)
@click.option(
    "--scope",
    type=click.Choice(["global", "tensor"]),
    default="global",
    show_default=True,
    help="Whether all weights compete, or each tensor keeps its share.",
)
@out_option
@json_option
@quiet_option
def command(
    weights: Path,
    rate: float | None,
    sparsity: float | None,
    keep: int | None,
    within: Path | None,
    only: tuple[str, ...],
    scope: str,
    out: Path,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write the masks that keep the weights of largest magnitude of WEIGHTS.

    WEIGHTS is a safetensors file, an index of several, or a folder with either.

    \b
    Examples:
      dwlt mask prune model.safetensors --rate 0.2 -o 1.safetensors
      dwlt mask prune model.safetensors --rate 0.2 --within 1.safetensors \\
        -o 2.safetensors
      dwlt mask prune checkpoint/ --sparsity 0.5 --only '*.mlp.*' -o 3.safetensors
    """
    from dwlt import _core
    from dwlt.cli.show import emit_json, watch
    from dwlt.masks.origin import require_digest
    from dwlt.masks.selection import bytes_of, prune_checkpoint, unranked
    from dwlt.outputs import require_other, require_writable
    from dwlt.units import sparsity_text

    require_other(out, weights, within)
    parent = _core.MaskSet.load(within) if within else None
    size = bytes_of(weights)
    hashed, looked = _core.Progress(), _core.Progress()
    with watch("digest of the weights", size, lambda: hashed.bytes, quiet=quiet):
        digest = _core.digest_file(weights, progress=hashed)
    if parent is not None and within is not None:
        require_digest(parent, within, weights, digest)
    with watch("selection", size, lambda: looked.bytes, quiet=quiet):
        masks = prune_checkpoint(
            weights,
            rate=rate,
            sparsity=sparsity,
            keep=keep,
            within=parent,
            scope="tensor" if scope == "tensor" else "global",
            only=only or None,
            progress=looked,
        )
    masks.save(
        require_writable(out),
        round=(parent.meta.get("round", 0) if parent is not None else 0) + 1,
        weights=digest,
        parent=None if parent is None else parent.digest,
    )
    # Where the user has named the tensors, the core refuses such types by name.
    left = {} if only or parent is not None else unranked(weights)
    empty = [name for name, kept, total in masks.layers() if total and not kept]
    if as_json:
        emit_json(
            {
                "out": str(out),
                "kept": masks.kept,
                "total": masks.total,
                "digest": masks.digest,
                "empty": empty,
                "unranked": left,
            }
        )
    elif not quiet:
        for name in empty:
            echo(f"warning: nothing is kept of {name}", err=True)
        for dtype, number in left.items():
            echo(
                f"warning: {number} tensors of type {dtype} have no mask: only F64, F32, F16 and "
                "BF16 are pruned by magnitude",
                err=True,
            )
        echo(
            f"{out}: {masks.kept:,} of {masks.total:,} kept, "
            f"sparsity {sparsity_text(masks.kept, masks.total)}",
            err=True,
        )
