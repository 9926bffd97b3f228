"""Evaluations in saved steps: worst cases, resuming, no trace, and who broke what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dwlt.attacks import SearchResult
from dwlt.attacks.auto import SUITE, package
from dwlt.data import Batch
from dwlt.errors import DataError, DwltError, LedgerError
from dwlt.events import ShardDone
from dwlt.scoring import (
    AutoAttackPart,
    Evaluation,
    Gradient,
    Steps,
    Threat,
    Transferred,
    accuracy_on,
    evaluate,
    score,
    shards,
)
from dwlt.scoring.shards import Clock
from dwlt.spec import AttackSpec, ScoreSpec
from dwlt.stages.shards import ShardFiles
from dwlt.units import Eps
from tests.attacks.auto.test_driver import traces
from tests.attacks.auto.traps import EPS, Traps, trapped
from tests.attacks.conftest import conv_net
from tests.scoring.memory import Threshold, column, split_of

BALL = AttackSpec(eps=Eps("0.05"), step=Eps("0.0125"), steps=5)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "QUERIES", 60)
    monkeypatch.setattr(package, "STEPS", 10)
    monkeypatch.setattr(shards, "SHARD", 15)


def four(limit: int = 256) -> list[Threat]:
    return [AutoAttackPart(name, BALL, 3, limit) for name in SUITE]


def run(
    model: nn.Module, images: Tensor, labels: Tensor, threats: list[Threat], **more: Any
) -> Evaluation:
    split = split_of(images, labels)
    return evaluate(model, split, threats, label="it", device="cpu", **more)


def test_ra_is_the_worst_case_and_each_sample_knows_who_broke_it() -> None:
    images, labels = trapped(40)
    labels[0] = 1  # wrong from the start
    found = run(Traps(4), images, labels, four())
    robust = found.score.robust
    assert robust is not None
    assert found.broken_by[0] is None
    assert not robust[0]
    assert found.score.sa.correct == 39
    for position in range(1, 40):
        assert (found.broken_by[position] is None) == bool(robust[position])
    standing = 39
    for outcome in found.attacks:
        assert outcome.tried == standing
        assert outcome.fooled == found.broken_by.count(outcome.name) > 0
        standing -= outcome.fooled
        assert (outcome.after.correct, outcome.after.n) == (standing, 40)
    assert found.score.ra is not None
    assert found.score.ra.correct == standing == int(robust.sum())
    assert {flag.code for flag in found.score.flags} == {"zero-gradient", "square-stronger"}


def test_pgd_in_shards_is_the_door_of_the_stages() -> None:
    net = conv_net().eval()
    images = torch.rand(40, 1, 6, 6, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        net[9].bias -= net(images).mean(0)
        labels = net(images).argmax(1)
    spec = ScoreSpec(attack=BALL, seed=4, batch_size=7)
    whole = score(net, split_of(images, labels), spec, device="cpu")
    found = run(net, images, labels, [Gradient("pgd-5", BALL, 4)])
    assert found.score.samples() == whole.samples()
    assert 0 < whole.samples()["robust"].count(0) < 40


def test_batch_sizes_give_the_same_samples() -> None:
    images, labels = trapped(20)
    found = [
        run(
            Traps(4),
            images,
            labels,
            [Gradient("pgd-5", BALL, 3, limit), *four(limit)],
            batch_size=limit,
        )
        for limit in (1, 7, 128)
    ]
    for other in found[1:]:
        assert other.samples() == found[0].samples()
        assert other.attacks == found[0].attacks
    assert {one.name for one in found[0].attacks if one.fooled} >= {"pgd-5", "square"}


def test_without_attacks_there_is_sa_alone() -> None:
    found = run(Threshold(), column(0.8, 0.2), torch.tensor([0, 0]), [])
    assert found.score.ra is None
    assert found.samples()["robust"] is None
    assert found.attacks == ()


def test_no_trace_is_left_even_by_an_evaluation_that_is_stopped() -> None:
    net = conv_net()
    net[9] = nn.Linear(24, 5)
    net[0].bias.grad = torch.ones(6)
    images = torch.rand(20, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(20) % 5
    before = traces(net)
    run(net, images, labels, four())
    assert traces(net) == before

    def leave(progress: ShardDone) -> None:
        if progress.step == "fab-t":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(net, images, labels, four(), on_shard=leave)
    assert traces(net) == before


class Counting:
    """A threat that says when it works."""

    def __init__(self, threat: Threat, log: list[str]) -> None:
        self.name, self.ball, self._threat, self._log = threat.name, threat.ball, threat, log

    def passes(self, classes: int) -> int:
        return self._threat.passes(classes)

    def run(self, model: nn.Module, batch: Batch, shard: int) -> SearchResult:
        self._log.append(f"{self.name} {shard}")
        return self._threat.run(model, batch, shard)


class Killed(BaseException):
    """As abrupt as it gets inside one process."""


@pytest.mark.parametrize(
    ("name", "before_saving"),
    [("clean", False), *((name, True) for name in SUITE), ("fab-t", False)],
)
def test_killed_in_each_attack_the_result_is_the_same(
    name: str, before_saving: bool, tmp_path: Path
) -> None:
    images, labels = trapped(40)
    whole = run(Traps(4), images, labels, four())

    class Files(ShardFiles):
        def save(self, step: str, shard: int, value: dict[str, Any]) -> None:
            if before_saving and (step, shard) == (name, 1):
                raise Killed
            super().save(step, shard, value)
            if not before_saving and (step, shard) == (name, 1):
                raise Killed

    identity = {"weights": "w", "attack eps": "0.05"}
    with pytest.raises(Killed):
        run(Traps(4), images, labels, four(), steps=Files(tmp_path / "shards", identity))
    log: list[str] = []
    again: list[Threat] = [Counting(threat, log) for threat in four()]
    files = ShardFiles(tmp_path / "shards", identity)
    resumed = run(Traps(4), images, labels, again, steps=files)
    assert resumed.samples() == whole.samples()
    assert resumed.score.values() == whole.score.values()
    assert resumed.attacks == whole.attacks
    assert resumed.score.flags == whole.score.flags
    steps = [f"{one} {shard}" for one in ("clean", *SUITE) for shard in range(3)]
    done = steps.index(f"{name} 1") + (0 if before_saving else 1)
    assert log == [step for step in steps[done:] if not step.startswith("clean")]
    files.clear()
    assert not (tmp_path / "shards").exists()


@pytest.mark.parametrize(
    ("field", "value"), [("attack eps", "0.1"), ("mask digest", "m2"), ("images", "other")]
)
def test_foreign_steps_are_refused_by_name(field: str, value: str, tmp_path: Path) -> None:
    identity = {"attack eps": "0.05", "mask digest": "m1", "images": "these"}
    own = ShardFiles(tmp_path, identity)
    own.save("apgd-ce", 0, {"fooled": [1]})
    assert own.load("apgd-ce", 0) == {"fooled": [1]}
    assert own.load("apgd-ce", 1) is None
    with pytest.raises(LedgerError, match=f"its {field} is {identity[field]}, not {value}"):
        ShardFiles(tmp_path, {**identity, field: value}).load("apgd-ce", 0)
    with pytest.raises(LedgerError, match="its mask digest is m1, not None"):
        ShardFiles(tmp_path, {"attack eps": "0.05", "images": "these"}).load("apgd-ce", 0)


def test_damaged_steps_are_refused(tmp_path: Path) -> None:
    files = ShardFiles(tmp_path, {})
    files.save("clean", 0, {})
    path = tmp_path / "clean-00000.json"
    path.write_text("{")
    with pytest.raises(LedgerError, match="cannot be read"):
        files.load("clean", 0)
    path.write_text("[]")
    with pytest.raises(LedgerError, match="holds no shard"):
        files.load("clean", 0)


def test_progress_tells_who_stands_and_how_long() -> None:
    told: list[ShardDone] = []
    images, labels = trapped(40)
    run(Traps(4), images, labels, four(), on_shard=told.append)
    assert [one.step for one in told[:4]] == ["clean", "clean", "clean", "apgd-ce"]
    assert (told[2].shard, told[2].shards, told[2].standing, told[2].n) == (3, 3, 40, 40)
    assert told[2].left is None
    assert told[3].left is not None
    assert told[3].left > 0
    assert told[-1].left == 0


def test_points_outside_the_ball_are_an_error() -> None:
    class Cheat(Counting):
        def run(self, model: nn.Module, batch: Batch, shard: int) -> SearchResult:
            none = torch.zeros(len(batch.labels), dtype=torch.bool)
            return SearchResult(batch.images + 0.06, none, none)

    with pytest.raises(DwltError, match="left its bounds"):
        run(
            Threshold(),
            column(0.8),
            torch.tensor([0]),
            [Cheat(Gradient("pgd-5", BALL, 0), [])],
        )


def test_pixels_outside_the_range_are_refused() -> None:
    with pytest.raises(DataError, match=r"outside \[0, 1\]"):
        run(Threshold(), column(0.5, 1 + 1e-5), torch.tensor([0, 0]), four())


def test_an_attack_made_elsewhere_is_judged_here() -> None:
    # The other model's gradient points the other way: its worst point does this one no harm.
    class Mirrored(Threshold):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(1 - images)

    images, labels = column(0.53, 0.7), torch.tensor([0, 0])
    ball = BALL.model_copy(update={"steps": 10})
    own = run(Threshold(), images, labels, [Transferred("pgd-10", ball, 0, Threshold())])
    assert own.broken_by == ("pgd-10", None)
    other = run(Threshold(), images, labels, [Transferred("pgd-10", ball, 0, Mirrored())])
    assert other.broken_by == (None, None)


def test_accuracy_on_changed_images_is_saved_by_shard(tmp_path: Path) -> None:
    images, labels = column(*(0.4 + 0.01 * k for k in range(20))), torch.zeros(20).long()
    calls: list[int] = []

    def darker(batch: Batch) -> Batch:
        calls.append(len(batch.labels))
        return Batch(batch.images - 0.035, batch.labels, batch.ids)

    steps: Steps = ShardFiles(tmp_path, {})
    for _ in range(2):
        found = accuracy_on(
            Threshold(), split_of(images, labels), darker, step="dark-1", device="cpu", steps=steps
        )
        # 0.4 + 0.01 k - 0.035 > 0.5 from k = 14 on.
        assert (found.correct, found.n) == (6, 20)
    assert calls == [15, 5]


def test_eps_is_reached_and_not_passed() -> None:
    found = run(Traps(4), *trapped(15), [AutoAttackPart("apgd-ce", BALL, 0, 99)])
    assert found.attacks[0].fooled > 0
    assert BALL.eps.value == EPS


def test_the_time_left_is_told_from_passes_of_this_session() -> None:
    clock = Clock()
    assert clock.left(3) is None
    clock.worked(2, 3.0)
    clock.worked(2, 5.0)
    assert clock.left(3) == 6.0
