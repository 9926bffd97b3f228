"""What every method of making tickets is given for a round, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch.nn import Parameter

from dwlt import _core
from dwlt.data import Task
from dwlt.errors import LedgerError, ModelError
from dwlt.masks.tensors import to_bool_tensors
from dwlt.models import Model, count_parameters, prunable, swap_head
from dwlt.models.files import Blueprint, digest, digest_of, load_into, model_bytes, read_model
from dwlt.results import Flag, flag
from dwlt.results.images import ImageIds
from dwlt.results.prune import PruneRound, RoundTraining
from dwlt.runs import layout
from dwlt.runs.context import Context
from dwlt.runs.done import finished
from dwlt.runs.plan import Search, SourceWeights
from dwlt.runs.store import Run
from dwlt.spec import PruneSpec, TrainSpec
from dwlt.stages.common import Training, score_of
from dwlt.training import TrainOutcome
from dwlt.units import derive_seed


@dataclass(frozen=True)
class RoundTicket:
    """One round's ticket.

    Attributes:
        masks: what is kept.
        weights: digest of the weights that the masks belong to.
        weights_file: where these are, relative to the run folder; None: the source's own file.
        search: what results say of the round's training; None without one.
        flags: of the training.
        files: what the round has written besides, relative to the run folder.
        ids: the images that the round used; None where it did not train.
    """

    masks: _core.MaskSet
    weights: str
    weights_file: str | None = None
    search: RoundTraining | None = None
    flags: tuple[Flag, ...] = ()
    files: list[str] = field(default_factory=list)
    ids: ImageIds | None = None


def load_masks(folder: Path, round_: int) -> _core.MaskSet:
    """The masks of a finished round of the search in ``folder``, compared with its result.

    Raises:
        LedgerError: the round is not there, or its masks are not those that its result names.
    """
    result = finished(folder, PruneRound, layout.round_step(round_))
    if result is None:
        raise LedgerError(f"{folder} has no finished round {round_}", hint="run `dwlt prune`")
    path = layout.round_folder(folder, round_) / layout.MASK
    masks = _core.MaskSet.load(str(path))
    if masks.digest != result.mask:
        raise LedgerError(
            f"{path} now holds {masks.digest}; the round ended with {result.mask}",
            hint=f"put the old file back, or remove {folder} to compute the run again",
        )
    return masks


class Rounds:
    """The rounds of one search. One model object serves all of them."""

    def __init__(
        self,
        run: Run,
        search: Search,
        source: SourceWeights,
        task: Task,
        context: Context,
        device: torch.device,
        rounds: int,
    ) -> None:
        self.run = run
        self.spec: PruneSpec = search.resolved(source)
        self.search = search
        self.source = source
        self.task = task
        self.context = context
        self.device = device
        self.rounds = rounds
        self.model: Model
        self.model, self.blueprint = read_model(source.path)
        self._require_source()
        # On another task than its own, the network needs another head.
        self.own_head = search.spec.data == search.pretraining.spec.data
        if self.own_head:
            self.blueprint.require(task)
        else:
            self.blueprint.require_channels(task)
            self._new_head()
        self.parameters = count_parameters(self.model)

    def flags(self) -> tuple[Flag, ...]:
        """What a reader of this search's sparsities must know, whatever the round."""
        part = sum(weight.numel() for weight in self.prunable().values())
        if 2 * part >= self.parameters:
            return ()
        text = self.spec.choice.text
        share = part / self.parameters
        return (flag("small-part", kinds=text, share=share, parameters=self.parameters),)

    def prunable(self) -> dict[str, Parameter]:
        """The prunable weights by ordinary name, in the order that breaks ties.

        Raises:
            ModelError: there are none.
        """
        weights = prunable(self.model, self.spec.choice)
        if not weights:
            raise ModelError(
                f"{self.blueprint.model.name} has no {self.spec.choice.text}, so there is nothing "
                "to prune",
                hint="set prune.layers to the kinds of layers to prune: conv, linear, or both",
            )
        return weights

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the prunable weights, in the same order.

        Raises:
            ModelError: there are none.
        """
        return {name: tuple(weight.shape) for name, weight in self.prunable().items()}

    def masks(self, round_: int) -> _core.MaskSet:
        """The masks of a finished round.

        Raises:
            LedgerError: they are not those that the round's result names.
        """
        return load_masks(self.run.folder, round_)

    def keep(self, before: _core.MaskSet) -> int:
        """How many weights are kept after one more round."""
        return before.kept - _core.count_to_remove(before.kept, self.spec.rate)

    def rewind(self) -> str:
        """Load the pre-trained weights anew, and prove it: the model's digest is the file's.

        Raises:
            LedgerError: the file has changed since the search began.
        """
        if self.own_head:
            load_into(self.model, self.source.path)
        else:
            self.model, _ = read_model(self.source.path)
        self._require_source()
        if not self.own_head:
            self._new_head()
        return self.source.digest

    def load(self, name: str) -> str:
        """Load weights that this search has written, and prove that they are the same ones.

        Args:
            name: relative to the run folder.

        Returns:
            Their digest.

        Raises:
            DataError: they have changed since.
        """
        load_into(self.model, self.run.folder / name)
        return self.bound(name)

    def bound(self, name: str) -> str:
        """The digest of a model file that this search has written, tied to the run.

        Raises:
            DataError: the file has changed since.
        """
        found = digest(self.run.folder / name)
        self.run.bind(name, found)
        return found

    def save(self, name: str) -> None:
        """Write the model's present weights into the run folder."""
        self.run.write(name, model_bytes(self.model, Blueprint.of(self.blueprint.model, self.task)))

    def train(
        self,
        round_: int,
        masks: _core.MaskSet,
        spec: TrainSpec,
        at_epoch: Callable[[int], None] | None = None,
    ) -> tuple[TrainOutcome, Training]:
        """Train the model from its present weights under masks, or go on with that."""
        training = Training(
            self.run,
            self.task,
            self.context,
            self.device,
            into=layout.round_name(round_),
            label=f"round {round_}/{self.rounds}",
        )
        outcome = training.fit(
            self.model,
            spec,
            augment=self.spec.data.augment,
            seed=self.spec.seed,
            scoring=self.spec.score,
            masks=to_bool_tensors(masks, self.device),
            at_epoch=at_epoch,
        )
        return outcome, training

    def training(self, under: int, start: str, outcome: TrainOutcome) -> RoundTraining:
        """What results say of a round's training.

        Args:
            under: the round whose masks it trained under.
            start: digest of the weights that it started from.
        """
        last = outcome.records[-1].validation if outcome.records else None
        validation = None if last is None else score_of(last, self.spec.score)
        return RoundTraining(validation, under_round=under, rewound_to=start)

    def base(self, round_: int) -> _core.MaskSet:
        """The masks of a round of the search that this control is made from.

        Raises:
            LedgerError: that round is not there, or its masks are not those of its result.
        """
        assert self.search.of is not None
        folder = self.search.of.folder_from(self.source)
        return load_masks(folder, round_)

    def _require_source(self) -> None:
        found = digest_of(self.model)
        if found != self.source.digest:
            raise LedgerError(
                f"{self.source.path} now holds {found}; the search began from {self.source.digest}",
                hint="put the old weights back, or start another search from these",
            )

    def _new_head(self) -> None:
        classes = len(self.task.classes)
        swap_head(self.model, classes, seed=derive_seed(self.spec.seed, "head"))


RoundMaker = Callable[[Rounds, int], RoundTicket]
"""A method: makes the ticket of a round (1 or later) from the rounds before it."""
