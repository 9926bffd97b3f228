"""The stages as functions, by the example of their page; and the page on regimes of one's own."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import dwlt
from dwlt.errors import UserError
from dwlt.events import EpochDone, Event
from tests.conftest import Cli
from tests.plugin_package import installed

DOCS = Path(__file__).parents[1] / "docs"


def block(page: str, language: str, first: str) -> str:
    """The code block of a page that begins with this line."""
    text = (DOCS / page).read_text(encoding="utf-8")
    found: list[str] = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    return next(each for each in found if each.startswith(first))


def test_the_example_of_the_page_runs_and_commands_find_its_runs(
    tiny: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    cli: Cli,
) -> None:
    monkeypatch.chdir(tmp_path)
    code = block("api.md", "python", "import dwlt").replace('"digits"', f'"{tiny}"')
    names: dict[str, object] = {}
    exec(compile(code, "docs/api.md", "exec"), names)
    printed = capsys.readouterr().out
    assert printed.startswith("trades ")
    assert "(1, " in printed
    # The verdict's line: one group, of the one search.
    assert printed.splitlines()[-1].startswith("trades ")

    events: list[Event] = []
    changes = {"pretrain.train.epochs": 2}
    again = dwlt.pretrain(
        str(tiny), regime="trades", changes=changes, device="cpu", progress=events.append
    )
    assert again == names["trained"]
    assert not any(isinstance(event, EpochDone) for event in events)
    words = ["-c", tiny, "--regime", "trades", "--set", "pretrain.train.epochs=2", "--json"]
    status, out, err = cli("pretrain", *words, "--device", "cpu")
    assert status == 0, err
    assert again.folder.name in out


def test_progress_is_told_and_an_experiment_takes_no_changes(tiny: Path, tmp_path: Path) -> None:
    experiment = dwlt.load_experiment(str(tiny), ["pretrain.train.epochs=1"])
    events: list[Event] = []
    found = dwlt.pretrain(experiment, runs=tmp_path, device="cpu", progress=events.append)
    assert found.result.regime == "adversarial"
    assert sum(isinstance(event, EpochDone) for event in events) == 1
    with pytest.raises(UserError, match="an Experiment is whole"):
        dwlt.pretrain(experiment, regime="fast", runs=tmp_path)


def test_the_objective_of_the_page_is_short_and_trains(
    tiny: Path, tmp_path: Path, cli: Cli
) -> None:
    code = block("howto.md", "python", "# my_regimes.py")
    assert len(code.splitlines()) < 30
    toml = block("howto.md", "toml", "# pyproject.toml")
    name, target = re.findall(r'^(\w+) = "(.+)"$', toml, re.MULTILINE)[0]
    (group,) = re.findall(r'entry-points\."(.+)"', toml)
    with installed(tmp_path, {group: {name: target}}, {"my_regimes.py": code}):
        changes = ["--set", f"pretrain.{name}.options.weight=0.5"]
        words = ["-c", tiny, "--runs", tmp_path / "runs", "--regime", name, *changes]
        code_, out, err = cli("pretrain", *words, "--json", "--device", "cpu")
        assert code_ == 0, err
        assert f'"regime": "{name}"' in out


def test_importing_dwlt_stays_light() -> None:
    text = "import dwlt, sys; assert not {'torch', 'pydantic', 'click'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", text], check=True)
