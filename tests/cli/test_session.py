"""Which signals stop the work, and where prints of other code go."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dwlt.cli.options import Settings
from dwlt.cli.session import session
from dwlt.cli.signals import STOPS
from dwlt.errors import InterruptError
from dwlt.spec import load_experiment


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        config=None,
        changes=(),
        seed=None,
        runs=tmp_path,
        data_dir=tmp_path,
        device="cpu",
        workers=0,
        as_json=False,
        quiet=False,
    )


@pytest.fixture(autouse=True)
def _handlers_as_before() -> Iterator[None]:
    old = {number: signal.getsignal(number) for number in STOPS}
    yield
    for number, handler in old.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", STOPS)
def test_a_signal_that_was_ignored_stays_ignored(number: int, settings: Settings) -> None:
    others = [other for other in STOPS if other != number]
    signal.signal(number, signal.SIG_IGN)
    with session(settings, None) as (context, _):
        os.kill(os.getpid(), number)
        assert not context.stop()
        for other in others[:1]:
            os.kill(os.getpid(), other)
        assert context.stop()
    assert signal.getsignal(number) == signal.SIG_IGN


@pytest.mark.parametrize("number", STOPS)
def test_others_stop_at_the_next_step_and_the_second_at_once(
    number: int, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(number)
    with session(settings, None) as (context, _):
        assert not context.stop()
        os.kill(os.getpid(), number)
        assert context.stop()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) == before
    assert "press Ctrl-C again" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGHUP, 130), (signal.SIGTERM, 75), (signal.SIGUSR1, 75)],
)
def test_who_stopped_the_work_decides_the_exit_code(
    number: int, code: int, settings: Settings
) -> None:
    def work() -> None:
        with session(settings, None) as (context, _):
            os.kill(os.getpid(), number)
            assert context.stop()
            raise InterruptError("stopped")

    with pytest.raises(InterruptError) as error:
        work()
    assert error.value.exit_code == code
    assert InterruptError.exit_code == 130


def test_a_config_says_how_often_to_save_inside_an_epoch(settings: Settings) -> None:
    experiment = load_experiment("digits", ["checkpoint_minutes=0.5"])
    with session(settings, experiment) as (context, _):
        assert context.checkpoint_seconds == 30


def test_a_session_in_another_thread_leaves_signals_alone(settings: Settings) -> None:
    found: list[object] = []

    def work() -> None:
        with session(settings, None) as (context, _):
            found.extend([context.stop(), [signal.getsignal(number) for number in STOPS]])

    before = [signal.getsignal(number) for number in STOPS]
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [False, before]


def test_what_other_code_prints_is_talk(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    with session(settings, None):
        print("Using device: cpu")
    print("data")
    out, err = capsys.readouterr()
    assert out == "data\n"
    assert "Using device: cpu" in err
