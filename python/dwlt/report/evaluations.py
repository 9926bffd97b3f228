"""Results of ``dwlt evaluate`` as tables: one per task, images and n, which are never mixed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from dwlt.report.drawing import layout
from dwlt.report.plots import sweep_panel
from dwlt.report.table import Column, Entry, Row, Table, Value
from dwlt.report.verdicts import accuracy
from dwlt.results import Accuracy, EvaluateResult, ReportData
from dwlt.units import wilson


@dataclass(frozen=True, slots=True)
class Comparable:
    """Evaluations on the very same images: their numbers may stand side by side."""

    title: str
    notes: tuple[str, ...]
    results: tuple[EvaluateResult, ...]


def comparable(evaluations: Iterable[EvaluateResult]) -> list[Comparable]:
    """Evaluations by the images they were made on, in the order of their run folders.

    The same images are: one task, one digest of the test images (or, in results that have none,
    one fingerprint of the whole task), one n. Two groups of one task and n differ in their images,
    and their titles say so.
    """
    groups: dict[tuple[str, str, int], list[EvaluateResult]] = {}
    for result in evaluations:
        task = result.run.task
        images = result.images or task.fingerprint
        groups.setdefault((task.name, images, result.test.sa.n), []).append(result)
    found = []
    for (name, images, n), results in groups.items():
        twins = [key for key in groups if (key[0], key[2]) == (name, n)]
        other = f", images {images[:8]}" if len(twins) > 1 else ""
        notes = tuple(dict.fromkeys(note for one in results for note in one.run.task.notes))
        found.append(Comparable(f"{name}, n = {n:,}{other}", notes, tuple(results)))
    return found


def evaluation_table(group: Comparable) -> Table:
    """Evaluations on the same images."""
    columns = (
        Column("model", "Model", "model", left=True, first=True, look="wrap"),
        Column("attack", "Attack", "attack", left=True, look="wrap"),
        Column("sa", "SA", left=True),
        Column("ra", "RA", left=True),
        Column("chain", "After each attack", "after each attack", left=True, look="wrap", drop=1),
        Column("flags", "Flags", "flags", left=True, look="wrap", drop=2),
    )
    rows = []
    for result in group.results:
        cells: dict[str, Value] = {
            "model": Entry(model_title(result), small=(result.run.label,)),
            "attack": result.test.attack,
            "sa": interval(result.test.sa),
            "ra": interval(result.test.ra),
            "chain": chain(result),
            "flags": ", ".join(flag.code for flag in result.run.flags) or "–",
        }
        rows.append(Row(cells))
    notes = f" {'; '.join(group.notes)}." if group.notes else ""
    title = f"Evaluations on {group.title}"
    return Table("evaluations", title, columns, tuple(rows), f"{group.title}.{notes}")


def corruption_table(result: EvaluateResult) -> Table:
    """SA by corruption and severity, in percent, with the mean over severities."""
    severities = [str(severity) for severity in range(1, 6)]
    columns = (
        Column("name", "Corruption", left=True, first=True),
        *(Column(severity, severity) for severity in severities),
        Column("mean", "mean"),
    )
    rows: dict[str, dict[str, Accuracy]] = {}
    for one in result.corruptions:
        rows.setdefault(one.name, {})[str(one.severity)] = one.sa
    words = (
        f"SA in percent on corrupted images by severity, {model_title(result)} "
        f"({result.run.label}), n = {result.corruptions[0].sa.n:,} for each number."
    )
    made = []
    for name, shares in rows.items():
        mean = sum(one.value for one in shares.values()) / len(shares)
        cells = {severity: accuracy(one) for severity, one in shares.items()}
        made.append(Row({"name": name, **cells, "mean": f"{100 * mean:.2f}"}))
    return Table("corruptions", f"Corruptions, {result.run.label}", columns, tuple(made), words)


def pretrain_table(data: ReportData) -> Table:
    """Accuracies of pre-trainings, which no verdict is about."""
    columns = (
        Column("run", "Run", left=True, first=True),
        Column("what", "What", left=True, look="wrap"),
        Column("task", "Task", left=True, look="wrap"),
        Column("sa", "SA"),
        Column("ra", "RA"),
        Column("n", "n"),
        Column("attack", "Attack", left=True),
    )
    rows = []
    for result in data.pretrain:
        cells: dict[str, Value] = {
            "run": Entry("pretrain", small=(result.run.label,)),
            "what": f"{result.regime}, seed {result.seed}",
            "task": result.run.task.name,
            "sa": accuracy(result.test.sa),
            "ra": accuracy(result.test.ra),
            "n": result.test.sa.n,
            "attack": result.test.attack,
        }
        rows.append(Row(cells))
    return Table("pretrain", "Pre-training", columns, tuple(rows))


def model_title(result: EvaluateResult) -> str:
    """The model's path, the masks that were laid on it, and where its attack was made."""
    parts = [result.model]
    if result.mask is not None:
        parts.append(f"masks {result.mask}")
    if result.source is not None:
        parts.append(f"attack made on {result.source}")
    return ", ".join(parts)


def interval(share: Accuracy | None) -> str:
    """Percent with the 95% Wilson interval, "79.00 [70.02, 85.83]", or a dash."""
    if share is None:
        return "–"
    low, high = wilson(share.correct, share.n)
    return f"{100 * share.value:.2f} [{100 * low:.2f}, {100 * high:.2f}]"


def chain(result: EvaluateResult) -> str:
    """RA after each attack, "apgd-ce 45.00, apgd-t 44.00": of one attack, RA says it all."""
    if len(result.attacks) < 2:
        return "–"
    return ", ".join(f"{one.name} {100 * one.after.value:.2f}" for one in result.attacks)


def evaluation_context(data: ReportData) -> dict[str, Any]:
    """What ``evaluations.html`` shows; nothing where ``dwlt evaluate`` was never run."""
    if not data.evaluate:
        return {}
    return {
        "tables": [evaluation_table(group) for group in comparable(data.evaluate)],
        "sweeps": [
            {
                "plot": layout(sweep_panel(sweep_points(result))),
                "model": f"{model_title(result)} ({result.run.label})",
                "task": result.run.task.name,
                "n": result.test.sa.n,
            }
            for result in data.evaluate
            if result.sweep
        ],
        "corruptions": [corruption_table(result) for result in data.evaluate if result.corruptions],
    }


def sweep_points(result: EvaluateResult) -> list[tuple[str, float, float, float]]:
    """The points of a curve over eps: eps, RA and its interval."""
    return [(point.eps, point.ra.value, point.low, point.high) for point in result.sweep]
