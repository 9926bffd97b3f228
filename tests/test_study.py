"""The pieces of the studies: commands that dwlt understands, each once, about what exists."""

from __future__ import annotations

import importlib
from functools import cache

import click
import pytest
from benchmarks.study import STUDIES, Piece, Study

from dwlt.spec import load_experiment, variants

CASES = [
    pytest.param(study, piece, id=f"{study.preset}: {piece.about}")
    for study in STUDIES
    for piece in study.pieces
]


@cache
def parts(preset: str, changes: tuple[str, ...]) -> tuple[set[str], set[float]]:
    """The pre-training regimes and the shares of the data of a grid."""
    grid = variants(load_experiment(preset, changes))
    regimes = {str(v.experiment.pretrain.regime) for v in grid}
    return regimes, {v.experiment.downstream.fraction for v in grid}


@pytest.mark.parametrize(("study", "piece"), CASES)
def test_a_piece_is_a_command_about_a_part_of_the_grid(study: Study, piece: Piece) -> None:
    name, *options = piece.command
    command: click.Command = importlib.import_module(f"dwlt.cli.{name}").command
    parsed = command.make_context(name, [*options, "--config", study.preset]).params
    regimes, shares = parts(study.preset, tuple(parsed.get("changes") or ()))
    assert {parsed.get("pretrain_regime")} <= {*regimes, None}
    assert {parsed.get("fraction")} <= {*shares, None}


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.preset)
def test_pieces_are_told_apart_and_the_last_one_is_the_whole_grid(study: Study) -> None:
    assert len({piece.about for piece in study.pieces}) == len(study.pieces)
    assert len({piece.command for piece in study.pieces}) == len(study.pieces)
    assert study.pieces[-1].command[0] == "run"
