"""A ticket on disk: pre-trained weights, and the masks of one round that belong to them."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from torch import nn

from dwlt import _core
from dwlt.errors import MaskError, ModelError
from dwlt.masking import apply_masks
from dwlt.masks import require_origin
from dwlt.models import Model, load_state
from dwlt.spec import ModelSpec
from dwlt.stages.weights import read_tensors


@dataclass(frozen=True)
class Source:
    """The pre-trained weights that a search starts from.

    Attributes:
        path: the model file.
        digest: of its tensors.
        model: which network it is, as the file says.
        images: fingerprint of the images it was pre-trained on; None for a given file.
        pretrain: what results say of its origin: ``id`` (None for a given file), ``name`` and
            ``regime`` (of a given file what its importer said, else "given").
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


def load_ticket(
    model: nn.Module, weights_path: str | PathLike[str], mask_path: str | PathLike[str]
) -> None:
    """Fill a network with a ticket: the weights of a file, with the masked ones +0.0.

    Args:
        model: dwlt's or any other; its state must have the names and shapes of the file.
        weights_path: a safetensors file.
        mask_path: the mask file that was found on these weights.

    Raises:
        FormatError: a file is damaged.
        MaskError: the masks belong to other weights.
        ModelError: the weights do not fit the network; the first bad name is told.
    """
    masks = _core.MaskSet.load(mask_path)
    require_origin(masks, Path(mask_path), Path(weights_path))
    tensors, _ = read_tensors(Path(weights_path))
    if isinstance(model, Model):
        load_state(model, tensors)
    else:
        try:
            model.load_state_dict(tensors)
        except RuntimeError as error:
            raise ModelError(f"{weights_path} does not fit the network: {error}") from error
    apply_masks(model, masks)
