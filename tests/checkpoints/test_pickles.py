"""What lies beside tensors in pickled files, and files that are damaged."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch

from dwlt.checkpoints import entries_of, read_checkpoint
from dwlt.checkpoints.opcodes import LeftOut
from dwlt.errors import FormatError
from tests.checkpoints.make import LAYOUTS, state


def foreign(monkeypatch: pytest.MonkeyPatch, module: str, **members: Any) -> None:
    """A module as it is where the file is written, and not where it is read."""
    made = types.ModuleType(module)
    for name, member in members.items():
        member.__module__, member.__qualname__ = module, name
        setattr(made, name, member)
    monkeypatch.setitem(sys.modules, module, made)
    parent = module.partition(".")[0]
    monkeypatch.setitem(sys.modules, parent, types.ModuleType(parent))


@pytest.mark.parametrize("old", [False, True], ids=["zip", "old"])
def test_what_dill_pickled_is_left_out(
    old: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def get_attr(*arguments: Any) -> Any:
        raise AssertionError("nothing in the file may be called")

    class Callee:
        """An object that is itself built by a call, and then called to build another."""

        def __reduce__(self) -> tuple[Any, ...]:
            return get_attr, ("builtins", "eval")

        def __call__(self, *arguments: Any) -> None:
            raise AssertionError("nothing in the file may be called")

    class Built:
        def __reduce__(self) -> tuple[Any, ...]:
            return Callee(), (1, 2), {"state": [3]}

    class Parameters:
        def __init__(self) -> None:
            self.eps = 4

    foreign(monkeypatch, "dill._dill", _get_attr=get_attr)
    foreign(monkeypatch, "cox.utils", Parameters=Parameters)
    path = tmp_path / "dilled.pt"
    value = {"model": state(), "schedule": Built(), "args": Parameters(), "epoch": 3}
    torch.save(value, path, _use_new_zipfile_serialization=not old)
    monkeypatch.delitem(sys.modules, "dill._dill")
    monkeypatch.delitem(sys.modules, "cox.utils")
    found, names = read_checkpoint(path)
    assert names == ["dill._dill._get_attr", "cox.utils.Parameters"]
    assert isinstance(found["schedule"], LeftOut)
    assert isinstance(found["args"], LeftOut)
    assert found["epoch"] == 3
    (entry,) = entries_of(found)
    assert all(torch.equal(entry.tensors[name], one) for name, one in state().items())


@pytest.mark.parametrize("name", ["builtins.eval", "builtins.getattr", "subprocess.Popen", "os.a"])
def test_other_names_are_refused_before_anything_is_built(name: str, tmp_path: Path) -> None:
    module, _, attribute = name.rpartition(".")
    path = tmp_path / "given.pt"
    path.write_bytes(b"\x80\x02c" + f"{module}\n{attribute}\n".encode() + b"q\x00.")
    with pytest.raises(FormatError, match=f"asks for {name}, which only running code"):
        read_checkpoint(path)


@pytest.mark.parametrize("layout", ["bare", "madry", "madry-old", "safetensors"])
def test_cut_files_are_refused(layout: str, tmp_path: Path) -> None:
    whole = LAYOUTS[layout][0](tmp_path).read_bytes()
    path = tmp_path / "cut"
    for length in [*range(1, 64, 7), *range(64, len(whole), len(whole) // 40)]:
        path.write_bytes(whole[:length])
        with pytest.raises(FormatError, match="cut"):
            entries_of(read_checkpoint(path)[0])


@pytest.mark.parametrize("layout", ["bare", "madry-old"])
def test_a_changed_byte_is_read_or_refused_but_never_a_riddle(layout: str, tmp_path: Path) -> None:
    whole = bytearray(LAYOUTS[layout][0](tmp_path).read_bytes())
    path = tmp_path / "changed"
    refused = 0
    # The head of the file, where its structure is, and a sample of the rest.
    for position in [*range(0, 2000, 13), *range(2000, len(whole), len(whole) // 60)]:
        changed = whole.copy()
        changed[position] ^= 0x55
        path.write_bytes(changed)
        try:
            entries_of(read_checkpoint(path)[0])
        except FormatError:
            refused += 1
    assert refused > 20
