"""The schema files are those of the models, and a real result agrees with its schema's keys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dwlt.results import MODELS
from dwlt.results.schema import main, schemas

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "schema"
RUNS = ROOT / "tests" / "golden" / "runs-v1" / "runs"


def test_the_schema_files_are_up_to_date() -> None:
    """`make schema` (python -m dwlt.results.schema) writes them."""
    found = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    assert found == schemas()


def test_the_command_writes_the_files_that_are_compared(tmp_path: Path) -> None:
    main(tmp_path / "docs" / "schema")
    written = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.json")}
    assert written == schemas()


def test_stages_without_an_old_result_have_a_test_of_their_own() -> None:
    """tests/grid/test_frontier.py compares a result that was just made."""
    assert {path.name for path in RUNS.iterdir() if path.name in MODELS} == MODELS.keys() - {
        "frontier"
    }


@pytest.mark.parametrize("stage", sorted(MODELS.keys() - {"frontier"}))
def test_every_key_of_a_result_is_in_its_schema(stage: str) -> None:
    schema = json.loads(schemas()[f"{stage}.json"])
    path = next((RUNS / stage).glob("**/result.json"))
    assert missing(json.loads(path.read_bytes()), schema, schema) == []


def missing(value: Any, part: dict[str, Any], root: dict[str, Any], at: str = "") -> list[str]:
    """Keys of a value that the schema does not describe."""
    options = [resolve(one, root) for one in part.get("anyOf", [part])]
    if isinstance(value, dict):
        known: dict[str, Any] = {}
        for option in options:
            known |= option.get("properties", {})
            if option.get("additionalProperties"):
                return []
        found = [f"{at}.{key}" for key in value.keys() - known.keys()]
        for key in value.keys() & known.keys():
            found += missing(value[key], known[key], root, f"{at}.{key}")
        return found
    if isinstance(value, list):
        items: Any = next((one["items"] for one in options if "items" in one), {})
        return [key for one in value for key in missing(one, items, root, f"{at}[]")]
    return []


def resolve(part: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    name = part.get("$ref", "").rpartition("/")[2]
    return root["$defs"][name] if name else part
