"""Every line that dwlt prints is printed: whatever the stream's encoding and state."""

from __future__ import annotations

import ast
import errno
import importlib
import io
import json
import os
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

import dwlt
from dwlt import _core
from dwlt.cli import show
from dwlt.cli.root import COMMANDS, group, module_of, run
from dwlt.cli.streams import SPELLED, Raw, echo, guarded
from tests.conftest import Cli

ENCODINGS = ("ascii", "latin-1", "cp1252", "utf-8")
NAMES = ("größe.weight", "日本.weight", "✓ 😀 \x1b[31m.weight")


@pytest.fixture
def mask(tmp_path: Path) -> Path:
    """A mask file whose name and tensors no small encoding has; its name is not even UTF-8."""
    path = tmp_path / os.fsdecode(b"\xffm\xc3\xa4sk")
    _core.MaskSet.from_bools({name: np.ones(4, bool) for name in NAMES}).save(path)
    return path


class Held(io.BytesIO):
    """Bytes that were written, to a terminal or not."""

    def __init__(self, *, tty: bool) -> None:
        super().__init__()
        self._tty = tty

    def isatty(self) -> bool:
        return self._tty


class Terminal(io.TextIOWrapper):
    """A stream that holds what was written, in an encoding, refusing what that lacks."""

    def __init__(self, encoding: str, *, tty: bool = False) -> None:
        self._held = Held(tty=tty)
        super().__init__(self._held, encoding=encoding, errors="strict")

    @property
    def text(self) -> str:
        return self._held.getvalue().decode(self.encoding)


def in_encoding(
    encoding: str, arguments: list[object], monkeypatch: pytest.MonkeyPatch
) -> tuple[int, str, str]:
    out, err = Terminal(encoding), Terminal(encoding)
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    code = run([str(argument) for argument in arguments])
    assert (sys.stdout, sys.stderr) == (out, err)
    return code, out.text, err.text


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_tables_come_in_every_encoding(
    encoding: str, mask: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = in_encoding(encoding, ["mask", "show", mask], monkeypatch)
    assert code == 0
    assert "\\xffm" in out
    assert r"\x1b[31m.weight" in out
    lines = out.splitlines()
    rule = lines.index(next(line for line in lines if set(line) <= set("─- ") and line.strip()))
    if encoding == "utf-8":
        assert "größe.weight" in out
        assert "─" in lines[rule]
    else:
        assert r"\u65e5\u672c.weight" in out
        assert r"v \U0001f600" in out
        assert ("größe" in out) == (encoding != "ascii")
        # What is spelled out is as wide as the column that holds it.
        assert len({len(line) for line in lines[rule - 1 : rule + 1 + len(NAMES)]}) == 1


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_errors_and_json_come_in_every_encoding(
    encoding: str, mask: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = mask.with_name("日本…\udcff")
    code, _, err = in_encoding(encoding, ["mask", "show", absent], monkeypatch)
    assert code == 2
    assert ("…" in err) == (encoding in ("cp1252", "utf-8"))
    assert ("日本" in err) == (encoding == "utf-8")
    code, out, _ = in_encoding(encoding, ["mask", "show", mask, "--json"], monkeypatch)
    assert code == 0
    assert [layer["name"] for layer in json.loads(out)["layers"]] == sorted(NAMES)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_settings_stay_what_they_are(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "mine.toml"
    config.write_text('extends = "digits"\ndescription = "größer → 😀"\n', encoding="utf-8")
    code, out, _ = in_encoding(encoding, ["presets", config], monkeypatch)
    assert code == 0
    assert tomllib.loads(out)["description"] == "größer → 😀"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_progress_comes_in_every_encoding(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from dwlt.events import Message

    err = Terminal(encoding)
    monkeypatch.setattr(sys, "stderr", err)
    with guarded(), show.Show() as view:
        view.event(Message("class 'größe → 日本' \udcff is empty…"))
    assert r"\u65e5\u672c' \xff is empty" in err.text


def signs(folder: Path) -> set[str]:
    """Every sign outside ASCII in a text of the code that is no docstring."""
    found: set[str] = set()
    for path in folder.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        prose = {
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in prose:
                found.update(sign for sign in node.value if not sign.isascii())
    return found


def test_every_sign_that_dwlt_prints_can_be_spelled() -> None:
    # The page is a file in UTF-8; its own signs are never printed.
    root = Path(dwlt.__file__).parent
    printed = set[str]().union(
        *(signs(part) for part in root.iterdir() if part.is_dir() and part.name != "report")
    )
    tables = {sign for sign in signs(root / "report") if sign in "±✓✗≥–…−→"}
    assert printed | tables <= SPELLED.keys()
    assert all(text.isascii() and text for text in SPELLED.values())


def every_command(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        for name, sub in command.commands.items():
            yield from every_command(sub, f"{path} {name}")


def test_help_is_ascii_and_fits_80_columns() -> None:
    # Click writes help itself, in UTF-8 where the stream is ASCII.
    found = [("dwlt", group), *((name, None) for name in COMMANDS)]
    for name, command in found:
        loaded = command or importlib.import_module(module_of(name)).command
        for path, each in every_command(loaded, name):
            text = each.get_help(click.Context(each, info_name=path, terminal_width=80))
            assert text.isascii(), path
            assert max(map(len, text.splitlines())) <= 80, path
            assert " RANGE" not in text, path


class Broken(io.RawIOBase):
    """A file that takes nothing."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        raise OSError(self.number, os.strerror(self.number))


def broken(number: int) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BufferedWriter(Broken(number)), encoding="utf-8")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EBADF])
@pytest.mark.parametrize("json_", [[], ["--json"]], ids=["table", "json"])
def test_data_that_could_not_be_written_is_a_failure(
    number: int,
    json_: list[str],
    mask: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "stdout", broken(number))
    assert run(["mask", "show", str(mask), *json_]) == 1
    assert f"dwlt: stdout: {os.strerror(number)}" in capsys.readouterr().err


def test_a_reader_that_leaves_is_no_failure(
    mask: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        assert run(["mask", "show", str(mask)]) == 0
        assert run(["--help"]) == 0
        monkeypatch.undo()
    assert capsys.readouterr().err == ""
    # What a command found stays its exit code.
    monkeypatch.setattr(sys, "stdout", broken(errno.EPIPE))
    assert run(["mask", "show", "absent"]) == 2


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EPIPE, errno.EIO])
def test_talk_that_could_not_be_written_is_no_failure(
    number: int, mask: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "stderr", broken(number))
    out = tmp_path / "out"
    assert run(["mask", "import", str(npz(tmp_path)), "-o", str(out)]) == 0
    assert out.is_file()


def npz(folder: Path) -> Path:
    path = folder / "given.npz"
    np.savez(path, a=np.ones(3, bool))
    return path


@pytest.mark.parametrize("state", ["none", "closed"])
def test_streams_that_are_not_there(
    state: str, mask: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("stdin", "stdout", "stderr"):
        stream = None if state == "none" else io.TextIOWrapper(io.BytesIO())
        if stream is not None:
            stream.close()
        monkeypatch.setattr(sys, name, stream)
    assert run(["mask", "show", str(mask)]) == 0
    assert run(["mask", "show", "absent"]) == 2


def test_closed_descriptors_get_no_file_of_ours(tmp_path: Path) -> None:
    # With 1 and 2 closed, the next files to be opened would be "stdout" and "stderr".
    script = (
        "import os, sys\n"
        "from dwlt.cli.streams import fill_descriptors\n"
        "from dwlt.cli.root import run\n"
        "fill_descriptors()\n"
        f"held = open({str(tmp_path / 'held')!r}, 'w')\n"
        "code = run(['runs', '--runs', '.'])\n"
        "held.write(f'{held.fileno() > 2} {code}')\n"
    )
    command = f'exec {sys.executable} -c "$1" <&- >&- 2>&-'
    subprocess.run(["sh", "-c", command, "sh", script], check=True, timeout=60, cwd=tmp_path)
    assert (tmp_path / "held").read_text() == "True 0"


def test_a_pipe_that_does_not_wait_gets_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    got: list[bytes] = []

    def read() -> None:
        while block := os.read(reader, 1 << 16):
            got.append(block)

    thread = threading.Thread(target=read)
    text = "0123456789" * 100_000
    with os.fdopen(writer, "w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        with guarded() as streams:
            thread.start()
            echo(text)
            assert streams.lost is None
        monkeypatch.undo()
    thread.join()
    os.close(reader)
    assert b"".join(got).decode() == f"{text}\n"


def test_a_stream_without_bytes_takes_all(mask: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    assert run(["mask", "show", str(mask)]) == 0
    assert "größe.weight" in out.getvalue()


@pytest.mark.parametrize("columns", ["1", "80", "10000", "0", "many"])
@pytest.mark.parametrize("term", ["dumb", "unknown", "xterm-256color"])
def test_tables_are_whole_on_every_terminal(
    term: str, columns: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("NO_COLOR", "1")
    out = Terminal("utf-8", tty=True)
    monkeypatch.setattr(sys, "stdout", out)
    wide = "w" * 90
    with guarded():
        show.Show().table("title", ["run", "kept"], [[wide, "12"], ["b", "3"]], optional=("kept",))
    # Folded over lines where it is wider than the terminal, and not a sign of it is lost.
    assert out.text.count("w") == len(wide)
    assert "…" not in out.text
    assert ("12" in out.text) == (columns == "10000")
    assert ("\x1b" in out.text) == (term == "xterm-256color")


def test_a_terminal_that_cannot_move_its_cursor_gets_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from dwlt.events import EpochDone, StageStarted

    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(show, "PLAIN_EVERY", 0.0)
    err = Terminal("utf-8", tty=True)
    monkeypatch.setattr(sys, "stderr", err)
    with guarded(), show.Show() as view:
        view.clear_line()
        view.event(StageStarted("pretrain", "small", 2))
        view.event(EpochDone(1, 2, 0.1, {"loss": 1.0}))
    assert "epoch 1/2 loss 1.000" in err.text
    assert "\x1b" not in err.text


def test_the_first_fault_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = Raw(Broken(errno.ENOSPC))
    assert raw.write(b"lost") == 4
    assert raw.write(b"lost too") == 8
    assert raw.fault is not None
    assert raw.fault.errno == errno.ENOSPC


def test_an_unforeseen_fault_is_one_line(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr("dwlt.spec.presets", fail)
    monkeypatch.delenv("DWLT_TRACEBACK", raising=False)
    code, _, err = cli("presets")
    assert code == 1
    assert "a fault in dwlt: KeyError: 'x' (test_streams.py, line" in err
    assert "Traceback" not in err
    monkeypatch.setenv("DWLT_TRACEBACK", "1")
    with pytest.raises(KeyError):
        cli("presets")


def test_what_children_and_c_code_print_is_no_data() -> None:
    """Below Python, too: in a process of its own, where stdout is a file of the system."""
    code = (
        "import atexit, ctypes, os, sys\n"
        "from dwlt.cli import root\n"
        "from dwlt.cli.streams import echo, others_to_stderr\n"
        "def work(args):\n"
        "    with root.guarded():\n"
        "        with others_to_stderr():\n"
        "            print('python')\n"
        "            os.system('echo child')\n"
        "            ctypes.CDLL(None).puts(b'c')\n"
        "        echo('data')\n"
        "    return 0\n"
        "atexit.register(print, 'leaving')\n"
        "root.run = work\n"
        "root.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "data\n"
    assert set(done.stderr.split()) == {"python", "child", "c", "leaving"}
