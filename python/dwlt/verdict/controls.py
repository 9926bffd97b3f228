"""Tickets against their controls: the same sparsity, found without the search.

A control is one-shot, random, layer-wise random, shuffled or re-initialised. It was transferred
as the ticket was, so that each of the four numbers can be compared:

    lead    the ticket's mean minus the control's
    error   the standard error of the difference, as in the paper's rule
    state   beyond doubt where the 95% interval of the lead does not hold zero, else unclear

How a control does against the dense network is its own verdict, which is shown beside.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from dwlt.results.names import method_names
from dwlt.verdict.groups import Group, Network
from dwlt.verdict.judge import TicketVerdict
from dwlt.verdict.outcomes import NUMBERS, Measured, Number
from dwlt.verdict.paper_rule import difference_error
from dwlt.verdict.together import GroupJudged

METHODS = ("oneshot", "random", "layerwise-random", "shuffled", "reinit")
"""The controls in the order of a table; any others come after them."""


class Lead(StrEnum):
    """Which of the two is better on one number."""

    TICKET = "ticket"
    CONTROL = "control"
    UNCLEAR = "unclear"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Difference:
    """One number of a ticket and of a control; None where it cannot be said."""

    number: Number
    measured: Measured | None
    lead: float | None
    error: float | None
    state: Lead


@dataclass(frozen=True, slots=True)
class Control:
    """A control network of one round, with its own verdict and its distance to the ticket.

    ``slug`` is that of its own group.
    """

    name: str
    slug: str
    group: Group
    network: Network
    verdict: TicketVerdict
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Round:
    """A ticket and its controls in the order of METHODS."""

    network: Network
    ticket: TicketVerdict
    controls: tuple[Control, ...]


@dataclass(frozen=True, slots=True)
class ControlTable:
    """The rounds of one group that have controls."""

    group: GroupJudged
    rounds: tuple[Round, ...]

    def tally(self) -> dict[str, Counter[Lead]]:
        """How often ticket or control leads, over rounds and numbers, by the control's name."""
        found: dict[str, Counter[Lead]] = {}
        for round_ in self.rounds:
            for control in round_.controls:
                states = (difference.state for difference in control.differences)
                found.setdefault(control.name, Counter()).update(states)
        return found


def control_tables(groups: Sequence[GroupJudged]) -> tuple[ControlTable, ...]:
    """One table per group of an iterative search that has a control to be held against."""
    searched = [verdict for verdict in groups if not verdict.group.prune.control]
    drawn = [verdict for verdict in groups if verdict.group.prune.control]
    tables = []
    for verdict in searched:
        controls = [other for other in drawn if _belongs(other.group, verdict.group, searched)]
        names = method_names(control.group.prune for control in controls)
        controls.sort(key=lambda c: (_method_order(c.group.prune.method), names[c.group.prune.id]))
        rounds = tuple(_rounds(verdict, controls, names))
        if rounds:
            tables.append(ControlTable(verdict, rounds))
    return tuple(tables)


def _belongs(control: Group, ticket: Group, searched: Iterable[GroupJudged]) -> bool:
    """Whether a control is one of these tickets'.

    One made from a search is that search's alone. Any other is held against every search from
    the same weights; one-shot pruning only against those under its own regime, if there are any.
    """
    if _place(control) != _place(ticket):
        return False
    if control.prune.of is not None:
        return control.prune.of.id == ticket.prune.id
    regimes = {v.group.prune.regime for v in searched if _place(v.group) == _place(control)}
    return control.prune.regime not in regimes or control.prune.regime == ticket.prune.regime


def _place(group: Group) -> tuple[object, ...]:
    return (group.pretrain.id, group.task.name, group.fraction, group.way)


def _method_order(method: str) -> tuple[int, str]:
    known = method in METHODS
    return (METHODS.index(method) if known else len(METHODS), method)


def _rounds(
    verdict: GroupJudged, controls: Sequence[GroupJudged], names: dict[str, str]
) -> Iterator[Round]:
    for ticket in verdict.tickets:
        mine = verdict.network(ticket.ticket.round)
        found = []
        for control in controls:
            for other in control.tickets:
                network = control.network(other.ticket.round)
                if _alike(mine, network):
                    name = names[control.group.prune.id]
                    differences = tuple(_differences(verdict.group, ticket, control.group, other))
                    found.append(
                        Control(name, control.slug, control.group, network, other, differences)
                    )
        if found:
            yield Round(mine, ticket, tuple(found))


def _alike(ticket: Network, control: Network) -> bool:
    """Of the same round, and as sparse up to what rounding in each layer can make of it."""
    slack = max(len(ticket.layers), ticket.kept // 100)
    return ticket.round == control.round and abs(ticket.kept - control.kept) <= slack


def _differences(
    of_ticket: Group, ticket: TicketVerdict, of_control: Group, control: TicketVerdict
) -> Iterator[Difference]:
    for number in NUMBERS:
        # Other training settings would make the difference theirs.
        alike = of_ticket.recipes.get(number.regime) == of_control.recipes.get(number.regime)
        mine = ticket.ticket.numbers.get(number) if alike else None
        yield difference(number, mine, control.ticket.numbers.get(number))


def difference(number: Number, ticket: Measured | None, control: Measured | None) -> Difference:
    """Compare one number of a ticket with a control's (the rule is in the module's text)."""
    if ticket is None or control is None:
        return Difference(number, control, None, None, Lead.MISSING)
    lead = ticket.mean - control.mean
    error, reach = difference_error(ticket, control)
    if abs(lead) <= reach * error + 1e-12:
        state = Lead.UNCLEAR
    else:
        state = Lead.TICKET if lead > 0 else Lead.CONTROL
    return Difference(number, control, lead, error, state)
