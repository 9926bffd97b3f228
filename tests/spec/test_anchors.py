"""The presets against their anchors: each value the same, or a row of docs/protocol.md says why."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from dwlt.errors import SpecError
from dwlt.spec import StageSpec, identity_values, load_experiment, presets
from dwlt.units import parse_fraction

ROOT = Path(__file__).parent.parent.parent
TABLE = tomllib.loads((Path(__file__).parent / "anchors.toml").read_text(encoding="utf-8"))
PARTS: list[dict[str, Any]] = TABLE["part"]
CASES = [
    pytest.param(part, preset, id=f"{preset}: {part['about']}")
    for part in PARTS
    for preset in part["presets"]
]
ANCHORED = [name for name in presets() if re.fullmatch(r"paper-\w+(-32)?|cifar-resnet18", name)]


def resolved(preset: str, stage: str, regime: str) -> StageSpec:
    """The spec of a stage as a run of the preset would have it."""
    changes = [] if stage == "transfer" else [f"{stage}.regime={regime}"]
    experiment = load_experiment(preset, changes=changes)
    if stage == "transfer":
        return experiment.transfer_spec(regime, 0, experiment.seed)
    return experiment.pretrain_spec() if stage == "pretrain" else experiment.prune_spec()


def at(values: Mapping[str, Any], key: str) -> Any:
    """The value under a dotted key. A name that no spec has is a mistake in the table."""
    for name in key.split("."):
        values = values[name]
    return values


def plain(value: Any) -> Any:
    """Radii by value, lists as tuples."""
    if isinstance(value, str):
        try:
            return parse_fraction(value)
        except SpecError:
            return value
    if isinstance(value, list | tuple):
        return tuple(plain(one) for one in value)
    return value if isinstance(value, bool) or not isinstance(value, int) else Fraction(value)


def keys(values: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """Dotted keys of all values that are no tables."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from keys(value, f"{before}{name}.")
        else:
            yield before + name


def rows() -> set[str]:
    """The first cells of the tables that docs/protocol.md has on the presets."""
    text = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    _, _, text = text.partition("## The presets and their anchors\n")
    text, _, _ = text.partition("\n## ")
    return {line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")}


@pytest.mark.parametrize(("part", "preset"), CASES)
def test_a_preset_does_what_its_anchor_does_or_what_the_table_says(
    part: dict[str, Any], preset: str
) -> None:
    values = resolved(preset, part["stage"], part["regime"]).model_dump(mode="json")
    for key, value in {**part.get("same", {}), **part.get("dwlt", {})}.items():
        assert plain(at(values, key)) == plain(value), key
    for key, one in part.get("differs", {}).items():
        assert plain(at(values, key)) == plain(one["ours"]), key
        # What has come to agree belongs under "same", and its row goes.
        assert plain(one["anchor"]) != plain(one["ours"]), key


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part["about"])
def test_every_difference_has_its_row(part: dict[str, Any]) -> None:
    named = {one["row"] for one in part.get("differs", {}).values()}
    assert named | set(part.get("missing", {}).values()) <= rows()


@pytest.mark.parametrize("preset", ANCHORED)
@pytest.mark.parametrize(
    ("stage", "regime"),
    [
        *(("pretrain", regime) for regime in ("standard", "fast", "adversarial")),
        *(("prune", regime) for regime in ("standard", "fast", "adversarial")),
        *(("transfer", regime) for regime in ("standard", "adversarial")),
    ],
)
def test_no_setting_of_a_training_is_left_out(preset: str, stage: str, regime: str) -> None:
    if (preset, stage) == ("cifar-resnet18", "prune"):
        return  # every value is dwlt's, as the preset itself says
    spec = resolved(preset, stage, regime)
    train = identity_values(spec)["train"]
    said = {
        key
        for part in PARTS
        if preset in part["presets"] and (part["stage"], part["regime"]) == (stage, regime)
        for kind in ("same", "differs", "dwlt")
        for key in part.get(kind, {})
    }
    assert {f"train.{key}" for key in keys(train)} - {"train.regime"} <= said


def test_every_row_on_the_presets_is_of_use() -> None:
    used = {one["row"] for part in PARTS for one in part.get("differs", {}).values()}
    used |= {row for part in PARTS for row in part.get("missing", {}).values()}
    # What no setting and no single stage of a preset could show.
    used |= {"", "---", "loading weights", "mode of training attacks", "rounds"}
    assert rows() - used == set()


def test_sources_are_named_and_known() -> None:
    for part in PARTS:
        assert part["source"].split(":")[0] in {*TABLE["anchors"], "none"}, part["about"]
