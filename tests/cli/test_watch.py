"""``dwlt runs watch``: a line for each change, and when it ends."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from dwlt.cli.runs_plan import progress
from dwlt.runs.plan import Matrix, State
from dwlt.runs.plan.matrix import Line
from tests.conftest import Cli


def state_of(done: int, running: int, todo: int, failed: int = 0) -> Matrix:
    """A plan of one pre-training, three rounds and some transfers."""
    counts = {State.DONE: done, State.RUNNING: running, State.TODO: todo, State.FAILED: failed}
    line = Line("a task", {6: Counter(counts)})
    search = ("a search", 3, 3, State.DONE)
    left = 60.0 * (todo + running)
    return Matrix((("adversarial", State.DONE),), (search,), (line,), running, left)


def test_a_line_says_how_far_it_is() -> None:
    assert progress(state_of(5, 2, 3)) == (
        "1 of 1 pre-trainings, 3 of 3 rounds, 5 of 10 transfers done, 2 running; 2 at work; "
        "about 5 min left"
    )
    assert progress(state_of(9, 0, 0, 1)) == (
        "1 of 1 pre-trainings, 3 of 3 rounds, 9 of 10 transfers done, 1 failed; 0 at work"
    )


def follow(monkeypatch: pytest.MonkeyPatch, looks: Iterator[Matrix]) -> list[float]:
    """Let ``watch`` see these, and return the list that its waits are put into."""
    waited: list[float] = []
    monkeypatch.setattr("dwlt.runs.plan.matrix", lambda plan: next(looks))
    monkeypatch.setattr("dwlt.cli.runs_plan.time.sleep", waited.append)
    return waited


@pytest.mark.parametrize(("failed", "code", "last"), [(0, 0, "3 of 3"), (1, 1, "3 of 4")])
def test_each_change_is_a_line_until_all_is_done(
    monkeypatch: pytest.MonkeyPatch, cli: Cli, tmp_path: Path, failed: int, code: int, last: str
) -> None:
    looks = [state_of(1, 1, 1), state_of(1, 1, 1), state_of(2, 1, 0), state_of(3, 0, 0, failed)]
    waited = follow(monkeypatch, iter(looks))
    found, out, _ = cli("runs", "watch", "--runs", tmp_path, "--every", "2")
    assert found == code
    done = [line.split(", ")[2][:6] for line in out.splitlines()]
    assert done == ["1 of 3", "2 of 3", last]
    assert waited == [2.0, 2.0, 2.0]


def test_it_ends_when_nobody_is_at_work(
    monkeypatch: pytest.MonkeyPatch, cli: Cli, tmp_path: Path
) -> None:
    looks = [state_of(1, 0, 2), state_of(1, 1, 1), *[state_of(2, 0, 1)] * 9]
    waited = follow(monkeypatch, iter(looks))
    code, out, err = cli("runs", "watch", "--runs", tmp_path, "--every", "30", "--json")
    assert code == 1
    assert [json.loads(line)["totals"]["done"] for line in out.splitlines()] == [1, 1, 2]
    assert "nobody is at work on it; transfers left to do: 1" in err
    # The minute begins anew with each process that is at work.
    assert len(waited) == 3


def test_an_empty_folder_has_all_to_do(
    monkeypatch: pytest.MonkeyPatch, cli: Cli, tmp_path: Path
) -> None:
    monkeypatch.setattr("dwlt.cli.runs_plan.time.sleep", lambda seconds: None)
    code, out, err = cli("runs", "watch", "--runs", tmp_path)
    assert code == 1
    assert out.startswith("0 of 1 pre-trainings, 0 of ")
    assert "nobody is at work" in err
