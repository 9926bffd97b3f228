"""``dwlt mask apply``, ``import`` and ``export``: masks laid on weights, and other formats."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dwlt.cli.options import json_option, mask_file, out_option, quiet_option
from dwlt.cli.paths import OutFile
from dwlt.cli.streams import echo

if TYPE_CHECKING:
    from dwlt._core import MaskSet


@click.command()
@click.argument("weights", type=click.Path(exists=True, path_type=Path))
@click.argument("mask", type=mask_file)
@click.option(
    "--out",
    "-o",
    type=OutFile(folder=True),
    required=True,
    help="The file to write; a new or empty folder where WEIGHTS is an index or a folder.",
)
@click.option(
    "--packed",
    is_flag=True,
    help="Leave masked weights out: bits and kept values (docs/mask-format.md).",
)
@json_option
@quiet_option
def apply(weights: Path, mask: Path, out: Path, packed: bool, as_json: bool, quiet: bool) -> None:
    """Write WEIGHTS with every masked weight set to zero. Types and other tensors stay.

    WEIGHTS is a safetensors file, an index of several, or a folder with either; it is read in
    pieces. Files of a folder keep their names. What --packed leaves out, `dwlt mask unpack` puts
    back.
    """
    from dwlt import _core
    from dwlt.cli.show import watch
    from dwlt.masks.origin import require_digest
    from dwlt.masks.selection import bytes_of
    from dwlt.outputs import require_other, require_writable

    require_other(out, weights, mask)
    masks = _core.MaskSet.load(mask)
    size = bytes_of(weights)
    hashed, written = _core.Progress(), _core.Progress()
    if masks.meta.get("weights"):
        with watch("digest of the weights", size, lambda: hashed.bytes, quiet=quiet):
            digest = _core.digest_file(weights, progress=hashed)
        require_digest(masks, mask, weights, digest)
    with watch("masked weights", size, lambda: written.bytes, quiet=quiet):
        # A folder, or a name that is free, is left to the core: it knows which of both is needed.
        plain = out.is_file() or out.is_symlink()
        if plain and not out.is_dir():
            require_writable(out)
        write = _core.pack_to_file if packed else _core.apply_to_file
        write(weights, masks, out, progress=written)
    if as_json or not quiet:
        _tell(out, masks, as_json)


@click.command()
@click.argument("packed", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--out",
    "-o",
    type=OutFile(folder=True),
    required=True,
    help="The file to write; a new or empty folder where PACKED is a folder.",
)
@json_option
@quiet_option
def unpack(packed: Path, out: Path, as_json: bool, quiet: bool) -> None:
    """Write the dense weights behind PACKED, which `dwlt mask apply --packed` made.

    The bytes are those of `dwlt mask apply`: masked weights are zero. It is read in pieces.
    """
    from dwlt import _core
    from dwlt.cli.show import emit_json, watch
    from dwlt.masks.selection import bytes_of
    from dwlt.outputs import require_other, require_writable

    require_other(out, packed)
    written = _core.Progress()
    with watch("dense weights", bytes_of(packed), lambda: written.bytes, quiet=quiet):
        if (out.is_file() or out.is_symlink()) and not out.is_dir():
            require_writable(out)
        _core.unpack_to_file(packed, out, progress=written)
    if as_json:
        emit_json({"out": str(out), "bytes": bytes_of(out)})
    elif not quiet:
        echo(f"{out}: {bytes_of(out):,} bytes of weights", err=True)


@click.command("import")
@click.argument("file", type=mask_file)
@click.option(
    "--round",
    "round_",
    metavar="N",
    type=click.IntRange(0, 1000),
    default=0,
    show_default=True,
    help="Round to note in the mask file.",
)
@click.option(
    "--entry", metavar="NAME", help="Which state dict in FILE, e.g. state_dict_ema. Default: found."
)
@click.option(
    "--prefix",
    metavar="TEXT",
    help="What stands before the network's names in FILE. Default: what PyTorch's own wrappers "
    "add, such as module.",
)
@out_option
@json_option
def import_(
    file: Path, round_: int, entry: str | None, prefix: str | None, out: Path, as_json: bool
) -> None:
    """Make a mask file of the masks in FILE.

    FILE is what `dwlt import` opens (what torch.save wrote, safetensors, an index of several), of a
    network under PyTorch's pruning: NAME_mask is the mask of NAME_orig beside it. Wrappers such as
    state_dict and prefixes such as module. are taken off. What is only called like a mask is left
    out and named. Or FILE holds masks alone: safetensors of booleans, or .npz. No code from the
    file is run.
    """
    from dwlt.masks.exchange import read_arrays
    from dwlt.outputs import require_other, require_writable

    require_other(out, file)
    notes: tuple[str, ...] = ()
    masks = read_arrays(file)
    if masks is None:
        # PyTorch is imported only for files that need it.
        from dwlt.checkpoints.masks import read_masks

        found = read_masks(file, entry=entry, prefix=prefix)
        masks, notes = found.masks, found.notes
    masks.save(require_writable(out), round=round_)
    _tell(out, masks, as_json, notes)


@click.command()
@click.argument("mask", type=mask_file)
@click.option(
    "--weights", type=mask_file, help="Safetensors file whose tensors go along into a .pth file."
)
@out_option
@json_option
def export(mask: Path, weights: Path | None, out: Path, as_json: bool) -> None:
    """Write MASK in another format, told by the ending of the output.

    .npz and .safetensors get booleans; .pth gets NAME_mask as PyTorch's pruning has it, and with
    --weights NAME_orig and all other tensors.
    """
    from dwlt import _core
    from dwlt.masks.exchange import write_masks
    from dwlt.masks.origin import require_origin
    from dwlt.outputs import require_other

    require_other(out, mask, weights)
    masks = _core.MaskSet.load(mask)
    if weights is not None:
        require_origin(masks, mask, weights)
    write_masks(masks, out, weights)
    _tell(out, masks, as_json)


def _tell(out: Path, masks: MaskSet, as_json: bool, notes: tuple[str, ...] | None = None) -> None:
    from dwlt.cli.show import emit_json
    from dwlt.units import sparsity_text

    kept, total = masks.kept, masks.total
    if as_json:
        told = {} if notes is None else {"notes": list(notes)}
        emit_json({"out": str(out), "kept": kept, "total": total, "digest": masks.digest, **told})
    else:
        for note in notes or ():
            echo(f"  {note}", err=True)
        echo(f"{out}: {kept:,} of {total:,} kept, sparsity {sparsity_text(kept, total)}", err=True)
