"""One group on the page: conclusion, networks, figures, every rule, and the protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dwlt.report.drawing import layout
from dwlt.report.headline import beyond_texts
from dwlt.report.networks import margin_text
from dwlt.report.plots import group_panels
from dwlt.report.table import Column, Entry, Row, Table, Value
from dwlt.report.verdicts import estimate_text, extreme_text, verdict_cell
from dwlt.results.names import rewind_text
from dwlt.units import sparsity_text
from dwlt.verdict.controls import ControlTable
from dwlt.verdict.groups import REGIMES, Group, share
from dwlt.verdict.judge import Judged, Verdict
from dwlt.verdict.together import GroupJudged, View

_LABELS = {
    "dwlt": "dwlt",
    "torch": "PyTorch",
    "torchvision": "torchvision",
    "python": "Python",
    "platform": "system",
    "cpu": "processor",
    "cpus": "processors",
    "threads": "threads",
    "device": "device",
}

PROCEDURES = {
    "holm": "by Holm's procedure",
    "hochberg": "by Hochberg's procedure",
    "fallback": "by the fallback procedure",
    "fixed-sequence": "by testing from dense to sparse until the first failure (fixed sequence)",
}
"""How the family-wise error is held, in words."""

RULES = {"margin": "Margin", "paper": "Paper's"}


def group_context(
    verdict: GroupJudged,
    networks: Table,
    anchor: str,
    controls: ControlTable | None = None,
    *,
    drawn: bool = True,
) -> dict[str, Any]:
    """What ``group_body.html`` shows of one group.

    Args:
        networks: its table.
        anchor: where on the page it is.
        controls: to be drawn beside its tickets.
        drawn: with the four figures; many controls would make the page too heavy for little.
    """
    group = verdict.group
    lacking = [ticket for ticket in verdict.tickets if ticket.missing]
    return {
        "anchor": anchor,
        "title": verdict.title,
        "short": _short(verdict),
        "found": _found(group),
        "conclusion": conclusions(verdict),
        "pretrain": group.pretrain.label,
        "prune": group.prune.label,
        "made_from": None
        if group.prune.of is None
        else f"{group.prune.of.name}-{group.prune.of.id}",
        "networks": networks,
        "margin": margin_text(verdict),
        "missing": [
            {
                "network": sparsity_text(ticket.ticket.kept, ticket.ticket.total),
                "round": ticket.ticket.round,
                "what": "; ".join(ticket.missing),
            }
            for ticket in lacking
        ],
        "plots": [layout(panel) for panel in group_panels(verdict, controls)] if drawn else [],
        "controls": controls is not None,
        "rules": rule_table(verdict) if verdict.tickets else None,
        "tested": tested_table(verdict.margin) if verdict.margin.tested else None,
        "facts": [*_facts(group), *_environment(group)],
        "settings": settings_table(group),
    }


def _short(verdict: GroupJudged) -> str:
    text = extreme_text(verdict.decides)
    return f"extreme sparsity {text}" if verdict.extreme is not None else text


def _found(group: Group) -> str:
    """How the tickets were found, in a sentence."""
    search = group.prune
    if search.regime == "none":
        return "Found without training."
    on = f" on {search.task}" if search.task is not None else ""
    rewound = rewind_text(search.rewind)
    return f"Found under {search.regime} training{on}{', ' if rewound else ''}{rewound}."


def conclusions(verdict: GroupJudged) -> list[str]:
    """What follows from a group's numbers, and what that does not cover, in sentences."""
    judged, extreme = verdict.decides, verdict.extreme
    if not verdict.tickets:
        return ["No ticket has been transferred yet."]
    sure = f"{100 * verdict.settings.confidence:g}%"
    said = []
    if extreme is None:
        said.append(f"No ticket is shown to be a double win under {verdict.attack}.")
    else:
        count = f"round {extreme.round}: {extreme.kept:,} of {extreme.total:,} weights kept"
        shown = sparsity_text(extreme.kept, extreme.total)
        if judged.rule == "margin" and judged.tested is not None:
            over = ", ".join(map(str, judged.tested.rounds))
            said.append(
                f"Extreme sparsity under {verdict.attack}: at least {shown}, {sure} confidence "
                f"({count}). Tested over rounds {over}, with the chance of one false win or more "
                f"held over all of them {PROCEDURES.get(judged.tested.procedure, '')}."
            )
        else:
            said.append(f"Extreme sparsity under {verdict.attack}: {shown} ({count}).")
    said += [f"{text}." for text in beyond_texts(judged)]
    if judged.estimated is not None:
        told = f"Estimated from all rounds: {estimate_text(verdict)} ({sure} interval)."
        if not judged.estimated.joint.covers_seeds:
            told += " With one seed the interval is about the images alone."
        said.append(told)
    out = [number.title for number in judged.numbers if number not in judged.counted]
    if out:
        said.append(
            f"The dense network is too near to the floor on {' and on '.join(out)}: that a ticket "
            f"matches it there says nothing, so verdicts are on {len(judged.counted)} numbers."
        )
    judged_tickets = (t for t in judged.tickets if t.verdict is not Verdict.INCOMPLETE)
    notes = dict.fromkeys(note for ticket in judged_tickets for note in ticket.notes)
    return [*said, *(f"{note[:1].upper()}{note[1:]}." for note in notes)]


def rule_table(verdict: GroupJudged) -> Table:
    """Every rule on every choice of checkpoints, with the one that decides named."""
    settings = verdict.settings
    columns = [
        Column("rule", "Rule", left=True, first=True),
        Column("of", "SA and RA of", left=True),
        Column("extreme", "Extreme sparsity", left=True),
    ]
    columns += [
        Column(str(t.ticket.round), sparsity_text(t.ticket.kept, t.ticket.total), left=True)
        for t in verdict.tickets
    ]
    rows = []
    for view in (View(rule, strict) for rule in ("margin", "paper") for strict in (False, True)):
        judged = verdict.views[view]
        decides = (view.rule, view.strict) == (settings.rule, settings.strict)
        cells: dict[str, Value] = {
            "rule": Entry(RULES[view.rule], small=("decides",) if decides else ()),
            "of": "one checkpoint" if view.strict else "two checkpoints",
            "extreme": Entry(extreme_text(judged), small=tuple(beyond_texts(judged))),
        }
        for ticket in judged.tickets:
            cells[str(ticket.ticket.round)] = verdict_cell(ticket, len(judged.numbers))
        rows.append(Row(cells, "extreme" if decides else ""))
    title = f"Every rule, {verdict.title}"
    return Table("rules", title, tuple(columns), tuple(rows))


def tested_table(judged: Judged) -> Table:
    """The declared rounds with their p-values, before and after the family-wise error is held."""
    tested = judged.tested
    assert tested is not None
    known = {ticket.ticket.round: ticket for ticket in judged.tickets}
    columns = (
        Column("round", "Declared round", left=True, first=True),
        Column("sparsity", "Sparsity"),
        Column("p", "p"),
        Column("adjusted", f"p, {tested.procedure}"),
        Column("wins", "Shown", left=True),
    )
    rows = []
    for round_, adjusted in zip(tested.rounds, tested.adjusted, strict=True):
        ticket = known.get(round_)
        wins = round_ in tested.wins
        text = "double-win" if wins else "not shown"
        if round_ in tested.beyond:
            text = "double-win" if wins else "double-win by itself"
            text = f"{text}, beyond a failed ticket"
        cells: dict[str, Value] = {
            "round": str(round_),
            "sparsity": "–"
            if ticket is None
            else sparsity_text(ticket.ticket.kept, ticket.ticket.total),
            "p": "not run" if ticket is None else f"{ticket.p:.4f}",
            "adjusted": f"{adjusted:.4f}",
            "wins": Entry(text, state=Verdict.DOUBLE_WIN.value if wins else "", badge=True),
        }
        rows.append(Row(cells))
    caption = (
        "p: of “it is no double win”, the largest over the numbers. Adjusted: with the chance of "
        "one false win or more over all declared rounds held at "
        f"{100 * (1 - tested.confidence):g}%."
    )
    return Table("tested", "Declared rounds", columns, tuple(rows), caption)


def _facts(group: Group) -> list[tuple[str, str]]:
    task = group.task
    facts = [
        ("task", f"{task.name}: {len(task.classes)} classes ({_shorten(task.classes)})"),
        ("images", f"{task.train:,} training, {task.validation:,} validation, {task.test:,} test"),
        ("image shape", " × ".join(str(side) for side in task.shape)),
        *(("about the data", note) for note in task.notes),
        ("training data used", share(group.fraction)),
        ("data digest", task.fingerprint),
        ("RA", _attack(group)),
        ("selection", "best epoch by validation, one for SA and one for RA; test set read once"),
    ]
    for regime in REGIMES:
        seeds = sorted({seed for net in group.networks for seed in net.seeds(regime)})
        facts.append((f"seeds, {regime} transfer", ", ".join(map(str, seeds)) or "none yet"))
    return facts


def _attack(group: Group) -> str:
    if group.attack is None:
        return "not measured"
    values = sorted(group.attack_spec.items())
    details = ", ".join(f"{key} {_plain(value)}" for key, value in values)
    return f"{group.attack} ({details})" if details else group.attack


def _environment(group: Group) -> list[tuple[str, str]]:
    """Versions and machines; more than one of a kind are all listed."""
    environments = group.environments
    facts = []
    for key, label in _LABELS.items():
        values = sorted({env[key] for env in environments if key in env})
        if values:
            facts.append((label, "; ".join(values)))
    cells = group.cells
    seconds = sum(cell.run.seconds for cell in cells)
    said = f"{seconds / 60:,.1f} minutes in {len(cells)} transfers"
    return [*facts, ("computing time", said)]


def settings_table(group: Group) -> Table | None:
    """Training settings side by side, one row per setting that any regime has."""
    settings: dict[str, dict[str, str]] = {}
    for regime in REGIMES:
        cell = next((cell for cell in group.cells if cell.regime == regime), None)
        settings[regime] = {} if cell is None else _flatten(cell.run.spec)
    keys = sorted({key for found in settings.values() for key in found})
    columns = (
        Column("setting", "Setting", left=True, first=True, look="code"),
        *(Column(regime, f"{regime.capitalize()} transfer", left=True) for regime in REGIMES),
    )
    rows = [Row({"setting": key, **{r: settings[r].get(key) for r in REGIMES}}) for key in keys]
    return Table("settings", "Settings", columns, tuple(rows)) if rows else None


def _flatten(spec: Mapping[str, object], above: str = "") -> dict[str, str]:
    """Nested settings as dotted keys with plain text values."""
    flat: dict[str, str] = {}
    for key, value in spec.items():
        name = f"{above}{key}"
        if name in ("name", "seed", "round", "stage"):
            continue
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{name}.")
        else:
            flat[name] = _plain(value)
    return flat


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(_plain(item) for item in value) or "none"
    return "none" if value is None else str(value)


def _shorten(names: tuple[str, ...], most: int = 12) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
