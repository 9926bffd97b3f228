"""Results of ``dwlt evaluate`` as tables: one per task, images and n, which are never mixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dwlt.report.tables import Table
from dwlt.results import Accuracy, EvaluateResult, ReportData
from dwlt.units import wilson


@dataclass(frozen=True, slots=True)
class Comparable:
    """Evaluations on the very same images: their numbers may stand side by side."""

    title: str
    notes: tuple[str, ...]
    results: tuple[EvaluateResult, ...]


def comparable(data: ReportData) -> list[Comparable]:
    """Evaluations by the images they were made on, in the order of their run folders.

    The same images are: one task, one digest of the test images (or, in results that have none,
    one fingerprint of the whole task), one n. Two groups of one task and n differ in their images,
    and their titles say so.
    """
    groups: dict[tuple[str, str, int], list[EvaluateResult]] = {}
    for result in data.evaluate:
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


def evaluation_tables(data: ReportData) -> list[Table]:
    """What ``dwlt report`` prints of evaluations."""
    head = ("model", "attack", "SA", "RA", "after each attack")
    return [
        Table(
            f"Evaluations on {group.title}",
            head,
            tuple(
                (
                    model_title(result),
                    result.test.attack or "–",
                    interval(result.test.sa),
                    interval(result.test.ra),
                    chain(result),
                )
                for result in group.results
            ),
            left=2,
        )
        for group in comparable(data)
    ]


def model_title(result: EvaluateResult) -> str:
    """The model's path, the masks that were laid on it, and where its attack was made."""
    parts = [result.model]
    if result.mask is not None:
        parts.append(f"masks {result.mask}")
    if result.source is not None:
        parts.append(f"attack made on {result.source}")
    return ", ".join(parts)


def interval(accuracy: Accuracy | None) -> str:
    """Percent with the 95% Wilson interval, "79.00 [70.02, 85.83]", or a dash."""
    if accuracy is None:
        return "–"
    low, high = wilson(accuracy.correct, accuracy.n)
    return f"{100 * accuracy.value:.2f} [{100 * low:.2f}, {100 * high:.2f}]"


def chain(result: EvaluateResult) -> str:
    """RA after each attack, "apgd-ce 45.00, apgd-t 44.00": of one attack, RA says it all."""
    if len(result.attacks) < 2:
        return "–"
    return ", ".join(f"{one.name} {100 * one.after.value:.2f}" for one in result.attacks)


def corruption_rows(result: EvaluateResult) -> Sequence[tuple[str, ...]]:
    """A row per corruption: its name, SA in percent for each severity, and their mean."""
    rows: dict[str, list[float]] = {}
    for one in result.corruptions:
        rows.setdefault(one.name, []).append(one.sa.value)
    return [
        (
            name,
            *(f"{100 * share:.2f}" for share in shares),
            f"{100 * sum(shares) / len(shares):.2f}",
        )
        for name, shares in rows.items()
    ]
