"""A ticket on disk: pre-trained weights, and the masks of one round that belong to them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import save

from dwlt import _core
from dwlt.errors import MaskError, UserError
from dwlt.masking import to_bool_tensors
from dwlt.spec import ModelSpec
from dwlt.stages.weights import digest, read_tensors


@dataclass(frozen=True)
class Source:
    """The pre-trained weights that a search starts from.

    Attributes:
        path: the model file.
        digest: of its tensors.
        model: which network it is, as the file says.
        images: fingerprint of the images it was pre-trained on; None for a given file.
        pretrain: what results say of its origin: ``id`` (None for a given file), ``name`` and
            ``regime`` ("given" for a given file).
    """

    path: Path
    digest: str
    model: ModelSpec
    images: str | None
    pretrain: dict[str, Any]


@dataclass(frozen=True)
class Ticket:
    """One round's masks together with the weights they belong to.

    Attributes:
        source: the pre-trained weights.
        mask: the mask file.
        round: 0 is the dense network.
        result: the round's result file, read.
    """

    source: Source
    mask: Path
    round: int
    result: dict[str, Any]

    def masks(self) -> _core.MaskSet:
        """The mask set, checked against the weights it is to be laid on.

        Raises:
            MaskError: the masks were found on other weights.
        """
        masks = _core.MaskSet.load(str(self.mask))
        belongs = masks.meta.get("weights")
        if belongs != self.source.digest:
            raise MaskError(
                f"{self.mask} belongs to weights {belongs}, not to {self.source.path} "
                f"({self.source.digest})",
                hint="give the model file that the tickets were found on",
            )
        return masks


def apply_file(weights: Path, mask: Path, out: Path) -> tuple[int, int]:
    """Write a safetensors file with masked weights set to zero; metadata and types are kept.

    Returns:
        (kept, total) of the masks.

    Raises:
        FormatError: a file is damaged.
        MaskError: a masked tensor is missing from the weights or has another shape.
    """
    for given in (weights, mask):
        if out.exists() and out.samefile(given):
            raise UserError(f"{out} would be overwritten by itself", hint="name another -o file")
    tensors, meta = read_tensors(weights)
    masks = _core.MaskSet.load(str(mask))
    belongs, found = masks.meta.get("weights"), digest(weights)
    for name, keep in to_bool_tensors(masks, "cpu").items():
        if name not in tensors:
            raise MaskError(f"{weights} has no tensor {name!r}, which {mask} covers")
        if tensors[name].shape != keep.shape:
            raise MaskError(
                f"tensor {name!r} is {list(tensors[name].shape)} in {weights} "
                f"and {list(keep.shape)} in {mask}"
            )
        tensors[name] = tensors[name].masked_fill(~keep, 0)
    if belongs and belongs != found:
        raise MaskError(
            f"{mask} belongs to weights {belongs}, {weights} holds {found}",
            hint="apply masks to the weights they were found on",
        )
    _core.write_atomic(str(out), save(tensors, metadata=dict(meta) or None))
    return masks.kept, masks.total
