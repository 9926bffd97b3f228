"""The result of ``dwlt transfer``."""

from __future__ import annotations

from typing import ClassVar

from dwlt.results.accuracy import Accuracy, Best
from dwlt.results.attack import AttackId
from dwlt.results.base import Integer, Share, Text
from dwlt.results.files import best_checkpoint
from dwlt.results.refs import RunRef, SearchRef
from dwlt.results.tickets import TicketResult


class TransferResult(TicketResult):
    """One finished transfer: a network (dense or ticket), a regime, a seed, a data fraction.

    Attributes:
        mask, weights: digests of the ticket's masks and of the weights they belong to.
        best_sa, best_ra: the checkpoints with the best SA and RA on validation.
        outcomes: digest of the file of outcomes image by image; None in older results.
    """

    STAGE: ClassVar[str] = "transfer"

    regime: Text
    seed: Integer
    fraction: Share
    mask: Text
    weights: Text
    pretrain: RunRef
    prune: SearchRef
    best_sa: Best
    best_ra: Best | None = None
    outcomes: Text | None = None

    def checkpoint(self, kind: str) -> str:
        """The place of its best-SA ("sa") or best-RA ("ra") checkpoint: stage, folder, file."""
        return f"{self.folder}/{best_checkpoint(kind)}"

    def of_one_checkpoint(self, kind: str) -> Accuracy | None:
        """SA or RA on the test set, both of the best-RA checkpoint."""
        if self.best_ra is None:
            return None
        return self.best_ra.test.sa if kind == "sa" else self.best_ra.test.ra

    def accuracy(self, kind: str) -> Accuracy | None:
        """SA of the best-SA checkpoint or RA of the best-RA checkpoint, both on the test set."""
        if kind == "sa":
            return self.best_sa.test.sa
        return self.best_ra.test.ra if self.best_ra is not None else None

    @property
    def attack(self) -> str | None:
        """The label of the attack behind RA, or None where RA was not measured."""
        if self.best_ra is None or self.best_ra.test.ra is None:
            return None
        return self.best_ra.test.attack

    @property
    def attack_id(self) -> AttackId | None:
        """The values of the attack behind RA, or None where RA was not measured."""
        return None if self.attack is None or self.best_ra is None else self.best_ra.test.attack_id
