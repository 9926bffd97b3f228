"""The run protocol: a run is proven done, healed, done again, or refused by name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dwlt import _core
from dwlt.errors import BusyError, LedgerError
from dwlt.events import Event
from dwlt.runs.state import failure
from dwlt.runs.store import Run
from dwlt.runs.verify import verify_run
from tests.runs.folders import Fake, drop_lines, notices, run_fake, transfer_spec, words


def files(folder: Path) -> dict[str, bytes]:
    """What a run leaves; times differ from one try to the next, so results are left out."""
    leave = {"journal", "result.json", ".lock"}
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in leave}


def test_the_second_time_nothing_is_prepared_or_computed(tmp_path: Path) -> None:
    first = run_fake(tmp_path)
    work = Fake()
    again = run_fake(tmp_path, work=work)
    assert (work.prepared, work.done) == (0, 0)
    assert (first.reused, again.reused) == (False, True)
    assert again.results == first.results
    assert words(first.folder) == ["open", "bind", "work", "prepare", "commit"]
    assert verify_run(first.folder) == []


def test_a_result_whose_commit_was_lost_is_healed(tmp_path: Path) -> None:
    folder = run_fake(tmp_path).folder
    drop_lines(folder, 1)
    assert verify_run(folder) == [f"{folder}/result.json: a result that was never committed"]
    work = Fake()
    assert run_fake(tmp_path, work=work).reused
    assert work.done == 0
    assert words(folder)[-2:] == ["prepare", "heal"]
    assert verify_run(folder) == []


@pytest.mark.parametrize("garbage", [b"garbage", b"CONTENT of best-sa.safetensors", None])
def test_without_a_commit_a_file_that_differs_is_computed_again(
    tmp_path: Path, garbage: bytes | None
) -> None:
    folder = run_fake(tmp_path).folder
    expected = files(folder)
    drop_lines(folder, 1)
    spoilt = folder / "best-sa.safetensors"
    if garbage is None:
        spoilt.unlink()
    else:
        spoilt.write_bytes(garbage)
    work, events = Fake(), list[Event]()
    assert not run_fake(tmp_path, events, work).reused
    assert work.done == 1
    assert files(folder) == expected
    assert "is done again" in notices(events)[0]
    assert verify_run(folder) == []


def test_where_nothing_vouches_for_the_files_they_are_computed_again(tmp_path: Path) -> None:
    folder = run_fake(tmp_path).folder
    drop_lines(folder, 2)  # no preparation either, as version 1 left it
    events: list[Event] = []
    assert not run_fake(tmp_path, events).reused
    assert "nothing says what the files of 'transfer' held" in notices(events)[0]
    assert "redo" in words(folder)
    (folder / "journal").unlink()
    assert not run_fake(tmp_path).reused
    assert verify_run(folder) == []


@pytest.mark.parametrize("name", ["best-ra.safetensors", "metrics.jsonl", "result.json"])
@pytest.mark.parametrize("content", [b"x", None])
def test_a_committed_file_that_changed_is_refused_by_name(
    tmp_path: Path, name: str, content: bytes | None
) -> None:
    folder = run_fake(tmp_path).folder
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    work = Fake()
    with pytest.raises(LedgerError) as caught:
        run_fake(tmp_path, work=work)
    assert str(folder / name) in str(caught.value)
    assert f"remove {folder}" in str(caught.value.hint)
    assert work.prepared == 0
    assert any(name in problem for problem in verify_run(folder))


def test_verify_reads_content_where_a_second_run_looks_at_sizes(tmp_path: Path) -> None:
    folder = run_fake(tmp_path).folder
    path = folder / "best-sa.safetensors"
    path.write_bytes(path.read_bytes().upper())
    assert run_fake(tmp_path).reused
    assert verify_run(folder) == [f"{path}: its content is not what was committed"]


@pytest.mark.parametrize("keep", [0, 1, 40, -3, None])
def test_settings_that_were_cut_are_written_anew(tmp_path: Path, keep: int | None) -> None:
    folder = run_fake(tmp_path).folder
    path = folder / "spec.toml"
    whole = path.read_bytes()
    if keep is None:
        path.unlink()
    else:
        path.write_bytes(whole[:keep])
        assert any(str(path) in problem for problem in verify_run(folder))
    assert run_fake(tmp_path).reused
    assert path.read_bytes() == whole
    assert verify_run(folder) == []


def test_a_label_in_the_settings_may_differ(tmp_path: Path) -> None:
    folder = run_fake(tmp_path).folder
    path = folder / "spec.toml"
    renamed = path.read_text().replace('name = "digits"', 'name = "other"', 1)
    path.write_text(renamed)
    assert run_fake(tmp_path).reused
    assert path.read_text() == renamed


def test_a_journal_cut_anywhere_is_healed(tmp_path: Path) -> None:
    folder = run_fake(tmp_path).folder
    expected = files(folder)
    journal = folder / "journal"
    whole = journal.read_bytes()
    for end in range(0, len(whole), 37):
        journal.write_bytes(whole[:end])
        run_fake(tmp_path)
        assert verify_run(folder) == []
        assert files(folder) == expected


def test_a_cut_line_after_the_commit_is_dropped_by_the_next_run(tmp_path: Path) -> None:
    folder = run_fake(tmp_path).folder
    with (folder / "journal").open("ab") as journal:
        journal.write(b'{"check":"')
    assert verify_run(folder) != []
    assert run_fake(tmp_path).reused
    assert verify_run(folder) == []


def test_a_journal_damaged_in_the_middle_is_refused_by_line(tmp_path: Path) -> None:
    folder = run_fake(tmp_path).folder
    journal = folder / "journal"
    journal.write_bytes(journal.read_bytes().replace(b"images", b"imagos", 1))
    with pytest.raises(LedgerError, match=r"journal: line 2 is damaged") as caught:
        run_fake(tmp_path)
    assert caught.value.hint is not None


def test_leftovers_of_killed_writers_are_removed_under_the_lock(tmp_path: Path) -> None:
    work = Fake()
    work.fail = RuntimeError("first")
    with pytest.raises(RuntimeError):
        run_fake(tmp_path, work=work)
    (folder,) = (tmp_path / "transfer").iterdir()
    (folder / "deeper").mkdir()
    for name in (".result.json.1-0.dwlt-tmp", "deeper/.state.safetensors.7-3.dwlt-tmp"):
        (folder / name).write_bytes(b"half")
    run_fake(tmp_path)
    assert not list(folder.rglob("*.dwlt-tmp"))


def test_ctrl_c_stays_itself_and_is_no_failure(tmp_path: Path) -> None:
    work = Fake()
    work.fail = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        run_fake(tmp_path, work=work)
    (folder,) = (tmp_path / "transfer").iterdir()
    assert failure(folder) is None
    assert _core.Ledger.holder(str(folder)) is None
    assert not run_fake(tmp_path).reused


def test_a_run_that_another_process_holds_is_left_alone(tmp_path: Path) -> None:
    done = run_fake(tmp_path)
    steps = [("transfer", "result.json"), ("later", "later.json")]
    with Run(done.folder, transfer_spec(), {"weights": "b3:0"}, steps):
        # What is done is done, whoever works on more of the run.
        assert run_fake(tmp_path).reused
        drop_lines(done.folder, 1)
        with pytest.raises(BusyError, match=f"process {os.getpid()}"):
            run_fake(tmp_path)
