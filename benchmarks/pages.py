"""The numbers of README and docs, from the committed results: `python -m benchmarks.pages`.

Tables stand between ``<!-- KIND: NAME [KEY=VALUE ...] -->`` and ``<!-- end -->``. NAME is a file
of ``benchmarks/results``; the keys choose among its groups (``pretrain``, ``task``, ``fraction``).
Kinds:

    table      one group, round by round
    networks   all groups, a line for each network, with its pre-training and share of the data
    extremes   the extreme sparsity of each pre-training and share of the data
    controls   on how many numbers tickets and controls differ beyond doubt
    power      which margins a pilot says can be resolved (``benchmarks.power``)

This command writes them anew, and a test compares. Numbers in prose and in printed output are in
``tests/test_numbers.py``.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from dwlt.units import share

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
NUMBERS = ("standard_sa", "standard_ra", "adversarial_sa", "adversarial_ra")
SIGNS = {
    "match": "✓",
    "matches": "✓",
    "unclear": "?",
    "fail": "✗",
    "falls short": "✗",
    "short": "✗",
}
HEAD = (
    *("round", "verdict", "sparsity", "kept", "SA, standard transfer", "RA, standard transfer"),
    *("SA, adversarial transfer", "RA, adversarial transfer", "seeds"),
)
TITLES = dict(zip(NUMBERS, HEAD[4:8], strict=True))
BLOCK = re.compile(r"(<!-- (\w+): ([^>]+?) -->\n)(.*?)(<!-- end -->)", flags=re.DOTALL)


def read(name: str) -> dict[str, Any]:
    """A committed result file."""
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_bytes())
    return found


def groups(name: str, **keys: str) -> list[dict[str, Any]]:
    """The groups of a result file that have these values."""
    return [
        one
        for one in read(name)["groups"]
        if {
            "pretrain": one["pretrain"]["regime"],
            "task": one["task"]["name"],
            "fraction": f"{one['fraction']:g}",
        }.items()
        >= keys.items()
    ]


def group(name: str, **keys: str) -> dict[str, Any]:
    """The one group of a result file that has these values.

    Raises:
        LookupError: none has them, or several have.
    """
    found = groups(name, **keys)
    if len(found) != 1:
        raise LookupError(f"{name}: {len(found)} groups with {keys}")
    return found[0]


def ticket(one: dict[str, Any], round_: int) -> dict[str, Any]:
    """A round of a group; 0 is the dense network."""
    if round_ == 0:
        return {**one["dense"], "round": 0}
    found: dict[str, Any] = next(each for each in one["tickets"] if each["round"] == round_)
    return found


def points(one: dict[str, Any], round_: int, number: str) -> float:
    """A mean in percent."""
    return 100 * float(ticket(one, round_)["numbers"][number]["mean"])


def table(name: str, **keys: str) -> str:
    """A group as a Markdown table."""
    one = group(name, **keys)
    return _markdown(HEAD, [tuple(_dense(one)), *(tuple(_ticket(each)) for each in one["tickets"])])


def networks(name: str, **keys: str) -> str:
    """Every network of some groups, without a verdict."""
    head = ("pre-training", "data", *(HEAD[place] for place in (0, 2, 3, 4, 5, 6, 7, 8)))
    rows = []
    for one in groups(name, **keys):
        before = (one["pretrain"]["regime"], share(one["fraction"]))
        lines = (tuple(_dense(one)), *(tuple(_ticket(each)) for each in one["tickets"]))
        rows += [(*before, line[0], *line[2:]) for line in lines]
    return _markdown(head, rows)


def extremes(name: str, **keys: str) -> str:
    """The extreme sparsities, by the rule that the results were judged by."""
    found = groups(name, **keys)
    shares = sorted({one["fraction"] for one in found}, reverse=True)
    regimes = [r for r in ("standard", "fast", "adversarial") if r in _regimes(found)]
    rows = []
    for regime in regimes:
        by_share = {one["fraction"]: one for one in found if one["pretrain"]["regime"] == regime}
        cells = (by_share[one]["extreme_sparsity"] if one in by_share else {} for one in shares)
        rows.append((regime, *(_extreme(cell) for cell in cells)))
    return _markdown(("pre-training", *(f"{share(one)} of the data" for one in shares)), rows)


def controls(name: str, **keys: str) -> str:
    """How often a ticket or a control is better beyond doubt, over rounds and numbers."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    for one in read(name)["controls"]:
        if not {"task": one["task"], "fraction": f"{one['fraction']:g}"}.items() >= keys.items():
            continue
        for control in one["controls"]:
            count = counts.setdefault((one["pretrain"]["regime"], control["name"]), Counter())
            count.update(number["better"] for number in control["numbers"].values())
    head = ("pre-training", "control", "ticket better", "unclear", "control better")
    rows = [
        (*key, *(str(count[kind]) for kind in ("ticket", "unclear", "control")))
        for key, count in counts.items()
    ]
    return _markdown(head, rows)


def power(name: str) -> str:
    """Spread over seeds, and the margin that 3, 5 and 8 seeds resolve."""
    found = read(name)["numbers"]
    head = ("pre-training", "data", "number", "mean", "spread over seeds", "seeds")
    more = tuple(f"margin, {count} seeds" for count in ("3", "5", "8"))
    rows = [
        (
            *(one["pretrain"], share(one["fraction"]), TITLES[one["number"]], f"{one['mean']:.2f}"),
            f"{max(one['spread'], one['disagreement']):.2f}",
            str(one["seeds"]),
            *(f"{one['margins'][count]:.1f}" for count in ("3", "5", "8")),
        )
        for one in found
    ]
    return _markdown((*head, *more), rows)


KINDS: dict[str, Callable[..., str]] = {
    "table": table,
    "networks": networks,
    "extremes": extremes,
    "controls": controls,
    "power": power,
}


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |\n" for row in (head, *rows)]
    return "".join([lines[0], "|" + "---|" * len(head) + "\n", *lines[1:]])


def _regimes(found: Iterable[dict[str, Any]]) -> set[str]:
    return {one["pretrain"]["regime"] for one in found}


def _extreme(found: dict[str, Any] | None) -> str:
    if found is None:
        return "none"
    return str(found["sparsity"]) if found else "not run"


def _dense(one: dict[str, Any]) -> Iterator[str]:
    dense = one["dense"]
    yield from ("0", "dense", "0.00%", f"{dense['total']:,}")
    yield from (_cell(dense["numbers"].get(number)) for number in NUMBERS)
    yield _seeds(dense)


def _ticket(one: dict[str, Any]) -> Iterator[str]:
    yield from (str(one["round"]), one["verdict"], one["sparsity"], f"{one['kept']:,}")
    yield from (_cell(one["numbers"].get(number)) for number in NUMBERS)
    yield _seeds(one)


def _cell(number: dict[str, Any] | None) -> str:
    if number is None:
        return "-"
    sign = SIGNS[number["match"]] if "match" in number else ""
    spread = number.get("spread")
    shown = "" if spread is None else f" ± {100 * spread:.2f}"
    return f"{100 * number['mean']:.2f}{shown}{f' {sign}' if sign else ''}"


def _seeds(one: dict[str, Any]) -> str:
    counts = sorted({len(seeds) for seeds in one["seeds"].values()})
    return " to ".join(map(str, counts))


def filled(text: str) -> str:
    """A page with its tables as the results have them."""

    def write(found: re.Match[str]) -> str:
        name, *keys = found[3].split()
        chosen = dict(key.split("=", 1) for key in keys)
        return f"{found[1]}\n{KINDS[found[2]](name, **chosen)}\n{found[5]}"

    return BLOCK.sub(write, text)


PAGES = ("README.md", "docs/results.md", "docs/study.md")


def main() -> None:
    """Write the tables of all pages."""
    for name in PAGES:
        path = ROOT / name
        path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
