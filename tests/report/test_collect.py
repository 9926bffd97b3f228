"""Reading a runs folder: what is good is read, what is not becomes a warning with its name."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dwlt import _core
from dwlt.errors import UserError
from dwlt.report import assess, collect
from tests.report.make import Maker, score


def test_everything_is_read(study: Maker) -> None:
    data = collect(study.root)
    assert [len(data.pretrain), len(data.prune), len(data.transfer)] == [1, 7, 37]
    assert data.warnings == ()
    assert data.unfinished == ()
    assert len(data.runs) == 1 + 1 + 37


def test_the_counts_of_sa_and_ra_come_from_their_own_checkpoints(make: Maker) -> None:
    make.cell(6, "standard", 91, 17)
    (cell,) = collect(make.root).transfer
    sa, ra = cell.accuracy("sa"), cell.accuracy("ra")
    assert sa is not None
    assert ra is not None
    assert (sa.correct, ra.correct, ra.n) == (91, 17, 100)


def test_an_empty_runs_folder_is_an_empty_report(make: Maker) -> None:
    data = collect(make.root)
    assert (data.runs, data.warnings) == ((), ())


def test_a_missing_runs_folder_is_an_error_with_a_next_step(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere") as caught:
        collect(tmp_path / "nowhere")
    assert caught.value.hint is not None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": "other"}, "not a dwlt-result file"),
        ({"version": 2}, "result version 2"),
        ({"stage": "prune"}, "a prune result in the folder of transfer runs"),
        ({"kept": 1001}, "kept = 1001 is out of range"),
        ({"kept": 261}, "do not add up"),
        ({"kept": True}, "kept is not a whole number"),
        ({"round": 0}, "round 0 is the dense network"),
        ({"fraction": 1.5}, "fraction = 1.5 is out of range"),
        ({"mask": 7}, "mask is not a text"),
        ({"task": None}, "task is not a JSON object"),
        ({"best_sa": {"epoch": 1, "validation": score(1, 1)}}, "best_sa.test is missing"),
        (
            {"best_sa": {"epoch": 1, "validation": score(1, 1), "test": {"sa": {}}}},
            "best_sa.test.sa.correct is missing",
        ),
    ],
)
def test_a_wrong_file_is_named_and_left_out(make: Maker, change: dict[str, Any], says: str) -> None:
    path = make.cell(6, "standard", 90, 40, **change)
    data = collect(make.root)
    assert data.transfer == ()
    (warning,) = data.warnings
    assert warning.where == path.relative_to(make.root).as_posix()
    assert warning.code == "unreadable"
    assert says in warning.text


@pytest.mark.parametrize(
    "blob", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"format": "dwlt-result"}']
)
def test_damaged_bytes_are_a_warning(make: Maker, blob: bytes) -> None:
    make.cell(6, "standard", 90, 40).write_bytes(blob)
    data = collect(make.root)
    assert (len(data.transfer), len(data.warnings)) == (0, 1)


def test_an_accuracy_that_contradicts_its_counts_is_refused(make: Maker) -> None:
    path = make.cell(6, "standard", 90, 40)
    value = json.loads(path.read_text())
    value["best_sa"]["test"]["sa"]["value"] = 0.95
    path.write_text(json.dumps(value))
    assert "correct / n" in collect(make.root).warnings[0].text


def test_nan_is_refused(make: Maker) -> None:
    path = make.cell(6, "standard", 90, 40)
    path.write_text(path.read_text().replace('"seconds": 12.5', '"seconds": NaN'))
    assert "seconds = nan is out of range" in collect(make.root).warnings[0].text


def test_unfinished_runs_are_counted(make: Maker) -> None:
    make.write("transfer/digits-00000001/spec.toml", "")
    make.write("prune/digits-00000002/spec.toml", "")
    spec = {"rounds": 3}
    make.prune(0, spec=spec)
    make.prune(1, spec=spec)
    details = [run.detail for run in collect(make.root).unfinished]
    assert details == ["no round yet", "1 of 3 rounds", "no result yet"]


def test_a_foreign_folder_is_a_warning(make: Maker) -> None:
    make.write("transfer/notes/todo.txt", "")
    (warning,) = collect(make.root).warnings
    assert (warning.where, warning.code) == ("transfer/notes", "foreign")


def test_evaluations_are_read(make: Maker) -> None:
    value = make.common("evaluate", "digits", "0a0b0c0d") | {
        "model": "m.safetensors",
        "test": score(80, 20),
        "samples": {"ids": [1], "clean": [1], "robust": [0]},
    }
    make.write("evaluate/digits-0a0b0c0d/result.json", value)
    (result,) = collect(make.root).evaluate
    assert (result.model, result.test.sa.correct) == ("m.safetensors", 80)


def test_files_from_before_rewinding_could_be_chosen_are_read(make: Maker) -> None:
    make.prune(6)
    make.cell(6, "standard", 90, 40)
    data = collect(make.root)
    for search in (data.prune[0].prune, data.transfer[0].prune):
        assert (search.rewind, search.of, search.control) == ("pretrained", None, False)
    assert data.prune[0].prune.task == "digits:5-9"
    assert data.transfer[0].prune.task is None


@pytest.mark.parametrize(
    ("said", "read"), [("none", "none"), (3, 3), ("3", 3), (None, "pretrained")]
)
def test_how_tickets_were_found_is_read(make: Maker, said: object, read: object) -> None:
    of = {"id": "0a0b0c0d", "name": "digits"}
    make.prune(6, method="shuffled", regime="none", rewind=said, of=of)
    search = {
        "id": "1",
        "name": "n",
        "method": "reinit",
        "regime": "fast",
        "task": "cifar10",
        "rewind": said,
        "of": of,
    }
    make.cell(6, "standard", 90, 40, prune=search)
    data = collect(make.root)
    assert data.warnings == ()
    for found in (data.prune[0].prune, data.transfer[0].prune):
        assert (found.rewind, found.control) == (read, True)
        assert found.of is not None
        assert (found.of.id, found.of.name) == ("0a0b0c0d", "digits")
    assert data.transfer[0].prune.task == "cifar10"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"rewind": -1}, "rewind = -1 is out of range"),
        ({"rewind": 1.5}, "rewind is not a whole number"),
        ({"of": "x"}, "of is not a JSON object"),
        ({"of": {"id": "x"}}, "of.name is missing"),
    ],
)
def test_a_wrong_word_about_the_search_is_named(
    make: Maker, change: dict[str, Any], says: str
) -> None:
    make.prune(6, **change)
    (warning,) = collect(make.root).warnings
    assert says in warning.text


def test_weights_given_as_a_file_are_named_by_their_digest(make: Maker) -> None:
    given = {"id": None, "name": "resnet", "regime": "given"}
    weights = "b3:89abcdef0123"
    make.prune(6, pretrain=given, weights=weights)
    make.cell(0, "standard", 90, 40, pretrain=given, weights=weights)
    # As newer files have it.
    make.cell(6, "standard", 90, 40, pretrain=given | {"id": "89abcdef"}, weights=weights)
    data = collect(make.root)
    assert data.warnings == ()
    assert {cell.pretrain.label for cell in data.transfer} == {"resnet-89abcdef"}
    assert data.prune[0].pretrain.id == "89abcdef"
    (group,) = assess(data).groups
    assert group.group.dense is not None


def test_flags_of_a_round_name_it(make: Maker) -> None:
    make.prune(3, flags=[{"code": "catastrophic-overfitting", "text": "epoch 7"}])
    (result,) = collect(make.root).prune
    (flag,) = result.notices
    assert flag.where.endswith("/round-03")
    assert assess(collect(make.root)).flags == (flag,)


def test_outcomes_of_unequal_length_are_refused(make: Maker) -> None:
    value = make.common("evaluate", "digits", "0a0b0c0d") | {
        "model": "m.safetensors",
        "test": score(80, 20),
        "samples": {"ids": [1, 2], "clean": [1, 1], "robust": [0]},
    }
    make.write("evaluate/digits-0a0b0c0d/result.json", value)
    (warning,) = collect(make.root).warnings
    assert "not equally long" in warning.text


def test_no_torch_and_no_scikit_learn_behind_a_report() -> None:
    code = (
        "import sys; sys.modules.update(torch=None, torchvision=None, sklearn=None, pyarrow=None)\n"
        "import dwlt.report"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_journal_knows_how_many_rounds_were_asked_for(make: Maker) -> None:
    """A run can be carried on to more rounds than the spec of its first results names."""
    folder = make.prune(0, spec={"rounds": 1}).parent.parent
    make.prune(1, spec={"rounds": 1})
    ledger = _core.Ledger.open(str(folder), json.dumps({"id": "x"}), [])
    ledger.note(json.dumps({"event": "asked", "rounds": 6}))
    ledger.close()
    (run,) = collect(make.root).unfinished
    assert run.detail == "1 of 6 rounds"


def test_a_damaged_journal_is_a_warning(make: Maker) -> None:
    folder = make.prune(0, spec={"rounds": 0}).parent.parent
    (folder / "journal").write_bytes(b"\x00garbage\nmore\n")
    data = collect(make.root)
    assert len(data.prune) == 1
    assert [warning.code for warning in data.warnings] == ["unreadable"]
