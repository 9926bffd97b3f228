"""`dwlt frontier` against the full grid on the digits: `python -m benchmarks.frontier FOLDER`.

Both are computed in one runs folder, so that transfers which both ask for are trained once; what
each of them spends is counted in epochs of its own transfers, as if it had been alone. Killed
anywhere and started again, it goes on. Writes ``benchmarks/results/frontier.json`` and prints the
table of benchmarks/README.md. About twenty minutes on one idle core.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from dwlt.events import Event, Message
from dwlt.grid.frontier import find
from dwlt.grid.measured import Measurements
from dwlt.grid.target import Target, targets
from dwlt.grid.walk import Policy, walk
from dwlt.results.base import jsonable
from dwlt.results.files import environment, to_json
from dwlt.runs.context import Context
from dwlt.spec import load_experiment
from dwlt.units import sparsity_text
from dwlt.verdict.judge import Judged, judge

HERE = Path(__file__).parent
OUT = HERE / "results" / "frontier.json"

CASES = {
    "margins of the config": (),
    "margins twice as wide": ("verdict.margin_sa=8", "verdict.margin_ra=16"),
}
"""The rule that the config fixes; and one whose answer is clear, for what a clear answer costs. The
second was chosen after the first had been seen, so what it says of the tickets claims nothing."""


def tell(event: Event) -> None:
    """What a search asks for, and what went wrong."""
    if isinstance(event, Message):
        print(event.text, flush=True)


def grid(target: Target, context: Context) -> dict[str, Any]:
    """The full grid's answers: tested over the declared rounds, and estimated from all."""
    cells = target.every()
    walk(target.plan(cells), context, Policy(), asked=False)
    measured = Measurements(context.runs)
    settings = target.experiment.verdict
    networks = measured.contenders(
        [measured.result(cell) for cell in cells], strict=settings.strict
    )
    classes = len(measured.result(cells[0]).task.classes)
    tickets = [network for round_, network in networks.items() if round_ > 0]
    judged = judge(networks[0], tickets, classes, settings)
    assert judged.tested is not None
    return {
        "transfers": len(cells),
        "epochs": jsonable(target.cost(cells)),
        "tested": {
            "rounds": judged.tested.rounds,
            "adjusted p": [round(p, 6) for p in judged.tested.adjusted],
            "extreme": judged.tested.extreme,
        },
        "estimated": estimated(judged),
        "counted": [number.title for number in judged.counted],
        "sparsity": {r: sparsity_text(one.kept, one.total) for r, one in networks.items()},
        "verdicts": {one.ticket.round: one.verdict.value for one in judged.tickets},
    }


def estimated(judged: Judged) -> dict[str, Any] | None:
    """Where the curve through all rounds crosses the margin, in rounds."""
    if judged.estimated is None:
        return None
    joint = judged.estimated.joint
    return {
        "round": joint.round,
        "low": joint.low,
        "high": joint.high,
        "confidence": joint.confidence,
        "last": joint.last,
    }


def table(found: dict[str, Any]) -> str:
    """The table of benchmarks/README.md."""
    full, cheap = found["grid"], found["frontier"]
    sparsity = full["sparsity"]

    def named(round_: int | None) -> str:
        return "none" if round_ is None else f"{sparsity[round_]} (round {round_})"

    curve = full["estimated"]
    crossing = "-"
    if curve is not None:
        places = [
            "beyond" if p is None else f"{p:.1f}"
            for p in (curve[k] for k in ("round", "low", "high"))
        ]
        crossing = f"round {places[0]} [{places[1]}, {places[2]}]"
    ratio = sum(full["epochs"].values()) / sum(cheap["epochs"].values())
    lines = ["| | full grid | `dwlt frontier` |", "|---|---|---|"]
    extremes = (full["tested"]["extreme"], cheap["extreme"])
    lines.append("| extreme sparsity, tested | " + " | ".join(map(named, extremes)) + " |")
    lines.append(f"| where the curve crosses the margin | {crossing} | - |")
    lines.append(f"| transfers | {full['transfers']} | {cheap['transfers']} |")
    lines += [
        f"| epochs, {stage} | {full['epochs'][stage]:,} | {cheap['epochs'][stage]:,} |"
        for stage in ("pretrain", "prune", "transfer")
    ]
    lines.append(
        f"| epochs, all | {sum(full['epochs'].values()):,} | "
        f"{sum(cheap['epochs'].values()):,} ({ratio:.1f}x fewer) |"
    )
    return "\n".join(lines)


def main() -> None:
    """Compute both, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    asked = parser.parse_args()
    found: dict[str, Any] = {
        "config": "benchmarks/frontier.toml",
        "environment": environment("cpu"),
    }
    for name, changes in CASES.items():
        found[name] = compare(asked, changes)
        print(f"\n{name}\n{table(found[name])}\n", flush=True)
    OUT.write_bytes(to_json(jsonable(found)))


def compare(asked: argparse.Namespace, changes: tuple[str, ...]) -> dict[str, Any]:
    """One rule: what both find, and what each spends."""
    experiment = load_experiment(str(HERE / "frontier.toml"), changes)
    context = Context(
        asked.folder, asked.data_dir, "cpu", 0, experiment.threads, tell, lambda: False
    )
    (target,) = targets(experiment, context.runs)
    cheap = find(target, context, Policy()).result
    return {
        "changes": changes,
        "grid": grid(target, context),
        "frontier": {
            "extreme": cheap.extreme,
            "confidence": cheap.confidence,
            "reason": cheap.reason,
            "transfers": sum(len(step.seeds) for step in cheap.path),
            "epochs": jsonable(cheap.spent),
            "probes": jsonable(cheap.probes),
            "attempts": jsonable(cheap.attempts),
        },
    }


if __name__ == "__main__":
    main()
