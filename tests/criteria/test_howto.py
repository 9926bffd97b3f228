"""The criterion of docs/howto.md: built from the page and used by a command."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from dwlt import plugins
from tests.criteria.make import INPUTS, TARGETS, TwoLayers, given

PAGE = Path(__file__).parents[2] / "docs" / "howto.md"


def block(kind: str) -> str:
    section = PAGE.read_text(encoding="utf-8").split("## Add a criterion\n")[1].split("\n## ")[0]
    return section.split(f"```{kind}\n")[1].split("```")[0]


@pytest.fixture
def fisher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's file, importable, and its entry point."""
    (tmp_path / "mycriteria.py").write_text(block("python"))
    monkeypatch.syspath_prepend(str(tmp_path))
    entries = tomllib.loads(block("toml"))["project"]["entry-points"]["dwlt.criteria"]
    own = tuple(
        plugins.Plugin("dwlt.criteria", name, target, "mine 1.0")
        for name, target in entries.items()
    )
    monkeypatch.setattr(plugins, "plugins", lambda group: own if "criteria" in group else ())


def test_it_is_short() -> None:
    assert len(block("python").splitlines()) < 30


def test_the_criterion_of_the_page(
    fisher: None, tiny: Path, tmp_path: Path, cli_json: Callable[..., Any]
) -> None:
    from dwlt.criteria import CRITERIA

    assert "fisher" in CRITERIA.names()
    model = TwoLayers()
    scores = CRITERIA.get("fisher").score(given(model, [(INPUTS, TARGETS)]))
    # w^2 times the gradient's square: 1 * 51^2 at the first weight, as SNIP's test has it.
    torch.testing.assert_close(scores["first.weight"][0, 0], torch.tensor(51.0**2))
    few = ["source.per_class=6", "pretrain.train.epochs=1", "prune.train.epochs=1"]
    options = [word for one in few for word in ("--set", one)]
    base = ["--config", tiny, "--runs", tmp_path / "runs", "--device", "cpu", *options]
    found = cli_json("prune", "--criterion", "fisher", "--rounds", 1, *base)
    assert found["rounds"][1]["criterion"] == "fisher"
