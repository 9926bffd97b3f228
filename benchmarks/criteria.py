"""Criteria beside one another: `python -m benchmarks.criteria FOLDER [--case digits|cifar10]`.

One pre-training per case and a search per criterion; the tickets of three sparsities and the dense
network are transferred under both regimes with three seeds. Killed anywhere and started again, it
goes on. Writes ``benchmarks/results/criteria.json``, which the table of docs/criteria.md is made
from (`--page`). The CIFAR-10 case needs the Parquet folders of ``--data-dir``.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dwlt.events import Event, Message
from dwlt.grid.measured import Measurements
from dwlt.grid.walk import Policy, walk
from dwlt.results.base import jsonable
from dwlt.results.files import environment, to_json
from dwlt.runs.context import Context
from dwlt.runs.plan import Plan
from dwlt.spec import Experiment, load_experiment
from dwlt.units import sparsity_text
from dwlt.verdict.judge import judge
from dwlt.verdict.outcomes import NUMBERS, Contender

HERE = Path(__file__).parent
OUT = HERE / "results" / "criteria.json"
PAGE = HERE.parent / "docs" / "criteria.md"
ROUNDS = (6, 10, 13)
BEGIN, END = "<!-- table: {} -->\n", "<!-- end -->\n"

CASES: Mapping[str, tuple[str, ...]] = {
    "digits": (
        *("pretrain.train.epochs=20", "prune.train.epochs=1", "transfer.train.epochs=6"),
        *("score.every=6", "attack.adversarial.steps=3", 'attack.adversarial.step="1.5/16"'),
    ),
    # A hundredth of CIFAR-10, from a small Tiny-ImageNet, at 16x16 pixels: what three seeds of
    # seven criteria can be had for in minutes of one core.
    "cifar10": (
        *('source.task="parquet:tiny-imagenet-a"', "source.per_class=20", "source.size=16"),
        *('downstream.task="parquet:cifar10"', "downstream.per_class=70", "downstream.size=16"),
        *("source.validation=200", "source.test=200", "downstream.validation=200"),
        *("downstream.test=300", "source.augment=crop-flip", "downstream.augment=crop-flip"),
        *("model.width=8", "score.every=4", "pretrain.train.epochs=8", "pretrain.train.warmup=1"),
        *("prune.train.epochs=1", "transfer.train.epochs=4", "pretrain.train.lr=0.1"),
        *('attack.evaluate.eps="2/255"', 'attack.evaluate.step="0.5/255"'),
        *('attack.adversarial.eps="2/255"', 'attack.adversarial.step="1/255"'),
        "attack.adversarial.steps=3",
        *("verdict.margin_sa=4", "verdict.margin_ra=4"),
    ),
}
"""What differs from the embedded default."""

ONCE = ('prune.method="oneshot"', "prune.train.epochs=0")
CRITERIA: Mapping[str, tuple[str, ...]] = {
    "IMP (magnitude)": (),
    "LAMP": ('prune.criterion="lamp"',),
    "Taylor": ('prune.criterion="taylor"',),
    "SNIP": (*ONCE, 'prune.criterion="snip"'),
    # 8 steps in each of 13 rounds are the hundred that the paper takes to its last sparsity.
    "SynFlow": (*ONCE, 'prune.criterion="synflow"', "prune.iterations=8"),
    "HYDRA": (
        'prune.method="hydra"',
        'prune.scope="tensor"',
        "prune.train.lr=0.1",
        "prune.train.epochs=2",
    ),
    "random, ERK": ('prune.method="random"', 'prune.scope="erk"'),
}
"""How each is searched with. The first three train between cuts; SNIP and SynFlow score the
pre-trained network as it is; HYDRA trains scores and no weights; all losses are adversarial."""


def tell(event: Event) -> None:
    """What went wrong, and what is worth knowing."""
    if isinstance(event, Message):
        print(event.text, flush=True)


def experiment(case: str, criterion: str) -> Experiment:
    """The experiment of one line of a table."""
    changes = (
        *CASES[case],
        *CRITERIA[criterion],
        *(f"prune.rounds={ROUNDS[-1]}", f"transfer.rounds={list(ROUNDS)}", "transfer.seeds=3"),
        f'name="criteria-{case}"',
    )
    return load_experiment("digits", changes)


def compute(case: str, asked: argparse.Namespace) -> dict[str, Any]:
    """All criteria of a case, judged against the one dense network."""
    lines: dict[str, Any] = {}
    for name in CRITERIA:
        one = experiment(case, name)
        context = Context(asked.folder, asked.data_dir, "cpu", 0, one.threads, tell, lambda: False)
        plan = Plan.of(one, context.runs)
        walk(plan, context, Policy(), asked=True)
        measured = Measurements(context.runs)
        results = [measured.result(cell) for cell in plan.cells]
        networks = measured.contenders(results, strict=one.verdict.strict)
        tickets = [networks[round_] for round_ in ROUNDS]
        judged = judge(networks[0], tickets, len(results[0].task.classes), one.verdict)
        verdicts = {ticket.ticket.round: ticket.verdict.value for ticket in judged.tickets}
        lines[name] = {
            "changes": list(CRITERIA[name]),
            "dense": _numbers(networks[0]),
            "tickets": {
                ticket.round: {
                    "kept": ticket.kept,
                    "total": ticket.total,
                    "numbers": _numbers(ticket),
                    "verdict": verdicts[ticket.round],
                }
                for ticket in tickets
            },
        }
        print(f"{case}, {name}: {verdicts}", flush=True)
    return {
        "changes": list(CASES[case]),
        "margins": {"SA": one.verdict.margin_sa, "RA": one.verdict.margin_ra},
        "attack": one.attack.evaluate.label,
        "test images": results[0].best_sa.test.sa.n,
        "criteria": lines,
    }


def _numbers(network: Contender) -> dict[str, Any]:
    """Mean, standard deviation over seeds, and the seeds' own values, by number."""
    found = {}
    for number in NUMBERS:
        measured = network.numbers.get(number)
        if measured is not None:
            shares = [one / measured.n for one in measured.correct]
            found[number.key] = {
                "mean": statistics.mean(shares),
                "deviation": statistics.stdev(shares) if len(shares) > 1 else None,
                "seeds": shares,
            }
    return found


def table(case: Mapping[str, Any]) -> str:
    """The table of a case, from its JSON."""
    head = ["criterion", "sparsity", *(number.title for number in NUMBERS), "verdict"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    dense = next(iter(case["criteria"].values()))["dense"]
    lines.append(_row("dense", "0.00%", dense, ""))
    for name, line in case["criteria"].items():
        for _, ticket in sorted(line["tickets"].items(), key=lambda item: int(item[0])):
            shown = sparsity_text(ticket["kept"], ticket["total"])
            lines.append(_row(name, shown, ticket["numbers"], ticket["verdict"]))
    return "\n".join(lines) + "\n"


def _row(name: str, sparsity: str, numbers: Mapping[str, Any], verdict: str) -> str:
    cells = []
    for number in NUMBERS:
        one = numbers[number.key]
        spread = "" if one["deviation"] is None else f" ± {100 * one['deviation']:.1f}"
        cells.append(f"{100 * one['mean']:.1f}{spread}")
    return f"| {name} | {sparsity} | {' | '.join(cells)} | {verdict} |"


def page(text: str, found: Mapping[str, Any]) -> str:
    """A page with each table between its marks replaced by that of the JSON."""
    for case, values in found["cases"].items():
        begin = BEGIN.format(case)
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(END)
        text = f"{before}{begin}{table(values)}{END}{after}"
    return text


def _written() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(OUT.read_bytes()) if OUT.exists() else {"cases": {}}
    return found


def main() -> None:
    """Compute, write, fill the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    parser.add_argument("--case", choices=list(CASES), action="append")
    parser.add_argument("--page", action="store_true", help="only fill the page from the JSON")
    asked = parser.parse_args()
    if not asked.page:
        if asked.folder is None:
            parser.error("give a folder for the runs")
        found = {case: compute(case, asked) for case in asked.case or CASES}
        # Read only now: another process may have written the other case meanwhile.
        known = _written()
        known["cases"] |= found
        known["environment"] = environment("cpu")
        OUT.write_bytes(to_json(jsonable(known)))
    known = _written()
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), known), encoding="utf-8")


if __name__ == "__main__":
    main()
