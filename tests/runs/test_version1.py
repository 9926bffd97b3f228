"""Run folders that version 1 wrote: proven, continued, and healed from what their results name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dwlt import _core
from dwlt.errors import LedgerError
from dwlt.events import Event
from dwlt.results import PretrainResult
from dwlt.runs.folder import read_settings
from dwlt.runs.plan import Pretraining, Search
from dwlt.runs.verify import require_as_committed, verify_run
from dwlt.spec import PretrainSpec, PruneSpec
from tests.runs.folders import context, drop_lines, golden, journal, notices, words

PRETRAINED = Path("pretrain") / "old-c098b9bf"
PRUNED = Path("prune") / "old-72afc1e9"


def pretrain_spec(runs: Path) -> PretrainSpec:
    spec = read_settings(runs / PRETRAINED, PretrainSpec)
    assert isinstance(spec, PretrainSpec)
    return spec


def search(runs: Path) -> Search:
    spec = read_settings(runs / PRUNED, PruneSpec)
    assert isinstance(spec, PruneSpec)
    return Search(Pretraining(pretrain_spec(runs), None, runs), spec)


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*.safetensors"))
    }


def test_everything_is_proven(tmp_path: Path) -> None:
    runs = golden(tmp_path)
    for folder in runs.glob("*/*"):
        assert verify_run(folder) == []


def test_a_search_is_found_done_and_goes_on(tmp_path: Path) -> None:
    from dwlt.stages import prune

    runs = golden(tmp_path)
    before = content(runs)
    folder, results = prune.run(search(runs), context(runs))
    assert folder == runs / PRUNED
    assert words(folder).count("work") == 1
    _, more = prune.run(search(runs), context(runs), rounds=3)
    assert more[:3] == results
    assert more[3].kept < results[2].kept
    assert content(runs).items() >= before.items()
    assert verify_run(folder) == []


def test_a_pretraining_without_its_commit_is_proven_by_its_result(tmp_path: Path) -> None:
    from dwlt.stages import pretrain

    runs = golden(tmp_path)
    folder = runs / PRETRAINED
    drop_lines(folder, 1)
    assert "commit" not in words(folder)
    events: list[Event] = []
    pretrain.run(pretrain_spec(runs), context(runs, events))
    assert words(folder)[-1] == "commit"
    assert "its files are proven" in notices(events)[0]
    assert verify_run(folder) == []


@pytest.mark.parametrize("name", ["model.safetensors", "metrics.jsonl"])
def test_garbage_beside_a_result_without_a_commit_is_trained_anew(
    tmp_path: Path, name: str
) -> None:
    from dwlt.stages import pretrain

    runs = golden(tmp_path)
    folder = runs / PRETRAINED
    drop_lines(folder, 1)
    (folder / name).write_bytes(b"garbage")
    assert verify_run(folder) == [f"{folder}/result.json: a result that was never committed"]
    events: list[Event] = []
    pretrain.run(pretrain_spec(runs), context(runs, events))
    assert name in notices(events)[0]
    assert verify_run(folder) == []


def test_a_round_that_was_journalled_by_its_result_alone(tmp_path: Path) -> None:
    """Version 1 journalled a result that it found after a crash, and not the files beside it."""
    from dwlt.stages import prune

    runs = golden(tmp_path)
    folder = runs / PRUNED
    lines = (folder / "journal").read_bytes().splitlines(keepends=True)
    last = max(n for n, line in enumerate(lines) if b'"commit"' in line)
    (folder / "journal").write_bytes(b"".join(lines[:last]))
    header = journal(folder)[0]["header"]
    ledger = _core.Ledger.open(
        str(folder), json.dumps(header), [("round-02", "round-02/result.json")]
    )
    ledger.commit("round-02", [])
    ledger.close()
    assert verify_run(folder) == [
        f"{folder}/round-02/result.json: committed without the other files of its step"
    ]
    mask = folder / "round-02" / "mask.safetensors"
    whole = mask.read_bytes()
    mask.write_bytes(b"garbage")
    with pytest.raises(LedgerError, match=r"round-02/mask\.safetensors"):
        prune.run(search(runs), context(runs))
    mask.write_bytes(whole)
    prune.run(search(runs), context(runs))
    assert verify_run(folder) == []


def test_a_mask_that_was_exchanged_is_not_transferred(tmp_path: Path) -> None:
    from dwlt.checkpoints.ticket import Ticket
    from dwlt.runs.done import finished
    from dwlt.runs.plan import pretrained_source

    runs = golden(tmp_path)
    pretrained = finished(runs / PRETRAINED, PretrainResult)
    assert pretrained is not None
    found = search(runs).round(2)
    assert found is not None
    other = runs / "prune" / "old-e294e95f" / "round-02" / "mask.safetensors"
    mask = runs / PRUNED / "round-02" / "mask.safetensors"
    mask.write_bytes(other.read_bytes())
    ticket = Ticket.of(pretrained_source(runs / PRETRAINED, pretrained), runs / PRUNED, found)
    with pytest.raises(LedgerError, match=r"round-02/mask\.safetensors now holds"):
        ticket.masks()


def test_a_round_done_again_must_fit_the_next_one(tmp_path: Path) -> None:
    from dwlt.stages import prune

    runs = golden(tmp_path)
    folder = runs / PRUNED
    journal_file = folder / "journal"
    # A journal of nothing: all three rounds are proven, except the one whose masks are garbage.
    journal_file.unlink()
    (folder / "round-01" / "mask.safetensors").write_bytes(b"garbage")
    result = folder / "round-02" / "result.json"
    parent = json.loads(result.read_bytes())["parent"]
    result.write_bytes(result.read_bytes().replace(parent.encode(), b"b3:" + b"0" * 64))
    with pytest.raises(LedgerError, match="round 1, done again, gives the masks"):
        prune.run(search(runs), context(runs))


def test_a_model_that_was_exchanged_is_not_evaluated(tmp_path: Path) -> None:
    cells = golden(tmp_path) / "transfer"
    mine, other = cells / "old-0e8e1866", cells / "old-27dd80c1"
    require_as_committed(mine / "best-sa.safetensors")
    (mine / "best-sa.safetensors").write_bytes((other / "best-sa.safetensors").read_bytes())
    with pytest.raises(LedgerError, match=r"old-0e8e1866/best-sa\.safetensors: its content"):
        require_as_committed(mine / "best-sa.safetensors")
    require_as_committed(mine / "best-ra.safetensors")
    require_as_committed(tmp_path / "elsewhere.safetensors")
