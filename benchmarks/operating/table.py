"""The tables of docs/protocol.md, from benchmarks/results/verdict.json."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.operating.families import ADDED
from benchmarks.operating.frontiers import FULL_GRID
from dwlt.verdict.families import PROCEDURES

START = "<!-- python -m benchmarks.verdict: start -->"
END = "<!-- python -m benchmarks.verdict: end -->"


def written(page: str, text: str) -> str:
    """The page with the text between its two marks.

    Raises:
        ValueError: the marks are not there.
    """
    before, start, rest = page.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise ValueError(f"the page has no {START} and {END}")
    return f"{before}{START}\n\n{text}\n{END}{after}"


def render(result: Mapping[str, Any]) -> str:
    """All tables, as Markdown."""
    figures = _by_images(result["figures"])
    parts = [
        _rules(figures["rules"]),
        _half(figures["half margin"]),
        _estimators(figures["estimators"]),
        _families(figures["families"]),
        _frontier(figures["frontier"]),
        _curve(figures["curve"]),
    ]
    return "\n".join(parts)


def _rules(found: Mapping[str, Any]) -> str:
    rows = [
        (n, variant, seeds, *cells)
        for n, variants in found.items()
        for variant, by_rule in variants.items()
        for seeds, cells in _rule_cells(by_rule)
    ]
    head = (
        "test images",
        "numbers and spreads",
        "seeds",
        "margin: power",
        "error",
        "one number",
        "paper: power",
        "error",
    )
    title = (
        "Both rules. Power: a ticket that is as good as the dense network is a double win. Error: "
        "one that is worse by exactly the margin on one number is (of four numbers, the worst). "
        "One number: how often that number alone matches, which bounds the error whatever the "
        "other three do."
    )
    return _table(title, head, rows)


def _rule_cells(by_rule: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for seeds, margin in sorted(by_rule["margin"].items(), key=lambda item: int(item[0])):
        paper = by_rule["paper"][seeds]
        yield (
            seeds,
            (
                _share(margin["power"]),
                _share(margin["error"]),
                _share(margin["number"]),
                _share(paper["power"]),
                _share(paper["error"]),
            ),
        )


def _half(found: Mapping[str, Any]) -> str:
    seeds = sorted(next(iter(found.values())), key=int)
    rows = [(n, *(_share(by_seeds[s]) for s in seeds)) for n, by_seeds in found.items()]
    title = "A margin half as wide: power by number of seeds."
    return _table(title, ("test images", *(f"{s} seeds" for s in seeds)), rows)


def _estimators(found: Mapping[str, Any]) -> str:
    rows = [
        (n, name, *(_share(by_seeds[s][what]) for what in ("error", "power") for s in by_seeds))
        for n, names in found.items()
        for name, by_seeds in ((k, _by_int(v)) for k, v in names.items())
    ]
    columns = (f"{what}, {seeds}" for what in ("error", "power") for seeds in (3, 5, 10))
    head = ("test images", "estimator", *columns)
    title = (
        "Candidates for the error of a difference, by number of seeds: a number that is worse by "
        "exactly the margin matches (error), one that is as good does (power); the worst of four."
    )
    return _table(title, head, rows)


def _families(found: Mapping[str, Any]) -> str:
    by_count = [(name, seeds) for seeds in ("5", "10") for name in PROCEDURES]
    shown = [*by_count, (ADDED, "5-10")]
    rows = []
    for profile, by_name in found.items():
        for name, seeds in shown:
            cell = by_name[name][seeds]
            label = name if name == ADDED else f"{name}, {seeds} seeds"
            rows.append(
                (
                    profile,
                    label,
                    _share(cell["over"]),
                    _share(cell["exact"]),
                    f"{cell['lost']:.2f}",
                    f"{cell['trainings']:.0f}",
                )
            )
    head = ("tickets", "procedure", "error", "right", "rounds lost", "trainings")
    title = (
        "Extreme sparsity over six declared rounds (224 images). Error: a ticket that is worse by "
        "the margin or more is called a win. Rounds lost: of the declared ones, by which the claim "
        "stays behind."
    )
    return _table(title, head, rows)


def _frontier(found: Mapping[str, Any]) -> str:
    rows = [
        (
            n,
            profile,
            _share(cell["over"]),
            _share(cell["exact"]),
            _share(cell["near"]),
            f"{cell['trainings']:.0f}",
            f"{cell['most']}",
            f"{FULL_GRID / cell['trainings']:.1f}x",
        )
        for n, profiles in found.items()
        for profile, cell in profiles.items()
    ]
    head = ("test images", "tickets", "error", "right", "right or one less")
    cost = ("trainings", "nine in ten", "fewer than the grid")
    title = (
        f"The frontier, held against a grid of {FULL_GRID} trainings (dense network and 20 rounds, "
        "3 seeds, 2 regimes)."
    )
    return _table(title, (*head, *cost), rows)


def _curve(found: Mapping[str, Any]) -> str:
    rows = [
        (
            seeds,
            _share(cell["coverage"]),
            _share(cell["above"]),
            _share(cell["below"]),
            f"{cell['width']:.1f}",
            f"{cell['bias']:+.1f}",
        )
        for seeds, cell in _by_int(found).items()
    ]
    head = ("seeds", "interval holds the truth", "lies above", "lies below", "width", "bias")
    title = (
        "Estimated extreme sparsity (224 images, 20 rounds, the margin is reached at round 10; "
        "width and bias in rounds)."
    )
    return _table(title, head, rows)


def _by_images(figures: Mapping[str, Any]) -> dict[str, Any]:
    """The figures with test images in the order of their number, which JSON's keys are not in."""

    def count(item: tuple[str, Any]) -> int:
        return int(item[0].replace(",", ""))

    by_images = ("rules", "half margin", "estimators", "frontier")
    return {
        name: dict(sorted(found.items(), key=count)) if name in by_images else found
        for name, found in figures.items()
    }


def _by_int(found: Mapping[str, Any]) -> dict[str, Any]:
    return dict(sorted(found.items(), key=lambda item: int(item[0])))


def _share(value: float) -> str:
    return f"{100 * value:.1f}%"


def _table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [title, "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"
