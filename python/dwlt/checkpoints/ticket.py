"""A ticket on disk: pre-trained weights, and the masks of one round that belong to them."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from torch import nn

from dwlt import _core
from dwlt.errors import LedgerError, MaskError, ModelError
from dwlt.masks.origin import require_origin
from dwlt.masks.tensors import apply_masks
from dwlt.models import Model, load_state
from dwlt.models.files import read_tensors
from dwlt.results import PruneRound
from dwlt.runs import layout
from dwlt.runs.plan import SourceWeights


@dataclass(frozen=True)
class Ticket:
    """One round's masks together with the weights they belong to.

    Attributes:
        weights: the model file.
        mask: the mask file.
        result: the result of the round.
    """

    weights: Path
    mask: Path
    result: PruneRound

    @classmethod
    def of(cls, source: SourceWeights, folder: Path, result: PruneRound) -> Ticket:
        """The ticket of a finished round.

        Args:
            source: the weights that the search started from; the ticket's own, unless the round
                wrote others (``weights_file``).
            folder: the search's run folder.
            result: the result of the round.
        """
        own = result.weights_file
        mask = layout.round_folder(folder, result.round) / layout.MASK
        return cls(source.path if own is None else folder / own, mask, result)

    def masks(self) -> _core.MaskSet:
        """The mask set, checked against the weights it is to be laid on.

        Raises:
            LedgerError: the file holds other masks than the round's result names.
            MaskError: the masks were found on other weights.
        """
        masks = _core.MaskSet.load(str(self.mask))
        if masks.digest != self.result.mask:
            raise LedgerError(
                f"{self.mask} now holds {masks.digest}; its round ended with {self.result.mask}",
                hint="put the old file back, or remove the search's folder to run it again",
            )
        belongs = masks.meta.get("weights")
        if belongs != self.result.weights:
            raise MaskError(
                f"{self.mask} belongs to weights {belongs}, not to {self.weights} "
                f"({self.result.weights})",
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
