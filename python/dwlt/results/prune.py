"""The result of one round of ``dwlt prune``."""

from __future__ import annotations

from typing import ClassVar

from pydantic.dataclasses import dataclass

from dwlt.results.accuracy import Score
from dwlt.results.base import NARROW, Count, Integer, Share, Text
from dwlt.results.refs import Origin, Rewound, RunRef, SearchRef
from dwlt.results.tickets import TicketResult


@dataclass(frozen=True, slots=True, config=NARROW)
class RoundTraining:
    """The training that a round's ticket was cut from.

    Attributes:
        under_round: the round whose masks it trained under.
        rewound_to: digest of the weights that it started from.
        validation: how the network scored at the training's end.
    """

    validation: Score | None
    under_round: Count | None = None
    rewound_to: Text | None = None


class PruneRound(TicketResult):
    """One finished round of a prune run.

    Attributes:
        rate: share of the kept weights that a round removes.
        mask, parent: digests of this round's masks and of those of the round before.
        weights: digest of the weights that the masks belong to.
        weights_file: where these are, relative to the run folder; None: the pre-trained file.
        search: the round's training; None for round 0 and for methods that do not train.
    """

    STAGE: ClassVar[str] = "prune"

    rate: Share
    method: Text
    criterion: Text = "magnitude"
    scope: Text = "global"
    regime: Text
    rewind: Rewound = "pretrained"
    of: Origin | None = None
    seed: Integer
    mask: Text
    parent: Text | None = None
    weights: Text
    weights_file: Text | None = None
    pretrain: RunRef
    search: RoundTraining | None = None

    @property
    def part(self) -> str:
        """The round's subfolder."""
        return f"/round-{self.round:02d}"

    @property
    def prune(self) -> SearchRef:
        """The search that this round belongs to."""
        return SearchRef(
            id=self.id,
            name=self.name,
            regime=self.regime,
            method=self.method,
            rewind=self.rewind,
            of=self.of,
            task=self.task.name,
            criterion=self.criterion,
            scope=self.scope,
        )

    @property
    def validation(self) -> Score | None:
        """How the network of the round before scored at the end of this round's training."""
        return None if self.search is None else self.search.validation
