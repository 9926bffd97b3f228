"""Engines: what the head decides, on a cluster that fails as it is told to; and two real ones."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from dwlt import events
from dwlt.errors import DataError, DwltError, InterruptError, UserError
from dwlt.events import Event, Message
from dwlt.grid.engines import open_engine, options, worker
from dwlt.grid.engines.base import Outcome, Resources, Task
from dwlt.grid.engines.remote import TRIES, Remote
from dwlt.grid.engines.session import Reporter, Session, apart
from dwlt.grid.nodes import CellNode, nodes_of
from dwlt.grid.walk import Policy, walk
from dwlt.runs.context import Context
from dwlt.runs.plan import Plan
from dwlt.spec import load_experiment
from dwlt.training.slot import Partial
from dwlt.training.state import TrainingState
from tests.plugin_package import installed

from .engine_runs import computed, small

Deed = Callable[[Task], Outcome | None]


@dataclass
class Bench:
    """A cluster of this process: each task is sent through a pickle and done when it is polled.

    Attributes:
        deed: what happens to a task instead of its being done; None: it is done.
        waves: labels of what was submitted together.
    """

    deed: Deed = lambda task: None
    waves: list[list[str]] = field(default_factory=list)
    queue: list[bytes] = field(default_factory=list)
    name: str = "bench"

    def start(self, session: Path, device: str) -> None:
        pass

    def places(self) -> int:
        return 1

    def submit(self, tasks: Sequence[Task]) -> None:
        self.waves.append([task.node.label for task in tasks if task.node is not None])
        self.queue += [pickle.dumps(task) for task in tasks]

    def poll(self) -> list[tuple[int, Outcome]]:
        queue, self.queue = self.queue, []
        ended = []
        for blob in queue:
            task: Task = pickle.loads(blob)
            ended.append((task.id, self.deed(task) or worker.run(task)))
        return ended

    def close(self) -> None:
        self.queue.clear()


def around(runs: Path, seen: list[Event] | None = None) -> Context:
    seen = [] if seen is None else seen
    return Context(runs, runs, "cpu", 0, 1, seen.append, lambda: False)


def plan_of(folder: Path, runs: Path) -> Plan:
    return Plan.of(load_experiment(str(small(folder))), runs)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs folder of one process."""
    folder = tmp_path_factory.mktemp("alone")
    runs = folder / "runs"
    walk(plan_of(folder, runs), around(runs), Policy(), asked=True)
    return runs


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dwlt.grid.engines.remote.WAIT", 0.001)


def walked(folder: Path, cluster: Bench, seen: list[Event] | None = None, **rules: bool) -> Path:
    runs = folder / "runs"
    engine = Remote(cluster, Resources())
    try:
        plan = plan_of(folder, runs)
        walk(plan, around(runs, seen), Policy(engine=engine, **rules), asked=True)
    finally:
        engine.close()
    return runs


def test_waves_follow_what_tasks_start_from(tmp_path: Path, alone: Path) -> None:
    cluster, seen = Bench(), list[Event]()
    runs = walked(tmp_path, cluster, seen)
    assert [len(wave) for wave in cluster.waves] == [0, 1, 1, 4]
    assert computed(runs) == computed(alone)
    # Nothing is left to do, so not even the cluster is asked.
    again = Bench()
    walked(tmp_path, again)
    assert again.waves == []
    # One display: what a worker's stage says is said here, once, with the name of its node.
    done = [event.label for event in seen if isinstance(event, events.StepDone)]
    assert len(done) == 1 + 2 + 4
    assert len(set(done)) == len(done)
    assert sum(isinstance(event, events.EpochDone) for event in seen) == 1 + 1 + 4 * 2
    (started,) = (event for event in seen if isinstance(event, events.StageStarted))
    assert started.epochs == 1 + 1 + 4 * 2


def test_workers_save_inside_an_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker is killed as every process is, and has to lose as little."""
    saved: list[int] = []
    plain = TrainingState.suspend

    def suspend(state: TrainingState, partial: Partial) -> None:
        saved.append(partial.steps)
        plain(state, partial)

    monkeypatch.setattr(TrainingState, "suspend", suspend)
    runs, seen = tmp_path / "runs", list[float | None]()

    def deed(task: Task) -> Outcome | None:
        if task.node is None:
            return None
        seen.append(task.checkpoint_seconds)
        return worker.run(task) if len(seen) == 1 else Outcome("failed", "enough")

    context = replace(around(runs), checkpoint_seconds=0.0)
    engine = Remote(Bench(deed), Resources())
    with pytest.raises(DwltError, match="enough"):
        walk(plan_of(tmp_path, runs), context, Policy(engine=engine), asked=True)
    engine.close()
    assert set(seen) == {0.0}
    assert saved


def test_a_lost_worker_costs_a_message(tmp_path: Path, alone: Path) -> None:
    lost: list[int] = []

    def deed(task: Task) -> Outcome | None:
        if task.node is not None and len(lost) < TRIES - 1:
            lost.append(task.id)
            return Outcome("lost", "its machine went")
        return None

    seen: list[Event] = []
    assert computed(walked(tmp_path, Bench(deed), seen)) == computed(alone)
    said = [event.text for event in seen if isinstance(event, Message) and event.warning]
    assert len(said) == TRIES - 1
    assert all("its machine went" in text and "sent again" in text for text in said)


def test_a_task_that_loses_every_worker_fails(tmp_path: Path) -> None:
    cluster = Bench(lambda task: None if task.node is None else Outcome("lost", "killed"))
    with pytest.raises(DwltError, match=f"sent {TRIES} times"):
        walked(tmp_path, cluster)
    assert len(cluster.waves) == 1 + TRIES


def test_a_failure_is_the_error_that_it_was(tmp_path: Path) -> None:
    def deed(task: Task) -> Outcome | None:
        if isinstance(task.node, CellNode):
            return Outcome("failed", "images/7.png cannot be read", "mend it", "DataError")
        return None

    with pytest.raises(DataError, match=r"images/7\.png") as caught:
        walked(tmp_path, Bench(deed))
    assert (caught.value.hint, caught.value.exit_code) == ("mend it", 2)


def test_keep_going_does_the_rest(tmp_path: Path, alone: Path) -> None:
    def deed(task: Task) -> Outcome | None:
        if isinstance(task.node, CellNode) and task.node.cell.spec.round == 1:
            return Outcome("failed", "no", None, "TrainingError")
        return None

    with pytest.raises(DwltError, match="2 of 6 runs failed"):
        walked(tmp_path, Bench(deed), keep_going=True)
    assert len(list((tmp_path / "runs" / "transfer").iterdir())) == 2
    assert computed(walked(tmp_path, Bench(), keep_going=True)) == computed(alone)


def test_a_search_that_fails_leaves_its_cells_out(tmp_path: Path) -> None:
    def deed(task: Task) -> Outcome | None:
        prune = task.node is not None and task.node.label.startswith("prune")
        return Outcome("failed", "no") if prune else None

    with pytest.raises(DwltError, match="5 of 6 runs failed"):
        walked(tmp_path, Bench(deed), keep_going=True)


def test_a_fault_of_the_code_ends_it(tmp_path: Path) -> None:
    def deed(task: Task) -> Outcome | None:
        return None if task.node is None else Outcome("fault", "disk full", host="far")

    with pytest.raises(DwltError, match="on far: disk full"):
        walked(tmp_path, Bench(deed), keep_going=True)


def test_busy_and_stopped_tasks_are_sent_again(tmp_path: Path, alone: Path) -> None:
    first: set[str] = set()

    def deed(task: Task) -> Outcome | None:
        if task.node is None or task.node.label in first:
            return None
        first.add(task.node.label)
        return Outcome("busy" if task.id % 2 else "stopped", "another one")

    assert computed(walked(tmp_path, Bench(deed))) == computed(alone)


def test_ctrl_c_stops_the_workers(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    asked = [False]
    told: list[bool] = []

    def deed(task: Task) -> Outcome | None:
        if task.node is None:
            return None
        if not asked[0]:
            asked[0] = True
            cluster.queue.append(pickle.dumps(task))
            return Outcome("busy")
        told.append((task.session / "stop").exists())
        return Outcome("stopped")

    cluster = Bench(deed)
    engine = Remote(cluster, Resources())
    context = replace(around(runs), stop=lambda: asked[0])
    with pytest.raises(InterruptError):
        walk(plan_of(tmp_path, runs), context, Policy(engine=engine), asked=True)
    engine.close()
    assert all(told)


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (lambda task: replace(task, token="other"), "another folder there"),
        (lambda task: replace(task, session=task.session / "gone"), "cannot be read there"),
    ],
)
def test_a_runs_folder_that_is_not_shared_is_refused(
    harm: Callable[[Task], Task], why: str, tmp_path: Path
) -> None:
    cluster = Bench(lambda task: worker.run(harm(task)))
    with pytest.raises(UserError, match=why) as caught:
        walked(tmp_path, cluster)
    assert "file system that head and workers share" in str(caught.value.hint)
    assert cluster.waves == [[]]


def test_locks_that_are_not_seen_are_refused(tmp_path: Path) -> None:
    """As on a file system whose locks hold on one machine alone: here the head lets go."""
    session = Session.begin(tmp_path / "runs")
    task = Task(
        1, session.folder, session.token, "/", (), None, tmp_path, tmp_path, "cpu", 0, 1, ""
    )
    assert apart(task) is None
    session.close()
    assert "is not seen there" in str(apart(task))


def test_events_come_through_a_file(tmp_path: Path) -> None:
    session = Session.begin(tmp_path)
    reporter = Reporter(session.folder, 3)
    sent: list[Event] = [
        events.StepStarted("round 1", 5),
        events.EpochDone(1, 5, 0.5, {"loss": 0.25, "sa": None}),
        events.ShardDone("pgd-20", 1, 2, 3, 4, None),
        Message("ö", warning=True),
    ]
    for event in sent[:2]:
        reporter.observe(event)
    assert list(session.news(3)) == sent[:2]
    for event in sent[2:]:
        reporter.observe(event)
    with (session.folder / "events" / "000003.jsonl").open("ab") as file:
        file.write(b'{"event": "Message", "te')
    assert list(session.news(3)) == sent[2:]
    assert list(session.news(4)) == []
    assert not reporter.stop()
    session.stop()
    assert Reporter(session.folder, 3).stop()
    session.go()
    assert not Reporter(session.folder, 3).stop()
    session.close()


def test_every_event_can_be_sent() -> None:
    from typing import get_type_hints

    plain = (str, int, float, bool)
    for kind in events.KINDS:
        for name, hint in get_type_hints(kind).items():
            text = str(hint)
            known = any(one.__name__ in text for one in plain)
            assert known, f"{kind.__name__}.{name} may not pass through JSON"


@pytest.mark.parametrize(
    ("name", "said", "message"),
    [
        ("rya", (), "there is no engine 'rya'"),
        ("local", ("cpus=2",), "has no option 'cpus'"),
        ("ray", ("adress=auto",), "has no option 'adress'"),
        ("ray", ("cpus=two",), "whole number above 0"),
        ("ray", ("cpus",), "write NAME=VALUE"),
        ("ray", ("cpus=2", "cpus=3"), "given twice"),
        ("slurm", ("cluster=moab",), "slurm or local"),
    ],
)
def test_mistakes_in_options(name: str, said: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_engine(name, options.read(said), Resources())


def test_engines_of_others_come_by_entry_point(tmp_path: Path) -> None:
    files = {"own_engine.py": "def make(options, resources):\n    return (options, resources)\n"}
    with installed(tmp_path, {"dwlt.engines": {"bench": "own_engine:make"}}, files):
        found = open_engine("bench", {"a": "b"}, Resources(2))
        assert isinstance(found, Remote)
        made: Any = found.cluster
        assert made == ({"a": "b"}, Resources(2))


def test_resources_without_an_engine_are_refused(cli: Any, tmp_path: Path) -> None:
    code, _, err = cli("run", "--gpus-per-task", "1", "--runs", tmp_path / "runs")
    assert (code, "would change nothing" in err) == (2, True)


def test_nodes_of_a_plan(tmp_path: Path) -> None:
    nodes = nodes_of(plan_of(tmp_path, tmp_path / "runs"), asked=True)
    assert [node.epochs for node in nodes] == [1, 1, 2, 2, 2, 2]
    assert [node.ready() for node in nodes] == [True, *[False] * 5]
    assert not any(node.there() for node in nodes)
