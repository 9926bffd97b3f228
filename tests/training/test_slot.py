"""The checkpoint: one file, bound to its training, replaced whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from dwlt.errors import FormatError, LedgerError
from dwlt.results import Flag
from dwlt.training import BestEpoch, CheckpointSlot, EpochRecord
from dwlt.training.slot import Saved

RECORD = EpochRecord(1, 0.1, 0.5, 0.75, 2.5, {"sa": {"value": 0.5}}, None, (Flag("a", "b"),))


def slot_in(folder: Path, **identity: Any) -> CheckpointSlot:
    return CheckpointSlot(folder / "state.safetensors", {"run": "1234abcd", **identity})


def saved(best: dict[str, BestEpoch] | None = None) -> Saved:
    weights = torch.arange(6.0).view(2, 3).t()  # not contiguous
    return Saved(1, {"w": weights, "same": weights}, {"w": -weights}, [RECORD], best or {})


def test_an_empty_slot_holds_nothing(tmp_path: Path) -> None:
    assert slot_in(tmp_path).load() is None
    assert slot_in(tmp_path).load_epochs() == 0


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    slot = slot_in(tmp_path, round=3, nested={"a": (1, 2)})
    slot.save(saved())
    found = slot_in(tmp_path, round=3, nested={"a": [1, 2]}).load()
    assert found is not None
    assert found.epochs == slot_in(tmp_path).load_epochs() == 1
    assert found.records == [RECORD]
    assert found.best == {}
    assert torch.equal(found.model["w"], saved().model["w"])
    assert torch.equal(found.momentum["w"], -saved().model["w"])
    assert [path.name for path in tmp_path.iterdir()] == ["state.safetensors"]


def test_same_state_same_bytes(tmp_path: Path) -> None:
    slot = slot_in(tmp_path)
    slot.save(saved())
    first = slot.path.read_bytes()
    slot.save(saved())
    assert slot.path.read_bytes() == first


@pytest.mark.parametrize(
    ("identity", "text"),
    [({"round": 4}, "its round is 3, not 4"), ({"round": 3, "x": 1}, "its x is null, not 1")],
)
def test_another_trainings_state_is_refused(
    tmp_path: Path, identity: dict[str, Any], text: str
) -> None:
    slot_in(tmp_path, round=3).save(saved())
    with pytest.raises(LedgerError, match=text) as error:
        slot_in(tmp_path, **identity).load()
    assert str(tmp_path) in str(error.value.hint)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-3])


def foreign(path: Path) -> None:
    save_file({"w": torch.zeros(1)}, path)


def text(path: Path) -> None:
    path.write_text("<html>")


@pytest.mark.parametrize("damage", [cut, foreign, text])
def test_a_damaged_file_is_named(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    slot = slot_in(tmp_path)
    slot.save(saved())
    damage(slot.path)
    with pytest.raises(FormatError, match=r"state\.safetensors is not a usable checkpoint"):
        slot.load()


def test_snapshots_that_no_longer_count_are_removed(tmp_path: Path) -> None:
    slot = slot_in(tmp_path)
    layer = nn.Linear(2, 1)
    first = BestEpoch(1, {}, slot.snapshot("sa", 1, layer.state_dict()))
    slot.save(saved({"sa": first}))
    weight = layer.weight.detach().clone()
    with torch.no_grad():
        layer.weight.zero_()
    slot.restore_best(first, layer)
    assert torch.equal(layer.weight, weight)
    # Killed after a snapshot and before its checkpoint: the old pair still counts.
    second = BestEpoch(2, {}, slot.snapshot("sa", 2, layer.state_dict()))
    found = slot.load()
    assert found is not None
    assert found.best == {"sa": first}
    slot.save(saved({"sa": second}))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["state.best-sa-0002.safetensors", "state.safetensors"]
    slot.clear()
    assert list(tmp_path.iterdir()) == []


def test_a_missing_or_damaged_snapshot_is_named(tmp_path: Path) -> None:
    slot = slot_in(tmp_path)
    best = BestEpoch(1, {}, slot.snapshot("ra", 1, nn.Linear(2, 1).state_dict()))
    slot.save(saved({"ra": best}))
    cut(tmp_path / best.file)
    with pytest.raises(FormatError, match="best-ra-0001"):
        slot.restore_best(best, nn.Linear(2, 1))
    (tmp_path / best.file).unlink()
    with pytest.raises(FormatError, match="best-ra-0001"):
        slot.load()


def test_snapshots_are_plain_state_dicts(tmp_path: Path) -> None:
    slot = slot_in(tmp_path)
    name = slot.snapshot("sa", 3, {"w": torch.ones(2)})
    assert load_file(tmp_path / name)["w"].tolist() == [1, 1]
