"""What tickets of different searches share, counted by hand."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dwlt import _core
from dwlt.masks.overlaps import MOST_ROUNDS, MOST_SEARCHES, MaskStudy, mask_overlaps
from dwlt.report import assess, collect, write_report
from dwlt.report.export import json_text
from dwlt.report.page import render
from tests.report.make import Maker


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def masks(a: list[int], b: list[int]) -> _core.MaskSet:
    """Two layers, of 4 and 16 weights, with these indices kept."""
    found = {}
    for name, size, kept in (("a", 4, a), ("b", 16, b)):
        flat = np.zeros(size, dtype=bool)
        flat[kept] = True
        found[name] = flat
    return _core.MaskSet.from_bools(found)


LEFT = masks([0, 1], [0, 1, 2, 3])
RIGHT = masks([1, 2], [2, 3, 4, 5])


def search(make: Maker, name: str, found: _core.MaskSet, number: int = 6, **over: Any) -> Path:
    """One round of a search of this name, with its mask file."""
    layers = [{"name": layer, "kept": k, "total": t} for layer, k, t in found.layers()]
    values: dict[str, Any] = {
        "kept": found.kept,
        "total": found.total,
        "layers": layers,
        "mask": found.digest,
    }
    path = make.prune(number, name, **values | over)
    found.save(path.parent / "mask.safetensors", round=number)
    return path


def study(make: Maker) -> MaskStudy:
    return mask_overlaps(make.root, collect(make.root))


def test_overlap_by_hand(make: Maker) -> None:
    search(make, "one", LEFT)
    search(make, "two", RIGHT)
    (pair,) = study(make).pairs
    assert (pair.round, pair.left.search.name, pair.right.search.name) == (6, "one", "two")
    # Layer a: {1} of {0, 1, 2}; layer b: {2, 3} of {0..5}. Together 3 of 9.
    assert pair.both == 3
    assert pair.iou == pytest.approx(3 / 9)
    # Chance over the network: 6 * 6 / 20 = 1.8. By layer: 2 * 2 / 4 + 4 * 4 / 16 = 2.
    assert pair.lift == pytest.approx(3 / 1.8)
    assert pair.layer_lift == pytest.approx(3 / 2)
    first, second = pair.layers
    assert (first.name, first.both, first.left, first.right, first.total) == ("a", 1, 2, 2, 4)
    measures = [first.iou, first.lift, second.iou, second.lift]
    assert measures == pytest.approx([1 / 3, 1.0, 2 / 6, 2.0])


def test_nothing_kept_has_no_measure(make: Maker) -> None:
    search(make, "one", masks([], []))
    search(make, "two", masks([], []))
    (pair,) = study(make).pairs
    assert (pair.both, pair.iou, pair.lift, pair.layer_lift) == (0, None, None, None)
    assert (pair.layers[0].iou, pair.layers[0].lift) == (None, None)
    assert "Overlap of tickets" in render(assess(collect(make.root), study(make)))


def test_rounds_are_those_that_were_transferred(make: Maker) -> None:
    for name in ("one", "two"):
        for number in (1, 3, 6):
            search(make, name, LEFT, number)
    assert [pair.round for pair in study(make).pairs] == [1, 3, 6]
    make.cell(3, "standard", 90, 20)
    assert [pair.round for pair in study(make).pairs] == [3]


def test_rounds_and_searches_are_bounded(make: Maker) -> None:
    for at in range(MOST_SEARCHES + 1):
        for number in range(1, 2 * MOST_ROUNDS):
            search(make, f"s{at}", LEFT, 6, round=number)
            # One folder a round: the maker names it by the round it was told.
            folder = make.root / "prune"
            (found,) = [path for path in folder.glob(f"s{at}-*/round-06") if path.is_dir()]
            found.rename(found.parent / f"round-{number:02d}")
    found_study = study(make)
    pairs = MOST_SEARCHES * (MOST_SEARCHES - 1) // 2
    assert len(found_study.pairs) == pairs * MOST_ROUNDS
    assert {pair.round for pair in found_study.pairs} >= {1, 2 * MOST_ROUNDS - 1}
    assert [notice.code for notice in found_study.notices] == ["masks-left-out"]


def test_controls_and_a_single_search_are_not_compared(make: Maker) -> None:
    search(make, "one", LEFT)
    search(make, "two", RIGHT, method="random")
    assert study(make) == MaskStudy()


def test_files_that_cannot_be_compared_are_noted(make: Maker) -> None:
    search(make, "one", LEFT)
    search(make, "two", RIGHT)
    gone = search(make, "gone", LEFT).parent / "mask.safetensors"
    gone.unlink()
    broken = search(make, "broken", LEFT).parent / "mask.safetensors"
    broken.write_bytes(b"broken")
    search(make, "swapped", LEFT, mask="b3:another")
    search(make, "wide", _core.MaskSet.dense({"a": (4,), "c": (16,)}))
    found = study(make)
    assert len(found.pairs) == 1
    codes = sorted(notice.code for notice in found.notices)
    assert codes == ["mask-changed", "mask-missing", "masks-differ", "masks-differ", "unreadable"]
    report = assess(collect(make.root), found)
    assert {notice.code for notice in report.warnings} == set(codes)


def test_overlaps_on_the_page_and_in_files(make: Maker) -> None:
    search(make, "one", LEFT)
    search(make, "two", RIGHT)
    paths = write_report(make.root, make.root.parent / "out")
    text = paths.page.read_text(encoding="utf-8")
    assert "33.33" in text
    assert "1.50 × chance" in text
    lines = rows(paths.page.parent / "overlaps.csv")
    assert [line["layer"] for line in lines] == ["", "a", "b"]
    assert (lines[0]["both"], lines[0]["iou"], lines[0]["lift"]) == ("3", "0.333333", "1.666667")
    (pair,) = json.loads(json_text(paths.data))["mask_overlaps"]
    assert pair["layer_lift"] == pytest.approx(1.5)
    assert [layer["both"] for layer in pair["layers"]] == [1, 2]
