"""Every verdict on a group: both rules, one checkpoint or two, and which of them decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dwlt.results import AttackId
from dwlt.results.names import attack_name
from dwlt.spec.verdict import Rule, VerdictPart
from dwlt.verdict.contenders import Lookup, contenders, counts_only
from dwlt.verdict.groups import REGIMES, Group, Network
from dwlt.verdict.judge import Judged, TicketVerdict, Verdict, judge
from dwlt.verdict.outcomes import Contender, Measured, Number

RULES: tuple[Rule, ...] = ("margin", "paper")


@dataclass(frozen=True, slots=True, order=True)
class View:
    """A way to judge: by which rule, and whether SA and RA are of one checkpoint."""

    rule: Rule
    strict: bool


@dataclass(frozen=True, slots=True)
class GroupJudged:
    """A group under every rule.

    Attributes:
        group: what was judged.
        settings: by which settings.
        views: the four verdicts.
        dense: the dense network's numbers, by whether SA and RA are of one checkpoint.
        slug, title: what a report calls it, as a file and on the page.
    """

    group: Group
    settings: VerdictPart
    views: Mapping[View, Judged]
    dense: Mapping[bool, Contender | None]
    slug: str = ""
    title: str = ""

    @property
    def decides(self) -> Judged:
        """The verdict that the settings choose; the others stand beside it."""
        return self.views[View(self.settings.rule, self.settings.strict)]

    @property
    def rule(self) -> str:
        """The rule that decides."""
        return self.settings.rule

    @property
    def strict(self) -> Judged:
        """By the rule that decides, with SA and RA of one checkpoint."""
        return self.views[View(self.settings.rule, True)]

    @property
    def paper(self) -> Judged:
        """By the paper's rule, on the checkpoints of the verdict that decides."""
        return self.views[View("paper", self.settings.strict)]

    @property
    def margin(self) -> Judged:
        """By the rule with a margin, on the checkpoints of the verdict that decides."""
        return self.views[View("margin", self.settings.strict)]

    @property
    def tickets(self) -> tuple[TicketVerdict, ...]:
        """The tickets of the verdict that decides, by round."""
        return self.decides.tickets

    def dense_numbers(self, *, strict: bool | None = None) -> Mapping[Number, Measured]:
        """The dense network's numbers; of the checkpoints that decide where ``strict`` is None."""
        found = self.dense[self.settings.strict if strict is None else strict]
        return {} if found is None else found.numbers

    def network(self, round_: int) -> Network:
        """The transfers of a ticket."""
        return next(net for net in self.group.tickets if net.round == round_)

    @property
    def attack(self) -> str:
        """The attack behind RA as a headline names it."""
        return attack_name(self.attack_id)

    @property
    def attack_id(self) -> AttackId | None:
        """The values of the attack behind RA."""
        found = (cell.attack_id for cell in self.group.cells if cell.attack_id is not None)
        return next(found, None)

    @property
    def extreme(self) -> Contender | None:
        """The ticket whose sparsity is the extreme one, or None."""
        return self.decides.extreme

    @property
    def seeds(self) -> int:
        """How many seeds the headline stands on: the fewest of its networks' transfers."""
        extreme = self.extreme
        networks = self.group.networks
        if extreme is not None:
            networks = (self.network(extreme.round),)
        counts = [len(net.seeds(regime)) for net in networks for regime in REGIMES]
        return min((count for count in counts if count), default=0)

    def count(self, verdict: Verdict) -> int:
        """How many tickets have this state under the rule that decides."""
        return sum(ticket.verdict is verdict for ticket in self.tickets)


def judge_group(
    group: Group,
    settings: VerdictPart | None = None,
    *,
    same_seeds: bool = True,
    outcomes: Lookup = counts_only,
    curves: bool = True,
    slug: str = "",
    title: str = "",
) -> GroupJudged:
    """Judge a group in every way.

    Args:
        settings: the defaults where None.
        same_seeds: see ``contenders``.
        outcomes: where outcomes per image come from.
        curves: whether to estimate the extreme sparsity, which takes a bootstrap.
        slug, title: what a report calls it.

    Only the verdict that decides estimates the extreme sparsity.
    """
    part = settings or VerdictPart()
    chosen = View(part.rule, part.strict)
    views: dict[View, Judged] = {}
    networks: dict[bool, Contender | None] = {}
    for strict in (False, True):
        dense, tickets = contenders(group, strict=strict, same_seeds=same_seeds, outcomes=outcomes)
        networks[strict] = dense
        for rule in RULES:
            view = View(rule, strict)
            views[view] = judge(
                dense,
                tickets,
                max(len(group.task.classes), 2),
                part,
                rule=rule,
                curves=curves and view == chosen,
            )
    return GroupJudged(group, part, views, networks, slug, title)
