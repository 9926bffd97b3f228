"""``dwlt doctor``: what it says of a sound and of a broken machine."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from dwlt import _core
from dwlt.cli import doctor


def checks(runs: Path) -> tuple[int, dict[str, dict[str, Any]]]:
    found = CliRunner().invoke(
        doctor.command, ["--runs", str(runs), "--json"], standalone_mode=False
    )
    assert found.exception is None
    return found.return_value, {line["what"]: line for line in json.loads(found.stdout)}


def test_a_sound_machine(tmp_path: Path) -> None:
    code, found = checks(tmp_path / "not" / "there")
    assert code == 0
    assert all(line["ok"] for line in found.values())
    assert found["dwlt"]["found"] == metadata.version("dwlt")
    assert found["rust core"]["found"] == "loads; 20% of 1000 is 200"
    assert not (tmp_path / "not").exists()


def test_every_fault_is_said_and_ends_with_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = metadata.version

    def installed(name: str) -> str:
        if name == "pyarrow":
            raise metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(metadata, "version", installed)
    monkeypatch.setattr(_core, "count_to_remove", lambda remaining, rate: 199)
    monkeypatch.setitem(sys.modules, "torch", None)
    code, found = checks(tmp_path)
    assert code == 1
    assert found["pyarrow"]["found"] == "not installed; pip install pyarrow"
    assert found["rust core"]["found"] == "loads; 20% of 1000 is 199"
    wrong = {what for what, line in found.items() if not line["ok"]}
    assert wrong == {"pyarrow", "rust core", "device"}


def test_a_gpu_is_named_with_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: "A GPU")
    room = SimpleNamespace(total_memory=80 * 2**30)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: room)
    assert doctor.device()["found"] == "cuda:0, A GPU, 80 GiB"


def test_a_core_that_does_not_load(monkeypatch: pytest.MonkeyPatch) -> None:
    import dwlt

    monkeypatch.delattr(dwlt, "_core", raising=False)
    monkeypatch.setitem(sys.modules, "dwlt._core", None)
    found = doctor.core()
    assert not found["ok"]
    assert found["found"].endswith("; reinstall dwlt")


def test_a_folder_that_takes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuse)
    found = doctor.writable(tmp_path / "runs")
    assert found == {
        "what": "runs folder",
        "found": f"{tmp_path / 'runs'} cannot be written: Permission denied",
        "ok": False,
    }
