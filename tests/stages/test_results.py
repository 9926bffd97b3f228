"""What the stages write: keys as version 1 had them and a few more, ids and outcomes that are true.

The experiment is as small as one can be: its networks learn nothing, and need not.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dwlt import _core
from dwlt.data.opened import open_data
from dwlt.grid.walk import Policy, walk
from dwlt.models import prunable
from dwlt.models.files import read_model
from dwlt.results import MODELS, TransferResult, parse
from dwlt.results.images import ids_digest
from dwlt.results.outcomes import read_outcomes
from dwlt.results.pictures import read_pictures
from dwlt.results.schema import schemas
from dwlt.runs import layout
from dwlt.runs.context import Context
from dwlt.runs.plan import Plan
from dwlt.runs.verify import verify_run
from dwlt.spec import Experiment, load_experiment
from dwlt.stages import common, evaluate
from dwlt.stages.pictures import first_of_classes
from dwlt.units import parse_fraction
from tests.results.test_schema import missing

GOLDEN = Path(__file__).parents[1] / "golden" / "runs-v1" / "runs"

SETTINGS = (
    *("source.per_class=6", "downstream.per_class=6", "model.width=2", "attack.evaluate.steps=2"),
    *("attack.adversarial.steps=1", "pretrain.train.epochs=1", "prune.rounds=1"),
    *("prune.train.epochs=1", "transfer.seeds=1", "transfer.rounds=[1]", "transfer.train.epochs=2"),
)

IN_VERSION_1 = sorted(stage for stage in MODELS if (GOLDEN / stage).is_dir())
"""Stages that version 1 had; `frontier` came later, and tests/grid looks at its file."""

ADDED = {
    "attack_id": "of a score",
    "images": "of a score",
    "values": "of a flag",
    "ids": "of a result",
    "outcomes": "of a transfer or evaluation",
    "waiting": "of a result whose session trained",
    "parameters": "of a ticket",
    "criterion": "of a search",
    "scope": "of a search",
}
"""Keys that version 1 has got since its first files."""


@dataclass(frozen=True)
class Made:
    """An experiment that was run."""

    experiment: Experiment
    context: Context

    def path(self, stage: str) -> Path:
        """The last result of a stage."""
        return max((self.context.runs / stage).glob("**/result.json"))

    def result(self, stage: str) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.path(stage).read_bytes())
        return value


def make(runs: Path, *changes: str) -> Made:
    experiment = load_experiment(changes=(*SETTINGS, *changes))
    context = Context(runs, runs, "cpu", 0, 1, lambda event: None, lambda: False, {})
    plan = Plan.of(experiment, runs, ["standard"])
    walk(plan, context, Policy(), asked=True)
    return Made(experiment, context)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    found = make(tmp_path_factory.mktemp("results") / "runs")
    model = found.path("transfer").parent / "best-sa.safetensors"
    wanted = evaluate.EvaluationRequest(found.experiment.scoring())
    evaluate.run(found.experiment, wanted, model, found.context)
    return found


def keys(value: Any, at: str = "") -> Iterator[str]:
    """Every key of a JSON value, by its place; settings are another matter, and lists are one."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield f"{at}.{key}"
            yield from () if key in ("spec", *ADDED) else keys(inner, f"{at}.{key}")
    if isinstance(value, list):
        for inner in value:
            yield from keys(inner, f"{at}[]")


@pytest.mark.parametrize("stage", IN_VERSION_1)
def test_files_have_the_keys_of_version_1_and_a_few_more(made: Made, stage: str) -> None:
    """Of one stage's files, the first that version 1 wrote and the last that is written now."""
    now = made.result(stage)
    paths = sorted(GOLDEN.glob(f"{stage}/**/result.json"))
    like = [json.loads(path.read_bytes()) for path in paths]
    before = next(one for one in like if one.get("round", 1) == 1 and one.get("method") != "random")
    new = set(keys(now)) - set(keys(before))
    assert {key.rpartition(".")[2] for key in new} <= ADDED.keys()
    assert set(keys(before)) <= set(keys(now))
    assert (now["format"], now["version"]) == (before["format"], before["version"])


@pytest.mark.parametrize("stage", IN_VERSION_1)
def test_a_file_is_its_model_written(made: Made, stage: str) -> None:
    """Read and written again, the same bytes; and no key that the schema does not describe."""
    blob = made.path(stage).read_bytes()
    value = parse(blob, MODELS[stage]).values()
    assert (json.dumps(value, indent=1, sort_keys=True) + "\n").encode() == blob
    schema = json.loads(schemas()[f"{stage}.json"])
    assert missing(value, schema, schema) == []


def digests(made: Made, which: str) -> dict[str, str]:
    spec = getattr(made.experiment, which)
    task = open_data(spec, made.context)
    return {
        name: ids_digest(split.origin, split.ids)
        for name, split in (("train", task.train), ("validation", task.validation))
    } | {"test": ids_digest(task.test.origin, task.test.ids)}


def test_results_name_the_images_that_they_stand_on(made: Made) -> None:
    source, downstream = digests(made, "source"), digests(made, "downstream")
    assert len({*source.values()}) == 3
    assert made.result("pretrain")["ids"] == source
    assert made.result("prune")["ids"] == source | {"test": None}
    cell = made.result("transfer")
    assert cell["ids"] == downstream
    for best in ("best_sa", "best_ra"):
        assert cell[best]["validation"]["images"] == downstream["validation"]
        assert cell[best]["test"]["images"] == downstream["test"]
    evaluated = made.result("evaluate")
    assert evaluated["test"]["images"] == evaluated["ids"]["test"] == downstream["test"]


@pytest.mark.parametrize(
    ("changed", "into"), [("test", "validation"), ("validation", "test"), ("train", "validation")]
)
def test_a_wrong_split_would_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str, into: str
) -> None:
    """A transfer that reports validation images as test, or chooses on the test set."""
    honest = make(tmp_path / "runs")
    expected = digests(honest, "downstream")

    def swapped(spec: Any, context: Any) -> Any:
        task = common.open_task(spec, context)
        return replace(task, **{changed: getattr(task, into)})

    monkeypatch.setattr("dwlt.stages.transfer.open_task", swapped)
    cell = honest.path("transfer").parent
    shutil.rmtree(cell)
    plan = Plan.of(honest.experiment, honest.context.runs, ["standard"])
    walk(plan, honest.context, Policy(), asked=True)
    assert honest.result("transfer")["ids"] == expected | {changed: expected[into]}


def test_pictures_show_what_was_counted(made: Made) -> None:
    folder = made.path("transfer").parent
    pictures = read_pictures(folder / layout.PICTURES)
    test = open_data(made.experiment.downstream, made.context).test
    where = first_of_classes(test.labels, 6)
    assert pictures.labels.tolist() == test.labels[where].tolist()
    shown = test.take(where).images.numpy()
    assert np.abs(pictures.clean / 255 - shown).max() <= 0.5 / 255
    right = pictures.before == pictures.labels
    bits = read_outcomes(folder / layout.OUTCOMES).bits
    assert right.tolist() == bits["best_ra.sa"][where].tolist()
    held = right & (pictures.after == pictures.labels)
    assert held.tolist() == bits["best_ra.ra"][where].tolist()
    # Every start of the attack is inside its ball, and its first step reaches the edge.
    eps = parse_fraction(str(made.result("transfer")["best_ra"]["test"]["attack_id"]["eps"]))
    assert pictures.largest == pytest.approx(eps, abs=1e-6)
    moved = pictures.attacked / 255 - pictures.clean / 255
    assert np.abs(moved).max() <= eps + 1 / 255
    model, _ = read_model(folder / layout.best("ra"))
    first = next(iter(prunable(model).values())).detach().numpy()
    assert np.array_equal(pictures.filters, first)
    assert verify_run(folder) == []


def test_pictures_are_left_out_by_a_setting_that_names_no_run(tmp_path: Path) -> None:
    made = make(tmp_path / "runs", "pictures=0", "transfer.rounds=[0]")
    folder = made.path("transfer").parent
    assert not (folder / layout.PICTURES).exists()
    shown = load_experiment(changes=(*SETTINGS, "transfer.rounds=[0]"))
    (cell,) = Plan.of(shown, made.context.runs, ["standard"]).cells
    assert cell.folder() == folder
    assert cell.result() is not None


def test_pictures_are_of_each_class_before_a_second_of_any() -> None:
    labels = np.array([0, 0, 2, 0, 1, 2])
    assert first_of_classes(labels, 3).tolist() == [0, 2, 4]
    assert first_of_classes(labels, 4).tolist() == [0, 1, 2, 4]
    assert first_of_classes(labels, 9).tolist() == [0, 1, 2, 3, 4, 5]


def test_outcomes_are_those_that_were_counted(made: Made) -> None:
    path = made.path("transfer")
    cell = parse(path.read_bytes(), TransferResult)
    file = path.parent / layout.OUTCOMES
    table = read_outcomes(file)
    assert cell.outcomes == _core.digest_file(str(file))
    assert sorted(table.bits) == ["best_ra.ra", "best_ra.sa", "best_sa.ra", "best_sa.sa"]
    for kind, best in (("sa", cell.best_sa), ("ra", cell.best_ra)):
        assert best is not None
        assert best.test.ra is not None
        assert table.bits[f"best_{kind}.sa"].sum() == best.test.sa.correct
        assert table.bits[f"best_{kind}.ra"].sum() == best.test.ra.correct
        assert not (table.bits[f"best_{kind}.ra"] & ~table.bits[f"best_{kind}.sa"]).any()
    task = open_data(made.experiment.downstream, made.context)
    assert table.ids.tolist() == task.test.ids.tolist()
    assert table.images == cell.best_sa.test.images


def test_an_evaluation_keeps_who_stood_after_each_attack(made: Made) -> None:
    result = made.result("evaluate")
    file = made.path("evaluate").parent / layout.OUTCOMES
    table = read_outcomes(file)
    assert result["outcomes"] == _core.digest_file(str(file))
    assert table.bits["sa"].astype(int).tolist() == result["samples"]["clean"]
    assert table.bits["ra"].astype(int).tolist() == result["samples"]["robust"]
    assert np.array_equal(table.bits["after.pgd-2"], table.bits["ra"])
    # The checkpoint was scored when it was transferred, with the same attack and seed.
    cell = read_outcomes(made.path("transfer").parent / layout.OUTCOMES)
    assert np.array_equal(cell.bits["best_sa.sa"], table.bits["sa"])
    assert np.array_equal(cell.bits["best_sa.ra"], table.bits["ra"])


def test_attacks_are_written_by_their_values(made: Made) -> None:
    attack = made.result("transfer")["best_ra"]["test"]["attack_id"]
    setting = made.experiment.attack.evaluate
    said = {key: attack[key] for key in ("norm", "eps", "step", "steps", "restarts", "iterate")}
    assert said == {key: getattr(setting, key) for key in said}
    assert (attack["kind"], attack["loss"]) == ("gradient", "cross-entropy")


def test_a_score_of_an_earlier_checkpoint_gets_its_attack(made: Made) -> None:
    spec = made.experiment.scoring()
    before = {"sa": {"correct": 1, "n": 2, "value": 0.5}, "ra": None, "attack": "pgd-2 linf 3/16"}
    found = common.score_of(before, spec)
    assert found.attack_id is not None
    assert found.attack_id.steps == 2
    assert found.images is None


def test_validation_is_scored_every_so_many_epochs_and_after_the_last(made: Made) -> None:
    path = made.path("transfer").parent / "metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    scored = [line["epoch"] for line in lines if line["validation"] is not None]
    assert made.experiment.score.every == 5
    assert (len(lines), scored) == (2, [2])
