"""A disk that is really full: a small tmpfs, in a mount namespace of its own.

Where mounting is not allowed the tests skip; ``tests/runs/test_faults.py`` has the kernel's limit
on the size of files in its place.
"""

from __future__ import annotations

import ctypes
import io
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from tests.processes import preloaded
from tests.runs.test_faults import SETTINGS, content

PAGE = 4096
_NEW_NAMESPACES = 0x10000000 | 0x00020000
"""CLONE_NEWUSER and CLONE_NEWNS: who mounts is root there and nobody outside."""
_REMOUNT, _PRIVATE = 32, 1 << 18 | 1 << 14

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a tmpfs is Linux's")


class NoMountError(Exception):
    """This machine lets nobody mount."""


class SmallDisk:
    """A tmpfs at a folder, for this process alone; its size can be changed."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._c = ctypes.CDLL(None, use_errno=True)
        user, group = os.getuid(), os.getgid()
        self._do(self._c.unshare(_NEW_NAMESPACES))
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"0 {user} 1"),
            ("gid_map", f"0 {group} 1"),
        ):
            Path("/proc/self", name).write_text(text)
        self._do(self._c.mount(None, b"/", None, _PRIVATE, None))
        self._mount(0, PAGE)

    def resize(self, pages: int) -> None:
        self._mount(_REMOUNT, pages * PAGE)

    def leave(self, pages: int) -> None:
        """Fill it until only so many pages are free."""
        self.resize(4096)
        (self.place / "filler").write_bytes(b"")
        room = os.statvfs(self.place).f_bavail - pages
        (self.place / "filler").write_bytes(b"x" * room * PAGE)

    def _mount(self, flags: int, size: int) -> None:
        options = f"size={size}".encode()
        self._do(self._c.mount(b"tmpfs", os.fsencode(self.place), b"tmpfs", flags, options))

    def _do(self, failed: int) -> None:
        if failed:
            raise NoMountError(os.strerror(ctypes.get_errno()))


def command(*words: object) -> tuple[int, str]:
    """Exit code and what was said."""
    from dwlt.cli.root import run

    err = io.StringIO()
    with redirect_stderr(err), redirect_stdout(io.StringIO()):
        code = run([str(word) for word in words])
    return code, err.getvalue()


def prune(runs: Path) -> tuple[int, str]:
    settings = [word for value in SETTINGS for word in ("--set", value)]
    return command("prune", *settings, "--rounds", 1, "--runs", runs)


def files(place: Path) -> dict[str, int]:
    return {str(p.relative_to(place)): p.stat().st_size for p in place.rglob("*") if p.is_file()}


def clear(place: Path) -> None:
    for path in place.glob("out*"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _child(body: str, place: Path, outside: Path, told: Path) -> None:
    found: list[dict[str, Any]]
    try:
        found = list(globals()[body](SmallDisk(place), outside))
    except (NoMountError, PermissionError) as error:
        found = [{"skipped": str(error)}]
    told.write_text(json.dumps(found))


def on_small_disk(body: str, tmp_path: Path) -> list[dict[str, Any]]:
    """Run a function of this module in a process that may mount."""
    place, told = tmp_path / "disk", tmp_path / "told.json"
    place.mkdir()
    process = preloaded().Process(target=_child, args=(body, place, tmp_path, told))
    process.start()
    process.join()
    found: list[dict[str, Any]] = json.loads(told.read_text())
    if found and "skipped" in found[0]:
        pytest.skip(f"nothing can be mounted here: {found[0]['skipped']}")
    return found


def growing(disk: SmallDisk, outside: Path) -> Iterator[dict[str, Any]]:
    """One command again and again, on a disk that grows."""
    assert prune(outside / "runs")[0] == 0
    whole = content(outside / "runs")
    runs, pages = disk.place / "runs", 1
    every = (outside / "every").exists()
    while True:
        disk.resize(pages)
        code, said = prune(runs)
        left = content(runs) if runs.exists() else {}
        wrong = [n for n in left if n in whole and left[n] != whole[n] and "spec.toml" not in n]
        yield {"pages": pages, "code": code, "said": said, "wrong": wrong, "same": left == whole}
        if code == 0 or pages > 1000:
            return
        pages += 1 if every else pages


def outputs(disk: SmallDisk, outside: Path) -> Iterator[dict[str, Any]]:
    """Every command that writes a file which the user named."""
    runs, out = outside / "runs", disk.place / "out"
    assert prune(runs)[0] == 0
    model = next(runs.glob("pretrain/*/model.safetensors"))
    mask = next(runs.glob("prune/*/round-01/mask.safetensors"))
    assert command("mask", "export", mask, "-o", outside / "masks.npz")[0] == 0
    import torch
    from safetensors.torch import load_file

    torch.save(load_file(model), outside / "theirs.pth")
    theirs = ("import", outside / "theirs.pth", "--model", "resnet8", "--set", "model.width=2")
    for words in (
        ("mask", "prune", model, "--rate", 0.5, "-o", f"{out}.safetensors"),
        ("mask", "apply", model, mask, "-o", f"{out}.safetensors"),
        ("mask", "export", mask, "-o", f"{out}.npz"),
        ("mask", "export", mask, "--weights", model, "-o", f"{out}.pth"),
        ("mask", "import", outside / "masks.npz", "-o", f"{out}.safetensors"),
        (*theirs, "-o", f"{out}.safetensors"),
        ("report", "--runs", runs, "--out", out),
        ("evaluate", model, "--on", "digits:0-4", "--samples", 10, "--runs", out),
    ):
        for free in (0, 1):
            disk.leave(free)
            code, said = command(*words)
            if code == 0 and free:
                assert set(files(disk.place)) > {"filler"}
                clear(disk.place)
                continue  # it was small enough
            yield {
                "words": list(map(str, words)),
                "code": code,
                "said": said,
                "left": files(disk.place),
            }
        (disk.place / "filler").unlink()
        code, said = command(*words)
        yield {
            "words": list(map(str, words)),
            "code": code,
            "said": said,
            "left": files(disk.place),
            "last": True,
        }
        clear(disk.place)


FULL = "No space left on device"


@pytest.mark.slow
@pytest.mark.parametrize("every", [False, True])
def test_work_goes_on_where_the_disk_was_full(every: bool, tmp_path: Path) -> None:
    if every:
        (tmp_path / "every").touch()
    *failed, last = on_small_disk("growing", tmp_path)
    assert len(failed) > 4
    for one in failed:
        assert one["code"] == 1, one
        assert FULL in one["said"], one
        assert f"the disk at {tmp_path / 'disk'} is full" in one["said"], one
        assert one["wrong"] == [], one
    assert last["code"] == 0, last
    assert last["same"], last


def test_no_command_leaves_half_a_file(tmp_path: Path) -> None:
    found = on_small_disk("outputs", tmp_path)
    assert len(found) >= 16
    whole = {tuple(one["words"]): one["left"] for one in found if one.get("last")}
    for one in found:
        if one.get("last"):
            assert one["code"] == 0, one
            assert len(one["left"]) >= 1, one
            continue
        assert one["code"] == 1, one
        assert FULL in one["said"], one
        assert f"the disk at {tmp_path / 'disk'} is full" in one["said"], one
        # Of several files those may be there that found room, and they are whole; journals grow.
        for name, size in one["left"].items() - {("filler", one["left"]["filler"])}:
            assert Path(name).name == "journal" or size == whole[tuple(one["words"])][name], one
