"""Masks belong to the weights they were found on, by digest; on others they are refused."""

from __future__ import annotations

from pathlib import Path

from dwlt import _core
from dwlt.errors import MaskError


def require_origin(masks: _core.MaskSet, mask: Path, weights: Path) -> None:
    """Refuse masks that say they were found on other weights.

    Args:
        masks: the masks.
        mask: their file, for the message.
        weights: a safetensors file, an index, or a folder of such.

    Raises:
        FormatError: ``weights`` cannot be read.
        MaskError: the digests differ.
    """
    if masks.meta.get("weights"):
        require_digest(masks, mask, weights, _core.digest_file(weights))


def require_digest(masks: _core.MaskSet, mask: Path, weights: Path, found: str) -> None:
    """As ``require_origin``, where the weights' digest is known already.

    Args:
        masks: the masks.
        mask: their file, for the message.
        weights: the weights' file, for the message.
        found: the weights' digest, as ``_core.digest_file`` gives it.

    Raises:
        MaskError: the digests differ.
    """
    belongs = masks.meta.get("weights")
    if belongs and belongs != found:
        raise MaskError(
            f"{mask} belongs to weights {belongs}, {weights} holds {found}",
            hint="apply masks to the weights they were found on",
        )
