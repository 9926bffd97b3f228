"""``dwlt mask prune``: masks of a checkpoint's weights, which are read in pieces."""

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
    metavar="SCOPE",
    default="global",
    show_default=True,
    help="Whether all weights compete (global), each tensor keeps its share (tensor) or that of "
    "the Erdos-Renyi-Kernel rule (erk), or a pattern says what is kept: 2:4 keeps at most two of "
    "every four inputs, and takes no --rate, --sparsity or --keep.",
)
@click.option(
    "--criterion",
    type=click.Choice(["magnitude", "lamp", "random"]),
    default="magnitude",
    show_default=True,
    help="What weights are ranked by: magnitude, layer-adaptive magnitude, or a draw.",
)
@click.option(
    "--seed", metavar="N", type=click.IntRange(0, 2**64 - 1), help="Of --criterion random."
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
    criterion: str,
    seed: int | None,
    out: Path,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write the masks that keep the weights of largest magnitude of WEIGHTS, or by another rank.

    WEIGHTS is a safetensors file, an index of several, or a folder with either. Criteria that need
    images are for `dwlt prune`.

    \b
    Examples:
      dwlt mask prune model.safetensors --rate 0.2 -o 1.safetensors
      dwlt mask prune model.safetensors --rate 0.2 --within 1.safetensors \\
        -o 2.safetensors
      dwlt mask prune checkpoint/ --sparsity 0.5 --only '*.mlp.*' -o 3.safetensors
      dwlt mask prune model.safetensors --sparsity 0.9 --criterion lamp \\
        -o 4.safetensors
      dwlt mask prune model.safetensors --scope 2:4 --within 1.safetensors \\
        -o 5.safetensors
    """
    from dwlt import _core
    from dwlt.cli.show import emit_json, watch
    from dwlt.masks.counts import is_pattern
    from dwlt.masks.origin import require_digest
    from dwlt.masks.selection import bytes_of, prune_checkpoint, unranked
    from dwlt.outputs import require_other, require_writable
    from dwlt.units import sparsity_text

    if seed is not None and criterion != "random":
        raise click.UsageError("--seed belongs to --criterion random: nothing else is drawn")
    if scope not in ("global", "tensor", "erk") and not is_pattern(scope):
        raise click.UsageError(
            f"--scope is global, tensor, erk or a pattern such as 2:4, not {scope!r}"
        )
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
            scope=scope,
            criterion=criterion,  # type: ignore[arg-type]  # a choice of the option
            seed=seed or 0,
            only=only or None,
            progress=looked,
        )
    masks.save(
        require_writable(out),
        round=(parent.meta.get("round", 0) if parent is not None else 0) + 1,
        weights=digest,
        parent=None if parent is None else parent.digest,
    )
    dropped = 0 if parent is None else parent.kept - masks.kept
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
                "dropped": dropped,
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
        if parent is not None and is_pattern(scope):
            share = dropped / max(1, parent.kept)
            echo(
                f"{scope} drops {dropped:,} of the {parent.kept:,} weights that {within} keeps "
                f"({share:.2%}): what was measured of that ticket does not hold for this one. "
                "Apply it (`dwlt mask apply`) and score it anew (`dwlt evaluate`)",
                err=True,
            )
