"""From a group of transfer results to what ``judge`` and ``frontier`` take.

Counts are in the results themselves; outcomes per image lie in files of their own, and who has
read them hands them in. A number gets bits only where every seed has them for the same images;
otherwise it is known by its counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from dwlt.results import Accuracy, TransferResult
from dwlt.results.outcomes import Outcomes
from dwlt.verdict.groups import Group, Network
from dwlt.verdict.outcomes import NUMBERS, REGIMES, Contender, Kind, Measured, Number

Lookup = Callable[[TransferResult, Kind, bool], Outcomes | None]
"""Of a cell, "sa" or "ra", and whether of one checkpoint for both: its outcomes, or None."""


def counts_only(cell: TransferResult, kind: Kind, strict: bool) -> Outcomes | None:
    """The lookup for results without outcomes per image."""
    return None


def contenders(
    group: Group,
    *,
    strict: bool = False,
    same_seeds: bool = True,
    outcomes: Lookup = counts_only,
) -> tuple[Contender | None, tuple[Contender, ...]]:
    """The dense network and the tickets of a group, as a verdict takes them.

    Args:
        strict: SA and RA both of the checkpoint with the best validation RA.
        same_seeds: whether a ticket with other seeds than the dense network is incomplete. A grid
            plans the same seeds for all, so that one which lacks is not there yet; the frontier
            gives each network as many as it needs.
        outcomes: where bits come from.
    """
    dense = None if group.dense is None else _contender(group.dense, (), strict, outcomes)
    tickets = tuple(
        _contender(net, _lacking(group.dense, net) if same_seeds else (), strict, outcomes)
        for net in group.tickets
    )
    return dense, tickets


def contender(
    network: Network, *, strict: bool = False, outcomes: Lookup = counts_only
) -> Contender:
    """One network as a verdict takes it, with whatever seeds it has; for the frontier."""
    return _contender(network, (), strict, outcomes)


def contenders_of(
    cells: Iterable[TransferResult], *, strict: bool = False, outcomes: Lookup = counts_only
) -> dict[int, Contender]:
    """The networks of some cells of one search, task and fraction by round, 0 the dense one.

    Each has the seeds that are among the cells.
    """
    return {
        round_: contender(network, strict=strict, outcomes=outcomes)
        for round_, network in _networks(cells).items()
    }


def _networks(cells: Iterable[TransferResult]) -> Mapping[int, Network]:
    """Cells of one search, task and fraction by round."""
    by_round: dict[int, dict[tuple[str, int], TransferResult]] = {}
    for cell in cells:
        by_round.setdefault(cell.round, {})[cell.regime, cell.seed] = cell
    found = {}
    for round_, of_round in sorted(by_round.items()):
        first = next(iter(of_round.values()))
        regimes: dict[str, tuple[TransferResult, ...]] = {
            regime: tuple(of_round[key] for key in sorted(of_round) if key[0] == regime)
            for regime in REGIMES
        }
        found[round_] = Network(round_, first.kept, first.total, first.layers, regimes)
    return found


def _contender(
    network: Network, missing: Sequence[str], strict: bool, outcomes: Lookup
) -> Contender:
    numbers: dict[Number, Measured] = {}
    lost = list(missing)
    for number in NUMBERS:
        cells = network.cells[number.regime]
        found = {cell.seed: _accuracy(cell, number.kind, strict) for cell in cells}
        known = {seed: accuracy for seed, accuracy in found.items() if accuracy is not None}
        if not known:
            continue
        if len({accuracy.n for accuracy in known.values()}) > 1:
            raise AssertionError("a group's numbers are measured on the same images")
        if len(known) < len(found):
            seeds = ", ".join(str(seed) for seed in sorted(set(found) - set(known)))
            lost.append(f"{number.kind.upper()} after {number.regime} transfer, seed {seeds}")
        numbers[number] = _measured(
            known, [cell for cell in cells if cell.seed in known], number.kind, strict, outcomes
        )
    return Contender(network.round, network.kept, network.total, numbers, tuple(lost))


def _accuracy(cell: TransferResult, kind: Kind, strict: bool) -> Accuracy | None:
    return cell.of_one_checkpoint(kind) if strict else cell.accuracy(kind)


def _measured(
    known: Mapping[int, Accuracy],
    cells: Sequence[TransferResult],
    kind: Kind,
    strict: bool,
    outcomes: Lookup,
) -> Measured:
    n = next(iter(known.values())).n
    found = {cell.seed: outcomes(cell, kind, strict) for cell in cells}
    kept = {seed: outcome for seed, outcome in found.items() if outcome is not None}
    images = {outcome.images for outcome in kept.values()}
    agree = all(
        outcome.bits.shape == (n,) and int(outcome.bits.sum()) == known[seed].correct
        for seed, outcome in kept.items()
    )
    if len(kept) == len(known) and len(images) == 1 and agree:
        return Measured.of_bits({s: o.bits for s, o in kept.items()}, images.pop())
    return Measured.of_counts({seed: accuracy.correct for seed, accuracy in known.items()}, n)


def _lacking(dense: Network | None, ticket: Network) -> list[str]:
    """Seeds that one of the two has and the other has not, in words."""
    found = []
    for regime in REGIMES:
        mine, other = set(ticket.seeds(regime)), set(() if dense is None else dense.seeds(regime))
        for who, lacking in (("", other - mine), (" of the dense network", mine - other)):
            if mine and other and lacking:
                plural = "s" if len(lacking) > 1 else ""
                listed = ", ".join(map(str, sorted(lacking)))
                found.append(f"{regime} transfer{who}, seed{plural} {listed}")
    return found
