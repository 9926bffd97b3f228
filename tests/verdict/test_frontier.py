from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlt.spec.verdict import VerdictPart
from dwlt.verdict.frontier import Found, SearchPlan, Step, advance
from dwlt.verdict.outcomes import NUMBERS, REGIMES, Contender
from dwlt.verdict.sequential import Decision
from tests.verdict.make import ADVERSARIAL_RA, STANDARD_RA, STANDARD_SA, lower, network

ROUNDS = (3, 6, 8, 10, 12, 15)
ONE_POINT = VerdictPart(margin_sa=1, margin_ra=1)


class Bench:
    """Networks that are there once they are asked for."""

    def __init__(self, plan: SearchPlan, networks: Mapping[int, Contender]) -> None:
        self.plan = plan
        self.networks = networks
        self.steps: list[Step] = []
        self.have: dict[tuple[int, str], set[int]] = {}

    def known(self, round_: int) -> Contender | None:
        whole = self.networks[round_]
        numbers = {}
        for number, measured in whole.numbers.items():
            part = measured.only(self.have.get((round_, number.regime), set()))
            if part is not None:
                numbers[number] = part
        return Contender(round_, whole.kept, whole.total, numbers) if numbers else None

    def answer(self) -> Step | Found:
        known = {round_: self.known(round_) for round_ in self.networks}
        tickets = {r: net for r, net in known.items() if net is not None}
        return advance(self.plan, known[0], tickets)

    def run(self) -> Found:
        for _ in range(100):
            said = self.answer()
            if isinstance(said, Found):
                return said
            assert said.seeds
            done = self.have.setdefault((said.round, said.regime), set())
            assert not done & set(said.seeds), "nothing is run twice"
            done |= set(said.seeds)
            self.steps.append(said)
        raise AssertionError("it never ends")

    @property
    def trainings(self) -> int:
        return sum(len(step.seeds) for step in self.steps)


def bench(deficits: Mapping[int, float], number: object = ADVERSARIAL_RA, **plan: object) -> Bench:
    networks = {0: network(seeds=9, spread=4)}
    for round_ in ROUNDS:
        levels = lower({number: deficits.get(round_, 0.0)})  # type: ignore[dict-item]
        networks[round_] = network(round_, seeds=9, spread=4, levels=levels)
    values: dict[str, object] = {"rounds": ROUNDS, "classes": 10, "settings": ONE_POINT, **plan}
    return Bench(SearchPlan(**values), networks)  # type: ignore[arg-type]


@pytest.mark.parametrize("last", range(len(ROUNDS)))
def test_it_finds_the_last_round_before_the_fall(last: int) -> None:
    made = bench(dict.fromkeys(ROUNDS[last + 1 :], 5.0))
    found = made.run()
    assert found.extreme == ROUNDS[last]
    assert found.attempts[-1].decision is Decision.MATCHES
    # Six declared rounds need three probes; twenty rounds of three seeds are 126 trainings.
    assert len(found.probes) <= 3
    assert made.trainings * 4 <= 126


def test_where_no_round_is_promising_nothing_is_confirmed() -> None:
    found = bench(dict.fromkeys(ROUNDS, 5.0)).run()
    assert found.extreme is None
    assert found.attempts == ()


def test_a_regime_that_settles_it_saves_the_other() -> None:
    made = bench(dict.fromkeys(ROUNDS, 5.0), number=STANDARD_SA)
    made.run()
    assert {step.regime for step in made.steps} == {"standard"}


def test_a_candidate_that_fails_is_followed_by_the_next_denser_one() -> None:
    made = bench({10: 1.5, 12: 9.0, 15: 9.0}, hope=2.0)
    found = made.run()
    assert [(a.round, a.decision) for a in found.attempts] == [
        (10, Decision.SHORT),
        (8, Decision.MATCHES),
    ]
    assert found.extreme == 8
    alone = bench({10: 1.5, 12: 9.0, 15: 9.0}, hope=2.0, attempts=1).run()
    assert alone.extreme is None


def test_an_unclear_cell_gets_more_seeds_up_to_the_last_look() -> None:
    made = bench({10: 1.0, 12: 9.0, 15: 9.0}, hope=2.0, attempts=1)
    found = made.run()
    assert found.attempts[0].decision is Decision.UNCLEAR
    assert found.attempts[0].seeds == 8
    grown = [step.seeds for step in made.steps if step.round == 10 and step.phase == "confirm"]
    assert grown == [(1, 2, 3), (1, 2, 3), (4, 5), (4, 5), (6, 7, 8), (6, 7, 8)]


def test_confirming_never_uses_the_seeds_that_located() -> None:
    made = bench({12: 5.0, 15: 5.0})
    made.run()
    phases: dict[str, set[int]] = {"locate": set(), "confirm": set()}
    for step in made.steps:
        phases[step.phase] |= set(step.seeds)
    assert not phases["locate"] & phases["confirm"]


def test_every_step_says_why() -> None:
    made = bench({12: 5.0, 15: 5.0})
    made.run()
    assert all(str(step.round) in step.reason or step.round == 0 for step in made.steps)
    assert made.steps[0].reason == "locate: is round 8 promising?"


def test_what_is_already_there_is_not_asked_for_and_changes_nothing() -> None:
    fresh = bench({12: 5.0, 15: 5.0})
    told = fresh.run()
    full = bench({12: 5.0, 15: 5.0})
    full.have = {(r, regime): set(range(9)) for r in (0, *ROUNDS) for regime in REGIMES}
    assert full.answer() == told


def test_a_number_at_the_floor_does_not_stop_the_search() -> None:
    levels = (0.95, 0.0, 0.85, 0.60)
    networks = {r: network(r, seeds=9, spread=4, levels=levels) for r in (0, *ROUNDS)}
    found = Bench(SearchPlan(ROUNDS, 10, ONE_POINT), networks).run()
    assert found.extreme == ROUNDS[-1]
    assert levels[NUMBERS.index(STANDARD_RA)] == 0.0


def test_where_nothing_can_be_said_the_search_ends_at_once_and_says_why() -> None:
    levels = (0.95, 0.0, 0.85, 0.0)
    floored = {r: network(r, seeds=9, levels=levels) for r in (0, *ROUNDS)}
    found = Bench(SearchPlan(ROUNDS, 10, ONE_POINT), floored).run()
    assert found.extreme is None
    assert found.reason == "no SA or no RA of the dense network is above its floor"
    blind = {r: network(r, seeds=9, without=[STANDARD_RA]) for r in (0, *ROUNDS)}
    told = Bench(SearchPlan(ROUNDS, 10, ONE_POINT), blind).run()
    assert told.reason == "RA, standard transfer was not measured"
    half = {**blind, 0: network(seeds=9)}
    told = Bench(SearchPlan(ROUNDS, 10, ONE_POINT), half).run()
    assert told.reason == "RA, standard transfer was not measured"
    assert not any(probe.promising for probe in told.probes)


def test_a_number_that_only_the_locating_seed_has_is_never_confirmed() -> None:
    networks = {r: network(r, seeds=9, spread=4) for r in (0, *ROUNDS)}
    dense = networks[0].numbers[STANDARD_RA].only({0})
    assert dense is not None
    networks[0] = replace(networks[0], numbers={**networks[0].numbers, STANDARD_RA: dense})
    assert Bench(SearchPlan(ROUNDS, 10, ONE_POINT), networks).run().extreme is None


def test_a_plan_follows_from_the_settings() -> None:
    plan = SearchPlan.of(VerdictPart(max_seeds=9), tuple(range(21)), 5)
    assert plan.rounds == ROUNDS
    assert plan.looks == (3, 5, 8)
    assert SearchPlan.of(VerdictPart(max_seeds=4, rounds=(2, 4)), (), 5).looks == (3,)
    assert SearchPlan.of(VerdictPart(max_seeds=3), (1, 2), 5).looks == (2,)


def test_plans_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="ascend"):
        SearchPlan((6, 3), 10)
    with pytest.raises(ValueError, match="at least 1"):
        SearchPlan((3,), 10, attempts=0)
    with pytest.raises(ValueError, match="hope is above 0"):
        SearchPlan((3,), 10, hope=0)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(-5, 40), min_size=6, max_size=6))
def test_it_ends_whatever_the_tickets_are_and_claims_only_what_it_confirmed(
    deficits: list[float],
) -> None:
    networks = {0: network(seeds=9, n=500, spread=2)}
    for round_, worse in zip(ROUNDS, deficits, strict=True):
        levels = lower({ADVERSARIAL_RA: worse})
        networks[round_] = network(round_, seeds=9, n=500, spread=2, levels=levels)
    made = Bench(SearchPlan(ROUNDS, 10, VerdictPart(margin_sa=5, margin_ra=5)), networks)
    found = made.run()
    assert len(found.probes) <= 3
    assert len(found.attempts) <= made.plan.attempts
    if found.extreme is None:
        assert all(a.decision is not Decision.MATCHES for a in found.attempts)
    else:
        assert found.attempts[-1].round == found.extreme
        assert found.attempts[-1].decision is Decision.MATCHES
        # The confirmed ticket is no more than the margin worse: these networks have no luck.
        assert deficits[ROUNDS.index(found.extreme)] < 5
