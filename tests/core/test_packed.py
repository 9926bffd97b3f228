"""Packed tickets as other readers see them: the lines of docs/mask-format.md, sizes, types."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from dwlt import _core

PAGE = Path(__file__).parents[2] / "docs" / "mask-format.md"


def lines() -> str:
    """The page's Python that unpacks."""
    blocks = PAGE.read_text(encoding="utf-8").split("```python\n")[1:]
    (found,) = [block.split("```")[0] for block in blocks if "packed.safetensors" in block]
    return found


def test_the_lines_of_the_page_unpack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    weights: dict[str, np.ndarray] = {
        "conv.weight": rng.standard_normal((5, 3, 3)).astype(np.float32),
        "half": rng.standard_normal((7, 5)).astype(np.float16),
        "bias": rng.standard_normal(3),
    }
    save_file(weights, tmp_path / "model.safetensors", {"by": "hand"})
    shapes = [(name, [*weights[name].shape]) for name in ("conv.weight", "half")]
    masks = _core.select_random(shapes, keep=11, seed=1)
    _core.pack_to_file(tmp_path / "model.safetensors", masks, tmp_path / "packed.safetensors")
    _core.apply_to_file(tmp_path / "model.safetensors", masks, tmp_path / "plain")
    monkeypatch.chdir(tmp_path)
    names: dict[str, dict[str, np.ndarray]] = {}
    exec(lines(), names)
    expected = load_file(tmp_path / "plain")
    assert names["dense"].keys() == expected.keys()
    for name, values in names["dense"].items():
        assert values.dtype == expected[name].dtype
        assert np.array_equal(values, expected[name])


def test_a_packed_ticket_is_small(tmp_path: Path) -> None:
    """Round 10: 89.26% sparsity in float32 takes at most 0.14 of the dense file."""
    count = 400_000
    kept = round(count * 0.8**10)
    save_file({"w": np.ones((count,), np.float32)}, tmp_path / "dense")
    masks = _core.select_random([("w", [count])], keep=kept, seed=0)
    _core.pack_to_file(tmp_path / "dense", masks, tmp_path / "small")
    sizes = [(tmp_path / name).stat().st_size for name in ("small", "dense")]
    assert sizes[0] <= 0.14 * sizes[1]
