"""The ledger through the binding, with real processes that hold, fork, and are killed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from dwlt import _core
from dwlt.errors import BusyError, DwltError, LedgerError

PLAN = [("first", "first.json"), ("second", "sub/second.json")]

HOLD = """
import sys, time
from dwlt import _core
ledger = _core.Ledger.open(sys.argv[1], "{}", [("first", "first.json")])
print("held", flush=True)
time.sleep(60)
"""

FORK = """
import os, sys, time
from dwlt import _core
ledger = _core.Ledger.open(sys.argv[1], "{}", [("first", "first.json")])
if os.fork() == 0:
    time.sleep(float(sys.argv[2]))
    os._exit(0)
print("held", flush=True)
time.sleep(60)
"""


def start(program: str, *arguments: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def events(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in _core.Ledger.read(folder)]


def test_a_run_from_beginning_to_end(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    ledger = _core.Ledger.open(folder, '{"id": "0a1b2c3d"}', PLAN)
    assert (ledger.next(), ledger.done("first")) == ("first", False)
    (folder / "weights").write_bytes(b"0123")
    ledger.finish("first", ["weights"], b"{}")
    assert (folder / "first.json").read_bytes() == b"{}"
    ledger.note('{"event": "bind", "what": "data"}')
    assert (ledger.next(), ledger.done("first")) == ("second", True)
    (folder / "sub").mkdir()
    _core.write_atomic(folder / "sub" / "second.json", bytearray(b"[]"))
    assert {step: about["state"] for step, about in _core.Ledger.check(folder, PLAN).items()} == {
        "first": "committed",
        "second": "uncommitted",
    }
    assert ledger.next() == "second"
    ledger.commit("second", [])
    ledger.close()
    ledger.close()
    again = _core.Ledger.open(str(folder), '{"id":"0a1b2c3d"}', PLAN)
    assert again.next() is None
    again.close()
    records = events(folder)
    found = [record["event"] for record in records]
    assert found == ["open", "prepare", "commit", "bind", "commit"]
    assert records[0]["header"] == {"id": "0a1b2c3d"}
    assert [file["size"] for file in records[2]["files"]] == [4, 2]
    checked = _core.Ledger.check(folder, PLAN, digests=True)["first"]
    assert checked["files"]["weights"] == (4, records[2]["files"][0]["digest"])
    assert checked["problems"] == []
    assert _core.Ledger.verify(folder) == []
    (folder / "first.json").write_bytes(b"[]")
    assert _core.Ledger.verify(folder) == [
        f"{folder / 'first.json'}: its content is not what was committed"
    ]
    assert _core.Ledger.check(folder, PLAN)["first"]["state"] == "committed"
    assert _core.Ledger.check(folder, PLAN, digests=True)["first"]["state"] == "damaged"
    (folder / "result.json").write_bytes(b"{}")
    assert _core.Ledger.verify(folder)[1:] == [
        f"{folder / 'result.json'}: a result that was never committed"
    ]
    assert len(_core.Ledger.verify(folder, result="other.json")) == 1


def test_faults(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="the header of a run is not JSON"):
        _core.Ledger.open(tmp_path, "{", PLAN)
    ledger = _core.Ledger.open(tmp_path, "{}", PLAN)
    with pytest.raises(LedgerError, match="a note is not JSON"):
        ledger.note("nothing")
    with pytest.raises(LedgerError, match='no step "third"'):
        ledger.done("third")
    with pytest.raises(DwltError, match=r"cannot commit .*first\.json"):
        ledger.commit("first", [])
    ledger.close()
    for call in (ledger.next, lambda: ledger.commit("first", []), lambda: ledger.note("{}")):
        with pytest.raises(LedgerError, match="the ledger is closed"):
            call()
    with pytest.raises(LedgerError, match="another run; they differ in id") as caught:
        _core.Ledger.open(tmp_path, '{"id": "ffffffff"}', PLAN)
    assert caught.value.hint is not None
    assert _core.Ledger.read(tmp_path / "nowhere") == []
    assert _core.Ledger.holder(tmp_path / "nowhere") is None


def test_a_second_process_is_told_who_holds_the_run(tmp_path: Path) -> None:
    process = start(HOLD, str(tmp_path))
    try:
        holder = _core.Ledger.holder(tmp_path)
        assert holder is not None
        assert (holder["pid"], holder["host"]) == (process.pid, socket.gethostname())
        with pytest.raises(BusyError) as caught:
            _core.Ledger.open(tmp_path, "{}", PLAN)
        assert f"process {process.pid} on {holder['host']} since {holder['since']}" in str(
            caught.value
        )
    finally:
        kill(process)
    assert _core.Ledger.holder(tmp_path) is None
    _core.Ledger.open(tmp_path, "{}", PLAN).close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_children_of_a_killed_holder_are_waited_for(tmp_path: Path) -> None:
    process = start(FORK, str(tmp_path), "1.5")
    kill(process)
    began = time.monotonic()
    _core.Ledger.open(tmp_path, "{}", PLAN).close()
    assert time.monotonic() - began < 9


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_neither_writes_nor_lets_go(tmp_path: Path) -> None:
    program = (
        "import os, sys\n"
        "from dwlt import _core, errors\n"
        "ledger = _core.Ledger.open(sys.argv[1], '{}', [])\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    try:\n"
        '        ledger.note(\'{"event": "x"}\')\n'
        "    except errors.LedgerError:\n"
        "        ledger.close()\n"
        "        os._exit(7)\n"
        "    os._exit(1)\n"
        "assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7\n"
        "assert _core.Ledger.holder(sys.argv[1])['pid'] == os.getpid()\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)
    assert [record["event"] for record in events(tmp_path)] == ["open"]


def test_run_ids() -> None:
    starts = {"weights": "b3:00"}
    # The value that crates/dwlt-core pins too.
    values = '{"rounds": 20, "rate": 0.2, "name": "é"}'
    assert _core.run_id("prune", values, starts) == "52fecf11"
    assert _core.run_id("prune", json.dumps(json.loads(values)), starts) == "52fecf11"
    assert _core.run_id("prune", values, {}) != "52fecf11"
    with pytest.raises(LedgerError, match="must be a JSON object"):
        _core.run_id("prune", "[]", {})


def test_writing_is_atomic(tmp_path: Path) -> None:
    path = tmp_path / "file"
    _core.write_atomic(path, b"one")
    _core.write_atomic(str(path), memoryview(b"two"))
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(DwltError, match="cannot write"):
        _core.write_atomic(tmp_path / "no" / "folder", b"")
    assert list(tmp_path.iterdir()) == [path]
