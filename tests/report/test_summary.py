"""The first sentence: what was found, and what to run next."""

from __future__ import annotations

import pytest

from dwlt.report import Summary, assess, collect, summary
from dwlt.spec.verdict import VerdictPart
from tests.report.make import PAPER, Maker

WIN = ([90], [20], [85], [50])


def told(make: Maker, settings: VerdictPart | None = None) -> Summary:
    return summary(assess(collect(make.root), settings=settings))


def test_before_anything_was_run(make: Maker) -> None:
    assert told(make).command == "dwlt prune --rounds 20"


def test_tickets_that_nobody_transferred(make: Maker) -> None:
    make.prune(6)
    assert "none is transferred" in told(make).found
    assert told(make).command == "dwlt transfer"


def test_a_dense_network_alone(make: Maker) -> None:
    make.network(0, WIN)
    assert told(make).command == "dwlt transfer"
    assert "only dense networks" in told(make).found


def test_controls_alone(make: Maker) -> None:
    make.network(0, WIN, method="random")
    make.network(6, WIN, method="random")
    assert "only controls" in told(make).found


@pytest.mark.parametrize("regime", ["standard", "adversarial"])
def test_what_is_missing_comes_first(make: Maker, regime: str) -> None:
    make.network(0, WIN)
    make.cell(6, "adversarial" if regime == "standard" else "standard", 90, 40)
    found = told(make)
    assert "1 incomplete" in found.found
    assert ("--adv" in found.command) == (regime == "adversarial")
    assert found.command.endswith("--rounds 0,6")


def test_unclear_tickets_ask_for_seeds(make: Maker) -> None:
    make.network(0, WIN)
    make.network(6, WIN)
    found = told(make)
    assert "no double-win ticket is shown under PGD-20 among 1 ticket (1 undecided)" in found.found
    assert found.command == "dwlt transfer --seeds 3"


def test_all_short_asks_for_denser_tickets(make: Maker) -> None:
    make.network(0, WIN)
    make.network(6, ([10], [0], [10], [0]))
    assert "1 falling short" in told(make).found
    assert "denser" in told(make).next


def test_a_win_asks_for_a_stronger_attack(make: Maker) -> None:
    make.network(0, WIN)
    make.network(6, WIN)
    found = told(make, PAPER)
    assert "extreme sparsity under PGD-20 is 73.80%" in found.found
    assert "adversarial pre-training on digits:5-9" in found.found
    assert found.command == "dwlt verify"


def test_several_searches_are_counted(make: Maker) -> None:
    for task in ("one", "two"):
        named = make.common("transfer", "x", "y")["task"] | {"name": task}
        make.network(0, WIN, task=named, salt=task)
        make.network(6 if task == "one" else 10, WIN, task=named, salt=task)
    found = told(make, PAPER).found
    assert found.startswith("2 of 2 searches have a double-win ticket; the largest extreme")
    assert "89.30%" in found
    assert "on two" in found


def test_a_dense_network_at_the_floor_has_to_be_better_first(make: Maker) -> None:
    low = ([21], [0], [20], [0])
    make.network(0, low)
    make.network(6, low)
    assert "at the floor" in told(make).found
    assert "dense network must be better" in told(make).next


def test_the_sentence_is_one_line(study: Maker) -> None:
    line = told(study).sentence
    assert "\n" not in line
    assert "; next: " in line
