"""A round's cut: scores by the search's criterion, and the masks that the core makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from torch import Tensor, nn

from dwlt import _core
from dwlt.criteria import CRITERIA, Given
from dwlt.errors import MaskError, TrainingError
from dwlt.masks.tensors import apply_, score_masks, to_bool_tensors
from dwlt.results import Flag
from dwlt.results.images import ImageIds
from dwlt.runs import layout
from dwlt.spec import TrainSpec
from dwlt.stages.common import Training, used_images
from dwlt.stages.methods.round import Rounds, RoundTicket
from dwlt.training import objective_of
from dwlt.units import derive_seed

SCORES = "scores"
"""What the files of a training of scores are called by."""


@dataclass
class Cut:
    """What a cut has made.

    Attributes:
        masks: what is kept after it.
        files, flags, ids: of a training of scores; empty without one.
    """

    masks: _core.MaskSet
    files: list[str] = field(default_factory=list)
    flags: tuple[Flag, ...] = ()
    ids: ImageIds | None = None

    def ticket(self, weights: str) -> RoundTicket:
        """The ticket of a round that trained no weights.

        Args:
            weights: digest of those that the masks belong to.
        """
        return RoundTicket(self.masks, weights, flags=self.flags, files=self.files, ids=self.ids)


def cut(rounds: Rounds, round_: int, criterion: str, *, whole: bool = False) -> Cut:
    """The masks of a round, from the model's present weights.

    Where the cut is made in several steps, each by scores taken anew, the numbers of weights fall
    by the same factor from step to step.

    Args:
        rounds: of the search; the model's weights change where they are masked.
        round_: the round, 1 or later.
        criterion: its name.
        whole: take the scores of the whole network, also in later rounds, where one step is
            made; otherwise those of what is left.

    Raises:
        MaskError: a score is no number, or not of its weight's shape.
        UserError: there is no such criterion.
    """
    spec = rounds.spec
    before = rounds.masks(round_ - 1)
    found = Cut(before)
    steps = spec.iterations or CRITERIA.get(criterion).iterations
    rounds.model.to(rounds.device).eval()
    counts = [None] if spec.patterned else falling(before.kept, rounds.keep(before), steps)
    for step, keep in enumerate(counts):
        if not whole or len(counts) > 1:
            apply_(rounds.prunable(), to_bool_tensors(found.masks, rounds.device))
        scores = _scores(rounds, round_, criterion, found, keep, step)
        rounds.model.eval()
        found.masks = _select(criterion, scores, keep, found.masks, spec.scope)
    return found


def falling(start: int, end: int, steps: int) -> list[int]:
    """Numbers of weights to keep step by step, down to ``end``; those that change nothing left out.

    >>> falling(100, 25, 2)
    [50, 25]
    """
    if start == 0 or end == 0:
        return [end]
    ratio = end / start
    counts = [start, *(round(start * ratio ** (step / steps)) for step in range(1, steps)), end]
    return [after for before, after in pairwise(counts) if after < before] or [end]


def _scores(
    rounds: Rounds, round_: int, criterion: str, found: Cut, keep: int | None, step: int
) -> dict[str, Tensor]:
    spec = rounds.spec
    assert spec.train is not None
    weights, within = rounds.prunable(), found.masks
    given = Given(
        model=rounds.model,
        weights=weights,
        masks=to_bool_tensors(within, rounds.device),
        losses=lambda: _losses(rounds),
        shape=rounds.task.shape,
        seed=spec.seed,
        select=lambda scores: to_bool_tensors(_select(criterion, scores, keep, within, spec.scope)),
        fit=lambda module: _fit(rounds, round_, module, found, step),
    )
    return _checked(criterion, CRITERIA.get(criterion).score(given), weights)


def _losses(rounds: Rounds) -> Iterator[tuple[Tensor, int]]:
    """Mean loss and size of the batches that scores are taken on, in the objective's own form."""
    spec, task = rounds.spec, rounds.task
    assert spec.train is not None
    objective = objective_of(spec.train)
    masks = to_bool_tensors(_core.MaskSet.dense(rounds.shapes()), rounds.device)
    objective.begin({weight: masks[name] for name, weight in rounds.prunable().items()})
    seed = derive_seed(spec.seed, "criterion")
    left = min(spec.images, len(task.train))
    size = min(spec.train.batch_size, left)
    for step, batch in enumerate(
        task.train.train_batches(batch_size=size, seed=seed, epoch=0, device=rounds.device)
    ):
        if left <= 0:
            return
        rounds.model.eval()
        objective.start_step()
        loss, _ = objective.loss(rounds.model, batch, derive_seed(seed, "attack", step))
        yield loss, len(batch.labels)
        left -= len(batch.labels)


def _select(
    criterion: str,
    scores: Mapping[str, Tensor],
    keep: int | None,
    within: _core.MaskSet,
    scope: str,
) -> _core.MaskSet:
    try:
        return score_masks(scores, keep=keep, within=within, scope=scope)
    except MaskError as error:
        raise MaskError(f"scores by {criterion!r}: {error}", hint=error.hint) from error


def _checked(
    criterion: str, scores: Mapping[str, Tensor], weights: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The scores in the weights' order.

    Raises:
        TrainingError: one is missing, or not of its weight's shape: a criterion's own mistake.
    """
    for name, weight in weights.items():
        if name not in scores or scores[name].shape != weight.shape:
            what = "none" if name not in scores else f"shape {tuple(scores[name].shape)}"
            raise TrainingError(
                f"criterion {criterion!r} gives {what} for {name} of shape {tuple(weight.shape)}",
                hint="a criterion returns one score for each weight it was given",
            )
    return {name: scores[name] for name in weights}


def _fit(rounds: Rounds, round_: int, module: nn.Module, found: Cut, step: int) -> None:
    """Train a criterion's own parameters by the search's settings, or go on with that."""
    spec = rounds.spec
    assert isinstance(spec.train, TrainSpec)
    training = Training(
        rounds.run,
        rounds.task,
        rounds.context,
        rounds.device,
        into=layout.round_name(round_),
        label=f"scores of round {round_}/{rounds.rounds}",
        name=SCORES if step == 0 else f"{SCORES}-{step}",
    )
    outcome = training.fit(
        module,
        spec.train,
        augment=spec.data.augment,
        seed=spec.seed,
        scoring=None,
    )
    found.files += training.files
    found.flags += outcome.flags
    found.ids = used_images(outcome)
