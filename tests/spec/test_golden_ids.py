"""Run ids that users keep: those of every stage of every preset, as they have always been."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dwlt import _core
from dwlt.spec import Experiment, StageSpec, identity_values, load_experiment, presets, variants

GOLDEN: dict[str, list[str]] = json.loads(
    (Path(__file__).parent / "preset_ids.json").read_text(encoding="utf-8")
)


def stages(one: Experiment) -> list[StageSpec]:
    return [
        one.pretrain_spec(),
        one.prune_spec(),
        one.transfer_spec("standard", 0, one.seed),
        one.transfer_spec("adversarial", 0, one.seed + 1),
        one.evaluate_spec(one.downstream, one.scoring()),
    ]


def ids(experiment: Experiment) -> list[str]:
    """The ids of all stages of an experiment and of each combination of its grid.

    What a run starts from is left out here: it is a digest of files.
    """
    found = set()
    for one in (experiment, *(each.experiment for each in variants(experiment))):
        for spec in stages(one):
            stage = str(spec.model_dump()["stage"])
            values = json.dumps(identity_values(spec), sort_keys=True, separators=(",", ":"))
            found.add(f"{stage}-{_core.run_id(stage, values, {})}")
    return sorted(found)


def test_every_preset_is_pinned() -> None:
    # A new preset gets a line. A line that is there changes only with the preset's own values, and
    # then CHANGELOG.md says so.
    assert sorted(GOLDEN) == presets()


@pytest.mark.parametrize("name", GOLDEN)
def test_no_run_id_of_a_preset_ever_moves(name: str) -> None:
    assert ids(load_experiment(name)) == GOLDEN[name]
