"""Progress without a terminal: plain lines, few enough to read."""

from __future__ import annotations

import pytest

from dwlt.cli import show
from dwlt.events import ShardDone


def test_an_evaluation_says_who_stands_and_how_long_it_takes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(show, "PLAIN_EVERY", 0.0)
    with show.Show() as view:
        view.event(ShardDone("clean", 1, 2, 110, 1000, None))
        view.event(ShardDone("fab-t", 2, 2, 87, 1000, 200.0))
    assert capsys.readouterr().err.splitlines() == [
        "  clean, shard 1/2: 110 of 1,000 stand",
        "  fab-t, shard 2/2: 87 of 1,000 stand, about 3 min left",
    ]
