"""Every verdict on a group: both rules, one checkpoint or two, and which of them decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dwlt.spec.verdict import Rule, VerdictPart
from dwlt.verdict.contenders import Lookup, contenders, counts_only
from dwlt.verdict.groups import Group
from dwlt.verdict.judge import Judged, judge
from dwlt.verdict.outcomes import Contender

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
    """

    group: Group
    settings: VerdictPart
    views: Mapping[View, Judged]
    dense: Mapping[bool, Contender | None]

    @property
    def decides(self) -> Judged:
        """The verdict that the settings choose; the others stand beside it."""
        return self.views[View(self.settings.rule, self.settings.strict)]


def judge_group(
    group: Group,
    settings: VerdictPart | None = None,
    *,
    same_seeds: bool = True,
    outcomes: Lookup = counts_only,
    curves: bool = True,
) -> GroupJudged:
    """Judge a group in every way.

    Args:
        settings: the defaults where None.
        same_seeds: see ``contenders``.
        outcomes: where outcomes per image come from.
        curves: whether to estimate the extreme sparsity, which takes a bootstrap.

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
    return GroupJudged(group, part, views, networks)
