"""Criteria and scopes that need no data: ERK densities, LAMP, patterns, scores with signs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

import dwlt
from dwlt import _core
from dwlt.errors import MaskError
from dwlt.masks.densities import erk_counts
from dwlt.masks.tensors import score_masks
from tests.conftest import Cli

Json = Callable[..., Any]


def test_erk_by_hand() -> None:
    # Sums of sizes 8 + 4 + 3 + 3 = 18 and 10 + 8 = 18: the same number of weights each.
    shapes = {"conv": (8, 4, 3, 3), "linear": (10, 8)}
    assert erk_counts(shapes, 100) == [50, 50]
    # The matrix has 80 weights and stays whole; the convolution gets the rest.
    assert erk_counts(shapes, 200) == [120, 80]
    assert erk_counts(shapes, 288 + 80) == [288, 80]
    # Odd counts: the remainder goes to the earlier of equals.
    assert erk_counts(shapes, 7) == [4, 3]
    # 5 of the matrix are left to keep.
    assert erk_counts(shapes, 100, {"conv": 288, "linear": 5}) == [95, 5]
    with pytest.raises(MaskError, match="cannot keep 369 of 368 weights"):
        erk_counts(shapes, 369)


@given(
    st.lists(st.lists(st.integers(1, 6), min_size=1, max_size=4), min_size=1, max_size=5),
    st.floats(0, 1),
)
def test_erk_counts_are_exact_and_fit(shapes: list[list[int]], share: float) -> None:
    named = {str(at): shape for at, shape in enumerate(shapes)}
    sizes = [int(np.prod(shape)) for shape in shapes]
    keep = round(share * sum(sizes))
    counts = erk_counts(named, keep)
    assert sum(counts) == keep
    assert all(0 <= count <= size for count, size in zip(counts, sizes, strict=True))


def weights() -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
    draw = np.random.default_rng(0)
    return {
        "conv": draw.normal(size=(8, 4, 3, 3)).astype(np.float32),
        "linear": (100 * draw.normal(size=(10, 8))).astype(np.float32),
    }


def test_lamp_looks_at_each_tensors_own_size() -> None:
    by_size = dwlt.prune_magnitude(weights(), keep=40)
    by_lamp = dwlt.prune_magnitude(weights(), keep=40, criterion="lamp")
    kept = {name: count for name, count, _ in by_size.layers()}
    assert kept == {"conv": 0, "linear": 40}
    lamp = {name: count for name, count, _ in by_lamp.layers()}
    assert sum(lamp.values()) == 40
    assert min(lamp.values()) > 5
    # Scores rise with magnitude inside a tensor, so each keeps its own largest.
    for name, array in weights().items():
        flat, bits = np.abs(array).ravel(), by_lamp[name].ravel()
        assert flat[bits].min() >= flat[~bits].max()


def test_scopes_of_magnitude_and_of_a_draw() -> None:
    for criterion in ("magnitude", "random"):
        masks = dwlt.prune_magnitude(weights(), keep=100, scope="erk", criterion=criterion)
        assert [count for _, count, _ in masks.layers()] == [50, 50]
        inner = dwlt.prune_magnitude(
            weights(), keep=60, scope="erk", criterion=criterion, within=masks
        )
        inner.check_lineage(masks)
        assert inner.kept == 60
    again = dwlt.prune_random(weights(), keep=100, scope="erk", seed=0)
    assert again.digest == masks.digest


def test_a_pattern_says_the_count_itself() -> None:
    masks = dwlt.prune_magnitude(weights(), scope="2:4")
    assert [count for _, count, _ in masks.layers()] == [144, 40]
    groups = masks["linear"].reshape(10, 2, 4).sum(2)
    assert (groups == 2).all()
    assert (masks["conv"].sum(1) == 2).all()
    with pytest.raises(MaskError, match="leave the count out"):
        dwlt.prune_magnitude(weights(), scope="2:4", rate=0.5)
    with pytest.raises(MaskError, match="compares magnitudes, not lamp"):
        dwlt.prune_magnitude(weights(), scope="2:4", criterion="lamp")
    with pytest.raises(MaskError, match="nothing is drawn"):
        dwlt.prune_random(weights(), scope="2:4", seed=0)
    with pytest.raises(MaskError, match="no pattern"):
        dwlt.prune_magnitude(weights(), scope="4:2")


def test_signed_scores_go_lowest_first() -> None:
    scores = {"w": torch.tensor([-5.0, 3.0, -0.0, 0.0, -1e-30, float("inf"), -float("inf")])}
    within = _core.MaskSet.dense({"w": (7,)})
    order = []
    for keep in range(1, 8):
        bits = score_masks(scores, keep=keep, within=within)["w"]
        order += [at for at in range(7) if bits[at] and at not in order]
    # Zeros of either sign are ties, which the earlier one wins.
    assert order == [5, 1, 2, 3, 4, 0, 6]
    with pytest.raises(MaskError, match="weight 1 is NaN"):
        score_masks(
            {"w": torch.tensor([-1.0, float("nan")])},
            keep=1,
            within=_core.MaskSet.dense({"w": (2,)}),
        )


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=30), st.data())
def test_any_scores_are_selected_as_a_stable_sort_has_it(
    values: list[float], data: st.DataObject
) -> None:
    keep = data.draw(st.integers(0, len(values)))
    within = _core.MaskSet.dense({"w": (len(values),)})
    bits = score_masks({"w": torch.tensor(values)}, keep=keep, within=within)["w"]
    ranked = sorted(range(len(values)), key=lambda at: -values[at])[:keep]
    assert sorted(np.flatnonzero(bits)) == sorted(ranked)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_file(weights(), path)
    return path


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        (["--criterion", "lamp", "--keep", "40"], {"criterion": "lamp", "keep": 40}),
        (["--scope", "erk", "--keep", "100"], {"scope": "erk", "keep": 100}),
        (
            ["--criterion", "random", "--scope", "erk", "--keep", "100", "--seed", "3"],
            {"criterion": "random", "scope": "erk", "keep": 100, "seed": 3},
        ),
        (["--scope", "2:4"], {"scope": "2:4"}),
    ],
)
def test_the_command_gives_the_masks_of_the_function(
    options: list[str], asked: dict[str, Any], cli_json: Json, file: Path, tmp_path: Path
) -> None:
    found = cli_json("mask", "prune", file, *options, "-o", tmp_path / "mask.safetensors")
    # Both in the order of names, which breaks ties.
    assert found["digest"] == dwlt.prune_magnitude(weights(), **asked).digest
    assert found["dropped"] == 0


def test_a_pattern_inside_a_ticket_says_what_it_costs(
    cli: Cli, cli_json: Json, file: Path, tmp_path: Path
) -> None:
    ticket, out = tmp_path / "ticket.safetensors", tmp_path / "2-4.safetensors"
    cli_json("mask", "prune", file, "--sparsity", "0.4", "-o", ticket)
    code, _, err = cli("mask", "prune", file, "--scope", "2:4", "--within", ticket, "-o", out)
    assert code == 0, err
    inner, outer = _core.MaskSet.load(out), _core.MaskSet.load(ticket)
    inner.check_lineage(outer)
    dropped = outer.kept - inner.kept
    assert 0 < dropped < outer.kept
    assert f"2:4 drops {dropped:,} of the {outer.kept:,} weights" in err
    assert "score it anew" in err
    found = cli_json("mask", "prune", file, "--scope", "2:4", "--within", ticket, "-o", out)
    assert found["dropped"] == dropped


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--scope", "2:4", "--rate", "0.5"], "leave the count out"),
        (["--scope", "diagonal", "--rate", "0.5"], "diagonal"),
        (["--scope", "4:2"], "no pattern"),
        (["--seed", "1", "--rate", "0.5"], "--criterion random"),
        (["--criterion", "snip", "--rate", "0.5"], "snip"),
    ],
)
def test_options_that_do_not_fit(
    options: list[str], words: str, cli: Cli, file: Path, tmp_path: Path
) -> None:
    code, _, err = cli("mask", "prune", file, *options, "-o", tmp_path / "mask.safetensors")
    assert code == 2
    assert words in err
