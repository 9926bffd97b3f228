"""Random re-initialisation: a ticket's masks on weights that were never trained."""

from __future__ import annotations

from pathlib import Path

from dwlt.models import build_model
from dwlt.models.files import model_bytes, read_model
from dwlt.stages.methods.round import Rounds, RoundTicket
from dwlt.units import derive_seed

FRESH = "fresh.safetensors"
"""The newly initialised weights, the same for all rounds."""


def reinit(rounds: Rounds, round_: int) -> RoundTicket:
    """The ticket's own masks, to be laid on newly initialised weights."""
    files: list[str] = []
    if round_ == 1:
        seed = derive_seed(rounds.spec.seed, "reinit")
        rounds.run.write(FRESH, _fresh(rounds.source.path, seed))
        files = [FRESH]
    fresh = rounds.bound(FRESH)
    return RoundTicket(rounds.base(round_), fresh, FRESH, files=files)


def _fresh(path: Path, seed: int) -> bytes:
    """A model file of the same network with new weights.

    The normaliser keeps its values: it belongs to the images, not to what was learned.
    """
    old, blueprint = read_model(path)
    new = build_model(
        blueprint.model.model_copy(update={"weights": None}),
        num_classes=len(blueprint.classes),
        channels=blueprint.channels,
        image_size=blueprint.size,
        mean=tuple(old.normalise.mean.tolist()),
        std=tuple(old.normalise.std.tolist()),
        seed=seed,
    )
    # As they are: a float that went through a list and back may be rounded again.
    new.normalise.load_state_dict(old.normalise.state_dict())
    return model_bytes(new, blueprint)
