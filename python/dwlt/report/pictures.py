"""What people look at: images with their attacks, first filters, and the course of trainings.

For the dense network and the sparsest winner of each search; without a winner, the sparsest ticket.
Files that are missing are passed over, since older runs have none; damaged ones become warnings.
"""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dwlt.errors import FormatError
from dwlt.report.content import Report
from dwlt.report.drawing import layout
from dwlt.report.plots import Mark, Panel, PlotLine, choose_ticks
from dwlt.results import Notice, TransferResult, notice
from dwlt.results.pictures import Pictures, read_pictures
from dwlt.runs import layout as places
from dwlt.units import sparsity_text
from dwlt.verdict.groups import REGIMES
from dwlt.verdict.together import GroupJudged

SIDE = 96
"""Larger images are made smaller: the page holds them all."""

MASKED = (255, 176, 0)
"""Amber, which no grey and few filters are."""


@dataclass
class Gallery:
    """What ``pictures.html`` and ``training.html`` show, group by group."""

    pictures: list[dict[str, Any]] = field(default_factory=list)
    trainings: list[dict[str, Any]] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)


def gallery(runs: Path | str, report: Report) -> Gallery:
    """Read the pictures and metrics behind a report's searches."""
    found = Gallery()
    root = Path(runs)
    for verdict in report.searched:
        cells = dict(_cells(verdict, report))
        shown = [one for name, cell in cells.items() if (one := _pictures(root, name, cell, found))]
        if shown:
            found.pictures.append({"title": verdict.title, "networks": shown})
        drawn = [one for one in _trainings(root, verdict, cells, found) if one["plots"]]
        if drawn:
            found.trainings.append({"title": verdict.title, "trainings": drawn})
    return found


def _cells(verdict: GroupJudged, report: Report) -> Iterator[tuple[str, TransferResult]]:
    """The dense network's and the winner's transfers of the lowest seed, by their names."""
    won = report.decides(verdict)
    tickets = verdict.group.tickets
    sparsest = min(tickets, key=lambda net: net.kept, default=None)
    ticket = sparsest if won is None else verdict.network(won.round)
    for network in filter(None, (verdict.group.dense, ticket)):
        name = "dense" if network.round == 0 else sparsity_text(network.kept, network.total)
        for regime in REGIMES:
            for cell in network.cells[regime][:1]:
                yield f"{name}, {regime} transfer", cell


def _pictures(root: Path, name: str, cell: TransferResult, found: Gallery) -> dict[str, Any] | None:
    path = root / cell.folder / places.PICTURES
    if not path.is_file():
        return None
    try:
        pictures = read_pictures(path)
    except FormatError as error:
        where = path.relative_to(root).as_posix()
        found.notices.append(notice(where, "unreadable", error=str(error)))
        return None
    said = pictures.classes
    numbers = zip(pictures.labels, pictures.before, pictures.after, strict=True)
    return {
        "name": name,
        "attack": pictures.attack,
        "eps": f"{255 * pictures.largest:.3g}/255",
        "images": [
            {
                "label": said[label],
                "before": said[before],
                "after": said[after],
                "right": before == label,
                "held": after == label,
                "clean": as_png(clean),
                "attacked": as_png(attacked),
                "change": as_png(grey),
            }
            for (label, before, after), clean, attacked, grey in zip(
                numbers, pictures.clean, pictures.attacked, _amplified(pictures), strict=True
            )
        ],
        "filters": as_png(sheet(pictures.filters)),
        "kept": float((pictures.filters != 0).mean()),
    }


def _amplified(pictures: Pictures) -> NDArray[np.uint8]:
    """(n, C, H, W) what was added, with its largest value as black or white and none as grey."""
    moved = 128.0 + pictures.change.astype(np.float64)
    return moved.clip(0, 255).astype(np.uint8)


def sheet(filters: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(3, H, W) filters side by side: grey is 0, ``MASKED`` is masked, colours are the channels.

    Args:
        filters: (out, in, h, w); of other than three channels, the first is shown in grey.
    """
    out, channels, high, wide = filters.shape
    shown = filters if channels == 3 else filters[:, :1].repeat(3, axis=1)
    top = float(np.abs(shown).max()) or 1.0
    pixels = (128 + 127 * shown / top).round().astype(np.uint8)
    pixels.transpose(0, 2, 3, 1)[(shown == 0).all(axis=1)] = MASKED
    columns = math.ceil(math.sqrt(2 * out))
    rows = math.ceil(out / columns)
    page = np.full((3, rows * (high + 1) + 1, columns * (wide + 1) + 1), 70, dtype=np.uint8)
    for at, one in enumerate(pixels):
        y, x = 1 + at // columns * (high + 1), 1 + at % columns * (wide + 1)
        page[:, y : y + high, x : x + wide] = one
    return page


def as_png(image: NDArray[np.uint8]) -> str:
    """A (C, H, W) image as the address of a PNG that stands in the page itself."""
    planes = image if len(image) == 3 else image[:1].repeat(3, axis=0)
    picture = Image.fromarray(np.ascontiguousarray(planes.transpose(1, 2, 0)))
    if (max(picture.size) > SIDE and len(image) != 3) or max(picture.size) > 4 * SIDE:
        picture.thumbnail((SIDE, SIDE))
    target = io.BytesIO()
    picture.save(target, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(target.getvalue()).decode()}"


def _trainings(
    root: Path, verdict: GroupJudged, cells: dict[str, TransferResult], found: Gallery
) -> Iterator[dict[str, Any]]:
    """Pre-training, the pruning round behind the ticket, and the transfers, in this order."""
    group = verdict.group
    pretrain = root / "pretrain" / group.pretrain.label
    yield _training(root, "pre-training", pretrain, {}, found)
    rounds = sorted({cell.round for cell in cells.values()} - {0})
    for number in rounds:
        folder = places.round_folder(root / "prune" / group.prune.label, number)
        yield _training(root, f"pruning, round {number}", folder, {}, found)
    for name, cell in cells.items():
        best = {"SA": cell.best_sa.epoch, "RA": cell.best_ra.epoch if cell.best_ra else None}
        yield _training(root, name, root / cell.folder, best, found)


def _training(
    root: Path, name: str, folder: Path, best: dict[str, int | None], found: Gallery
) -> dict[str, Any]:
    path = folder / places.METRICS
    if not path.is_file():
        return {"name": name, "plots": []}
    try:
        records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        panels = list(curve_panels(name, records, best)) if records else []
    except (OSError, ValueError, KeyError, TypeError) as error:
        where = path.relative_to(root).as_posix()
        found.notices.append(notice(where, "unreadable", error=f"no metrics of epochs: {error}"))
        return {"name": name, "plots": []}
    return {"name": name, "plots": [layout(panel) for panel in panels]}


def curve_panels(
    name: str, records: list[dict[str, Any]], best: dict[str, int | None]
) -> Iterator[Panel]:
    """Loss, and SA and RA on validation, by epoch.

    Args:
        records: lines of ``metrics.jsonl``.
        best: the epoch that was chosen by each of the two, which is marked.
    """
    epochs = [int(one["epoch"]) for one in records]
    ticks = tuple((float(e), str(round(e))) for e in choose_ticks(map(float, epochs)))
    loss = [(int(one["epoch"]), float(one["loss"])) for one in records]
    top = max(value for _, value in loss)
    yield Panel(
        title="Training loss",
        label=f"training loss of {name} by epoch, from {loss[0][1]:.3f} to {loss[-1][1]:.3f}",
        x_label="epoch",
        y_label="loss",
        ticks=ticks,
        lines=(PlotLine("loss", "other", "solid", _marks(loss, None)),),
        limits=(0.0, 1.05 * top or 1.0),
        unit=1.0,
    )
    lines = []
    for measure, colour in (("SA", "standard"), ("RA", "adversarial")):
        scored = [one for one in records if (one.get("validation") or {}).get(measure.lower())]
        points = [
            (int(one["epoch"]), float(one["validation"][measure.lower()]["value"]))
            for one in scored
        ]
        if points:
            marks = _marks(points, best.get(measure))
            lines.append(PlotLine(measure, colour, "solid", marks))
    if lines:
        told = ", ".join(f"{line.name} {100 * line.marks[-1].y:.1f}% at the end" for line in lines)
        yield Panel(
            title="SA (blue) and RA (orange) on validation",
            label=f"accuracy of {name} on validation by epoch: {told}",
            x_label="epoch",
            y_label="percent",
            ticks=ticks,
            lines=tuple(lines),
            limits=(0.0, 1.0),
        )


def _marks(points: list[tuple[int, float]], chosen: int | None) -> tuple[Mark, ...]:
    return tuple(
        Mark(epoch, value, value, value, "diamond" if epoch == chosen else "none", True)
        for epoch, value in points
    )
