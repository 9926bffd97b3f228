"""What tickets have in common: overlap of the masks of different searches at the same round.

Two measures, both from exact counts. IoU is the share of the weights kept by either that both
keep. Chance says how many weights random masks would share: ``lift`` divides by what is expected
of masks drawn over the whole network, ``layer_lift`` by what is expected where each layer keeps
as many as it does. A lift above 1 that the layer lift does not show is agreement about layers
only, not about weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

from dwlt import _core
from dwlt.errors import FormatError, MaskError
from dwlt.results import (
    Notice,
    PruneRound,
    ReportData,
    RunRef,
    SearchRef,
    notice,
)
from dwlt.runs import layout

MOST_SEARCHES = 8
"""More than this many searches are not compared: the pairs would be more than a page can show."""

MOST_ROUNDS = 6


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison."""

    pretrain: RunRef
    search: SearchRef
    kept: int
    total: int


@dataclass(frozen=True, slots=True)
class LayerOverlap:
    """One tensor: kept in both, on the left, on the right, and all its weights."""

    name: str
    both: int
    left: int
    right: int
    total: int

    @property
    def iou(self) -> float | None:
        """Intersection over union; None where neither keeps anything."""
        union = self.left + self.right - self.both
        return self.both / union if union else None

    @property
    def lift(self) -> float | None:
        """The intersection relative to that of random masks; None where either keeps nothing."""
        expected = self.left * self.right
        return self.both * self.total / expected if expected else None


@dataclass(frozen=True, slots=True)
class Pair:
    """Two tickets of one round. Each measure is None where it has no meaning (nothing is kept)."""

    round: int
    left: Side
    right: Side
    both: int
    iou: float | None
    lift: float | None
    layers: tuple[LayerOverlap, ...]

    @property
    def layer_lift(self) -> float | None:
        """The intersection relative to random masks with these counts in every layer."""
        expected = sum(x.left * x.right / x.total for x in self.layers if x.total)
        return self.both / expected if expected else None


@dataclass(frozen=True, slots=True)
class MaskStudy:
    """All pairs, by searches and round, and what could not be compared."""

    pairs: tuple[Pair, ...] = ()
    notices: tuple[Notice, ...] = field(default=())


def mask_overlaps(runs_dir: Path | str, data: ReportData) -> MaskStudy:
    """Compare the tickets of all iterative searches with each other, round by round.

    Only rounds that were transferred are looked at (all, where none were), spread over at most
    ``MOST_ROUNDS``, and the first ``MOST_SEARCHES`` searches. A mask file that is missing, damaged
    or not the one that its result names is noted and left out.
    """
    root = Path(runs_dir)
    notices: list[Notice] = []
    results = [step for step in data.prune if step.round and not step.prune.control]
    results.sort(key=_order)
    searches = list({step.prune.id: step.prune for step in results}.values())
    if len(searches) < 2:
        return MaskStudy()
    if len(searches) > MOST_SEARCHES:
        left = tuple(ref.label for ref in searches[MOST_SEARCHES:])
        notices.append(notice("prune", "masks-left-out", most=MOST_SEARCHES, searches=left))
    wanted = {ref.id for ref in searches[:MOST_SEARCHES]}
    pairs: list[Pair] = []
    for number in _rounds(data, results):
        here = [step for step in results if step.round == number and step.prune.id in wanted]
        masks = {step.prune.id: _load(root, step, notices) for step in here}
        pairs += _pairs(here, masks, notices)
    place = {ref.id: at for at, ref in enumerate(searches)}
    pairs.sort(key=lambda p: (place[p.left.search.id], place[p.right.search.id], p.round))
    return MaskStudy(tuple(pairs), tuple(sorted(set(notices))))


def _rounds(data: ReportData, results: Iterable[PruneRound]) -> Sequence[int]:
    found = sorted({step.round for step in results})
    moved = {cell.round for cell in data.transfer}
    rounds = [number for number in found if number in moved] or found
    if len(rounds) <= MOST_ROUNDS:
        return rounds
    step = (len(rounds) - 1) / (MOST_ROUNDS - 1)
    return [rounds[round(at * step)] for at in range(MOST_ROUNDS)]


def _load(root: Path, step: PruneRound, notices: list[Notice]) -> _core.MaskSet | None:
    path = layout.round_folder(root / step.run.folder, step.round) / layout.MASK
    where = path.relative_to(root).as_posix()
    if not path.is_file():
        notices.append(notice(where, "mask-missing"))
        return None
    try:
        masks = _core.MaskSet.load(path)
    except FormatError as error:
        left_out = f"{error}: left out of the overlaps"
        notices.append(notice(where, "unreadable", error=left_out))
        return None
    if masks.digest != step.mask:
        notices.append(notice(where, "mask-changed", mask=step.mask))
        return None
    return masks


def _pairs(
    steps: Sequence[PruneRound],
    masks: Mapping[str, _core.MaskSet | None],
    notices: list[Notice],
) -> Iterator[Pair]:
    for left, right in combinations(steps, 2):
        one, other = masks[left.prune.id], masks[right.prune.id]
        if one is None or other is None:
            continue
        try:
            whole, layers = one.overlap(other), one.overlaps(other)
        except MaskError as error:
            told = notice(
                left.prune.label, "masks-differ", other=right.prune.label, error=str(error)
            )
            notices.append(told)
            continue
        yield Pair(
            round=left.round,
            left=_ticket(left),
            right=_ticket(right),
            both=whole.both,
            iou=whole.iou,
            lift=whole.lift,
            layers=tuple(
                LayerOverlap(name, x.both, x.left, x.right, x.total) for name, x in layers.items()
            ),
        )


def _ticket(step: PruneRound) -> Side:
    return Side(step.pretrain, step.prune, step.kept, step.total)


def _order(step: PruneRound) -> tuple[object, ...]:
    """As the rows of the headline are ordered, then by round."""
    search = step.prune
    start = (*step.pretrain.rank, step.pretrain.label)
    return (*start, *search.rank, search.label, step.round)
