"""Files that the user names: links are followed, pipes get the bytes, others are refused."""

from __future__ import annotations

import os
import socket
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from dwlt.errors import UserError
from dwlt.outputs import require_writable, write_file
from tests.conftest import Cli


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    target, link, over = tmp_path / "target", tmp_path / "link", tmp_path / "over"
    target.write_bytes(b"old")
    link.symlink_to("target")
    over.symlink_to(link)
    write_file(over, b"new")
    assert (target.read_bytes(), link.readlink(), over.readlink()) == (b"new", Path("target"), link)
    # One that leads to no file yet makes it, in the folder that it names.
    fresh = tmp_path / "fresh"
    fresh.symlink_to(tmp_path / "made")
    write_file(fresh, b"first")
    assert (tmp_path / "made").read_bytes() == b"first"
    assert fresh.is_symlink()


def test_what_cannot_be_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "nowhere").symlink_to("absent/file")
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "plain").write_text("")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(tmp_path / "socket"))
    (tmp_path / "to-socket").symlink_to("socket")
    for name, message in {
        "to-socket": "is a socket",
        "socket": "is a socket",
        "nowhere": "there is no folder",
        "circle": "leads nowhere",
        "plain/file": "a part of that path is a file",
        "absent/file": "there is no folder",
        ".": "is a folder",
    }.items():
        with pytest.raises(UserError, match=message):
            write_file(tmp_path / name, b"")
    assert stat.S_ISSOCK((tmp_path / "socket").stat().st_mode)


def bytes_of(pipe: Path, act: Callable[[], object]) -> bytes:
    """What is written to a new pipe while ``act`` runs. The read end is open before it begins."""
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    got: list[bytes] = []

    def read() -> None:
        os.set_blocking(reader, True)
        while block := os.read(reader, 1 << 16):
            got.append(block)

    # A writer of our own keeps the reader from seeing an end before the real one has come.
    held = os.open(pipe, os.O_WRONLY)
    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    try:
        act()
    finally:
        os.close(held)
        thread.join()
        os.close(reader)
    return b"".join(got)


def test_a_pipe_gets_the_bytes_and_stays(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    link.symlink_to("pipe")
    assert bytes_of(pipe, lambda: write_file(link, b"content")) == b"content"
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert link.is_symlink()
    assert require_writable(Path(os.devnull)) == Path(os.devnull)


@pytest.fixture
def commands(tmp_path: Path) -> dict[str, list[object]]:
    """Every command that writes a file where its user says, short of that file's name."""
    weights, masks = tmp_path / "weights.safetensors", tmp_path / "masks.npz"
    save_file({"fc": torch.ones(2, 8)}, weights)
    np.savez(masks, fc=np.ones((2, 8), bool))
    own, net = tmp_path / "own.safetensors", tmp_path / "net.pth"
    from tests.checkpoints.make import state

    torch.save(state(), net)
    model = ["--model", "resnet8", "--set", "model.width=4", "--mean", "0.5", "--std", "0.5"]
    return {
        "mask import": ["mask", "import", masks, "-o"],
        "mask prune": ["mask", "prune", weights, "--rate", "0.5", "-o"],
        "mask export": ["mask", "export", own, "-o"],
        "mask apply": ["mask", "apply", weights, own, "-o"],
        "import": ["import", net, *model, "-o"],
    }


def test_every_command_follows_links_and_fills_pipes(
    commands: dict[str, list[object]], cli: Cli, tmp_path: Path
) -> None:
    own = tmp_path / "own.safetensors"
    assert cli(*commands["mask import"], own)[0] == 0
    for name, command in commands.items():
        target = tmp_path / f"{name}-target.safetensors"
        link, pipe = tmp_path / f"{name}.safetensors", tmp_path / f"{name}-pipe.safetensors"
        target.write_text("old")
        link.symlink_to(target)
        code, _, err = cli(*command, link)
        assert code == 0, (name, err)
        assert link.readlink() == target
        assert target.read_bytes() != b"old", name
        got = bytes_of(pipe, lambda command=command, pipe=pipe: cli(*command, pipe))  # type: ignore[misc]
        assert got == target.read_bytes(), name
        assert stat.S_ISFIFO(pipe.stat().st_mode), name


def test_a_report_follows_links_and_fills_pipes(
    cli: Cli, cli_json: Callable[..., Any], tmp_path: Path
) -> None:
    runs, out = tmp_path / "runs", tmp_path / "report"
    runs.mkdir()
    out.mkdir()
    (out / "report.html").symlink_to(tmp_path / "page.html")
    cli_json("report", "--runs", runs, "--out", out)
    assert (out / "report.html").is_symlink()
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!")
    (out / "report.html").unlink()
    got = bytes_of(out / "report.html", lambda: cli("report", "--runs", runs, "--out", out))
    assert got == (tmp_path / "page.html").read_bytes()
    assert stat.S_ISFIFO((out / "report.html").stat().st_mode)


@pytest.mark.parametrize(
    "option",
    [
        ["runs", "list", "--runs"],
        ["pretrain", "--runs"],
        ["pretrain", "--data-dir"],
        ["report", "--runs", ".", "--out"],
        ["doctor", "--runs"],
    ],
    ids=" ".join,
)
def test_folders_that_are_none_are_named(option: list[str], cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    (tmp_path / "dangling").symlink_to(tmp_path / "absent")
    (tmp_path / "circle").symlink_to("circle")
    for name, message in {
        "plain": "is a file, not a folder",
        "plain/below": "is a file, not a folder",
        "dangling": "is a link to",
        "dangling/below": "is a link to",
        "circle": "is a link to",
        "x" * 300: "File name too long",
        **({os.fsdecode(b"\xff"): "is not a name in UTF-8"} if option[-1] == "--runs" else {}),
    }.items():
        code, _, err = cli(*option, tmp_path / name)
        assert (code, message in err) == (2, True), (name, err)
    code, _, err = cli(*option, "")
    assert (code, "the path is empty" in err) == (2, True)
    assert (tmp_path / "plain").read_text() == ""
    assert not (tmp_path / "absent").exists()
