"""What a report is made of: everything that it shows, computed once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from dwlt.masks.overlaps import MaskStudy
from dwlt.report.controls import tally_table
from dwlt.report.frontier import frontier_table
from dwlt.report.headline import headline_table
from dwlt.report.masks import DensityTable, density_tables
from dwlt.report.names import group_slug, group_titles
from dwlt.report.networks import network_table
from dwlt.report.replicates import variance_table
from dwlt.report.table import Table
from dwlt.report.verified_tables import verified_table
from dwlt.results import EvaluateResult, FrontierResult, Notice, ReportData
from dwlt.runs.outcomes import NotedOutcomes
from dwlt.spec.verdict import VerdictPart
from dwlt.verdict.contenders import Lookup, counts_only
from dwlt.verdict.controls import ControlTable, control_tables
from dwlt.verdict.flags import report_flags
from dwlt.verdict.fractions import EfficiencyTable, efficiency_tables
from dwlt.verdict.groups import form_groups
from dwlt.verdict.outcomes import Contender
from dwlt.verdict.replicates import Replicated, replicate_variance
from dwlt.verdict.together import GroupJudged, judge_group
from dwlt.verdict.verified import VerifiedGroup, deciding, search_of, verify_groups


@dataclass(frozen=True)
class Report:
    """What was read, what follows from it, and what the reader must know besides.

    Attributes:
        settings: by which the tickets were judged.
        groups: in the order of the page; those of controls among them.
        controls, efficiency, densities: tables of several groups, see their modules.
        masks: how the masks of different searches overlap.
        searches: for the frontier, by the slug of the group whose tickets they are about.
        verified: verdicts under AutoAttack by the group's slug, where there are any.
        components: variance components, where an experiment was drawn anew often enough.

    The tables that several outputs show are made when the first one asks for them.
    """

    data: ReportData
    settings: VerdictPart
    groups: tuple[GroupJudged, ...]
    flags: tuple[Notice, ...]
    warnings: tuple[Notice, ...]
    controls: tuple[ControlTable, ...] = ()
    efficiency: tuple[EfficiencyTable, ...] = ()
    densities: tuple[DensityTable, ...] = ()
    masks: MaskStudy = field(default_factory=MaskStudy)
    searches: Mapping[str, FrontierResult] = field(default_factory=dict)
    verified: Mapping[str, VerifiedGroup] = field(default_factory=dict)
    components: Replicated = ()

    @property
    def searched(self) -> tuple[GroupJudged, ...]:
        """The groups of iterative searches, which the headline is about."""
        return tuple(verdict for verdict in self.groups if not verdict.group.prune.control)

    def decides(self, verdict: GroupJudged) -> Contender | None:
        """The ticket at a group's extreme sparsity, be it that of a search for the frontier."""
        return deciding(verdict, self.searches.get(verdict.slug))

    def verifies(self, evaluation: EvaluateResult) -> bool:
        """Whether an evaluation stands behind a verified verdict."""
        return (evaluation.place, evaluation.test.attack) in self._behind

    @cached_property
    def _behind(self) -> set[tuple[str, str | None]]:
        """Checkpoint and attack of what was verified."""
        return {
            (cell.checkpoint("ra"), one.stronger.label)
            for verdict in self.groups
            if (one := self.verified.get(verdict.slug)) is not None
            for cell in verdict.group.cells
        }

    @cached_property
    def headline(self) -> Table:
        """The extreme sparsities; empty where no ticket of a search was transferred."""
        return headline_table(
            self.searched, self.settings, self.anchors, self.verified, self.searches
        )

    @cached_property
    def networks(self) -> dict[str, Table]:
        """The networks of each group, by its slug."""
        return {verdict.slug: network_table(verdict) for verdict in self.groups}

    @cached_property
    def tally(self) -> Table:
        """Tickets against controls, counted; empty where there are no controls."""
        return tally_table(self.controls)

    @cached_property
    def verifications(self) -> dict[str, Table]:
        """The verified verdicts, by the slug of their group."""
        known = (verdict for verdict in self.groups if verdict.slug in self.verified)
        return {v.slug: verified_table(v, self.verified[v.slug]) for v in known}

    @cached_property
    def frontiers(self) -> Table:
        """The searches for the frontier; empty where none has ended."""
        return frontier_table(self.data.frontier)

    @cached_property
    def variance(self) -> Table:
        """Variance components of replicates; empty where there are fewer than three."""
        return variance_table(self.components)

    @cached_property
    def anchors(self) -> dict[str, str]:
        """Where on the page each group is, by its slug."""
        return {verdict.slug: f"group-{n}" for n, verdict in enumerate(self.groups, 1)}

    @property
    def apart(self) -> tuple[GroupJudged, ...]:
        """Groups of controls that stand beside their ticket in a table of controls."""
        beside = {control.slug for t in self.controls for r in t.rounds for control in r.controls}
        return tuple(verdict for verdict in self.groups if verdict.slug in beside)

    @property
    def alone(self) -> tuple[GroupJudged, ...]:
        """All other groups: each has a place of its own."""
        beside = {verdict.slug for verdict in self.apart}
        return tuple(verdict for verdict in self.groups if verdict.slug not in beside)


def assess(
    data: ReportData,
    masks: MaskStudy | None = None,
    settings: VerdictPart | None = None,
    outcomes: Lookup = counts_only,
) -> Report:
    """Group the transfers, judge every ticket, and gather all flags and warnings.

    Args:
        data: what ``collect`` read.
        masks: how the tickets' masks overlap, where mask files were looked at.
        settings: how to judge; the defaults where None.
        outcomes: where outcomes per image come from.
    """
    masks = MaskStudy() if masks is None else masks
    settings = VerdictPart() if settings is None else settings
    groups, notices = form_groups(data.transfer, data.prune)
    taken: set[str] = set()
    judged = tuple(
        judge_group(
            group,
            settings,
            outcomes=outcomes,
            # A control's own extreme sparsity is nobody's question.
            curves=not group.prune.control,
            slug=group_slug(group, taken),
            title=title,
        )
        for group, title in zip(groups, group_titles(groups), strict=True)
    )
    flags = {flag for run in data.runs for flag in run.notices}
    for result in data.prune:
        flags.update(result.notices)
    flags.update(report_flags(data, groups))
    searches = {
        verdict.slug: search
        for verdict in judged
        if (search := search_of(verdict.group, data.frontier)) is not None
    }
    warnings = {*data.warnings, *notices, *masks.notices}
    if isinstance(outcomes, NotedOutcomes):
        verified = verify_groups(judged, data, searches, outcomes, outcomes.robust)
        warnings.update(outcomes.notices)
    else:
        verified = verify_groups(judged, data, searches, outcomes, lambda _: None)
    return Report(
        data=data,
        settings=settings,
        groups=judged,
        flags=_ordered(flags),
        warnings=_ordered(warnings),
        controls=control_tables(judged),
        efficiency=efficiency_tables(judged),
        densities=density_tables(data),
        masks=masks,
        searches=searches,
        verified=verified,
        components=replicate_variance(judged, data),
    )


def _ordered(notices: set[Notice]) -> tuple[Notice, ...]:
    return tuple(sorted(notices, key=_order))


def _order(notice: Notice) -> tuple[str, str, Sequence[tuple[int, str]]]:
    """By place and code, then by text, shorter numbers first: round 3 before round 10."""
    pieces = enumerate(re.split(r"([0-9]+)", notice.text))
    return notice.where, notice.code, [(len(p) if i % 2 else 0, p) for i, p in pieces]
