from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import pytest

from dwlt.errors import BusyError, DataError, LedgerError
from dwlt.results.files import FORMAT, read_result, to_json
from dwlt.runs import layout, store
from dwlt.runs.folder import read_spec
from dwlt.spec import PretrainSpec, load_experiment
from tests.runs.folders import found_by

PLAN = [("pretrain", layout.RESULT)]


@pytest.fixture
def spec() -> PretrainSpec:
    return load_experiment().pretrain_spec()


def folder_of(spec: PretrainSpec, runs: Path) -> Path:
    return layout.run_folder(runs, "pretrain", spec.name, store.run_id("pretrain", spec, {}))


def test_run_ids_are_pinned(spec: PretrainSpec) -> None:
    # A changed id orphans every run that anybody has made: change it on purpose or not at all.
    small = spec.model_copy(update={"name": "other"})
    assert store.run_id("pretrain", spec, {}) == store.run_id("pretrain", small, {})
    values = PretrainSpec.model_validate(
        {
            "data": {"task": "digits:0-4"},
            "model": {},
            "score": {"attack": {"eps": "8/255"}},
            "train": {"epochs": 3, "batch_size": 64, "lr": 0.1},
        }
    )
    assert store.run_id("pretrain", values, {}) == "70f8359d"
    assert store.run_id("pretrain", values, {"weights": "b3:1"}) == "c7d8b23f"


def test_a_run_leaves_its_spec_and_its_result_last(spec: PretrainSpec, tmp_path: Path) -> None:
    folder = folder_of(spec, tmp_path)
    with store.Run(folder, spec, {}, PLAN) as run:
        written = tomllib.loads((folder / layout.SPEC).read_text())
        assert PretrainSpec.model_validate(written) == spec
        assert not (folder / layout.RESULT).exists()
        result = run.finish("pretrain", found_by("pretrain"), device="cpu")
        assert run.ledger.next() is None
    assert read_result(folder / layout.RESULT) == result.values()
    assert result.id == layout.id_of(folder)
    assert result.environment.device == "cpu"
    assert read_spec(folder) == written


def test_a_held_run_says_who_holds_it(spec: PretrainSpec, tmp_path: Path) -> None:
    folder = folder_of(spec, tmp_path)
    with (
        store.Run(folder, spec, {}, PLAN),
        pytest.raises(BusyError, match=f"process {os.getpid()}"),
        store.Run(folder, spec, {}, PLAN),
    ):
        pass
    with store.Run(folder, spec, {}, PLAN) as again:
        assert again.ledger.next() == "pretrain"


def test_images_that_changed_are_refused(spec: PretrainSpec, tmp_path: Path) -> None:
    folder = folder_of(spec, tmp_path)
    with store.Run(folder, spec, {}, PLAN) as run:
        run.bind("images", "one")
        run.bind("images", "one")
    with (
        store.Run(folder, spec, {}, PLAN) as run,
        pytest.raises(DataError, match=f"images of run {folder.name} have changed") as caught,
    ):
        run.bind("images", "two")
    assert caught.value.hint is not None
    assert str(folder) in caught.value.hint


def test_a_folder_is_found_by_its_id_whatever_its_name(spec: PretrainSpec, tmp_path: Path) -> None:
    folder = folder_of(spec, tmp_path)
    folder.mkdir(parents=True)
    renamed = spec.model_copy(update={"name": "renamed"})
    assert folder_of(renamed, tmp_path) == folder


def test_results_that_are_none_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / layout.RESULT
    assert read_result(path) is None
    for content in (b"", b"{", b"[]", b'{"format": "other"}'):
        path.write_bytes(content)
        with pytest.raises(LedgerError, match=r"result\.json"):
            read_result(path)


def test_json_is_sorted_and_knows_no_nan() -> None:
    assert to_json({"b": 1, "a": [1.5]}) == b'{\n "a": [\n  1.5\n ],\n "b": 1\n}\n'
    with pytest.raises(ValueError, match="JSON"):
        to_json({"a": float("nan")})
    assert json.loads(to_json(FORMAT)) == FORMAT
