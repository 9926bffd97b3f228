"""A whole experiment as an earlier version wrote it is read, and the report's numbers stay."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from dwlt.masks.overlaps import mask_overlaps
from dwlt.report import assess, collect
from dwlt.report.export import csv_files, json_text
from dwlt.results import MODELS, AttackId, TransferResult, parse
from dwlt.results.earlier import complete
from dwlt.results.files import to_json
from dwlt.spec.verdict import VerdictPart

GOLDEN = Path(__file__).parents[1] / "golden" / "runs-v1"
FILES = sorted((GOLDEN / "runs").glob("**/result.json"))


def kept(before: Any, after: Any) -> Any:
    """``after`` without the keys of objects that ``before`` does not have."""
    if isinstance(before, dict) and isinstance(after, dict):
        return {key: kept(before[key], value) for key, value in after.items() if key in before}
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return [kept(one, other) for one, other in zip(before, after, strict=True)]
    return after


WORDS = {"match": "matches", "short": "falls short", 2: 3}
"""What version 3 of the report calls what version 2 calls otherwise; and its own number."""


def translated(value: Any, key: str = "") -> Any:
    """A report of version 2 in the words of version 3."""
    if isinstance(value, dict):
        return {name: translated(one, name) for name, one in value.items()}
    if isinstance(value, list):
        return [translated(one) for one in value]
    return WORDS.get(value, value) if key in ("match", "version") else value


def rounded(value: Any) -> Any:
    """Shares with 12 decimals: sums may be taken in another order."""
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return round(value, 12) if isinstance(value, float) else value


def test_the_report_has_the_same_numbers() -> None:
    """And, by the rule that it had then, the same verdicts."""
    data = collect(GOLDEN / "runs")
    assert data.warnings == ()
    masks = mask_overlaps(GOLDEN / "runs", data)
    report = assess(data, masks, VerdictPart(rule="paper"))
    before = translated(json.loads((GOLDEN / "report.json").read_bytes()))
    assert rounded(kept(before, json.loads(json_text(report)))) == rounded(before)
    tables = csv_files(report)
    for path in sorted(GOLDEN.glob("*.csv")):
        texts = path.read_text(encoding="utf-8"), tables[path.name]
        was, now = (list(csv.reader(io.StringIO(text))) for text in texts)
        for at, name in enumerate(was[0]):
            if name.endswith("_match"):
                was[1:] = [[*r[:at], translated(r[at], "match"), *r[at + 1 :]] for r in was[1:]]
        columns = [now[0].index(name) for name in was[0]]
        assert [[row[at] for at in columns] for row in now] == was, path.name


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.parent.relative_to(GOLDEN)))
def test_what_was_written_is_kept(path: Path) -> None:
    """Read and written again, an old file has every value that it had."""
    before = json.loads(path.read_bytes())
    model = MODELS[before["stage"]]
    value = parse(path.read_bytes(), model).model_dump(
        mode="json", by_alias=True, exclude_unset=True
    )
    assert kept(before, value) == before


def test_an_attack_is_known_by_the_settings_in_the_file() -> None:
    path = next((GOLDEN / "runs" / "transfer").glob("*/result.json"))
    cell = parse(path.read_bytes(), TransferResult)
    assert cell.attack_id == AttackId(
        kind="gradient",
        norm="linf",
        eps="3/16",
        step="0.75/16",
        steps=3,
        restarts=1,
        random_start=True,
        iterate="last",
        loss="cross-entropy",
    )
    assert cell.attack == "pgd-3 linf 3/16"


SPEC = {
    "score": {
        "attack": {
            "norm": "linf",
            "eps": "8/255",
            "step": "2/255",
            "steps": 20,
            "random_start": True,
            "restarts": 1,
            "iterate": "last",
        }
    }
}


@pytest.mark.parametrize(
    ("label", "values"),
    [
        ("pgd-20 linf 8/255", {"kind": "gradient", "step": "2/255"}),
        ("pgd-20 linf 8/255, transferred", {"kind": "gradient", "made_on": "b3:other"}),
        # The settings of a file are of another attack: no more is known than the label says.
        ("pgd-50 linf 8/255", {"kind": "gradient", "steps": 50, "step": None}),
        ("pgd-50 x5 l2 1/2", {"kind": "gradient", "restarts": 5, "norm": "l2", "step": None}),
        ("autoattack linf 8/255", {"parts": ("apgd-ce", "apgd-t", "fab-t", "square")}),
        ("apgd-ce+square linf 8/255", {"parts": ("apgd-ce", "square"), "version": None}),
        ("one of my own", {"kind": "other", "name": "one of my own"}),
        ("pgd-20 linf 8/0", {"kind": "other", "name": "pgd-20 linf 8/0"}),
    ],
)
def test_labels_of_earlier_versions(label: str, values: dict[str, Any]) -> None:
    filled = complete(
        {"spec": SPEC, "starts": {"from": "b3:other"}, "test": {"sa": {}, "attack": label}}
    )
    found = filled["test"]["attack_id"]
    assert {key: getattr(found, key) for key in values} == values


def test_the_prefilter_of_earlier_versions_is_known() -> None:
    filled = complete({"spec": SPEC, "test": {"attack": "pgd-20+autoattack linf 8/255"}})
    found = filled["test"]["attack_id"]
    assert found.before.key is not None
    assert found.label == "pgd-20+autoattack linf 8/255"


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"spec": 3, "starts": [], "test": {"attack": "pgd-20 linf 8/255"}},
        {"spec": {"score": {"attack": {"norm": 1}}}, "test": {"attack": 7}, "attacks": "x"},
        {"best_sa": {"test": None}, "search": "x", "pretrain": 1, "prune": 2},
    ],
)
def test_what_is_wrong_is_left_for_the_models(value: dict[str, Any]) -> None:
    assert set(complete(value)) == set(value)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.parent.relative_to(GOLDEN)))
def test_the_bytes_of_version_1_but_for_added_keys(path: Path) -> None:
    """Sorted keys, one space of indent and the same numbers: only lines were added."""
    value = json.loads(path.read_bytes())
    written = to_json(kept(value, parse(path.read_bytes(), MODELS[value["stage"]]).values()))
    assert written == path.read_bytes()
