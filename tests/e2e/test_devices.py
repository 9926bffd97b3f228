"""One run on several devices: the same run as on one, whoever dies on the way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from dwlt.results.outcomes import read_outcomes

CONFIG = """
extends = "{tiny}"
checkpoint_minutes = 0.0001
[pretrain.train]
epochs = {epochs}
micro_batch = 8
[prune]
rounds = 2
[prune.train]
epochs = 1
micro_batch = 8
[transfer]
rounds = [0, 2]
[transfer.train]
epochs = 1
micro_batch = 8
"""


def config_of(tiny: Path, folder: Path, epochs: int = 2) -> Path:
    path = folder / f"pieces-{epochs}.toml"
    path.write_text(CONFIG.format(tiny=tiny, epochs=epochs))
    return path


def start(*arguments: object, launcher: tuple[str, ...] = ("-m", "dwlt")) -> subprocess.Popen[str]:
    command = [sys.executable, *launcher, *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )


def done(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    return out


def result(runs: Path, pattern: str) -> dict[str, Any]:
    (path,) = runs.glob(pattern)
    value: dict[str, Any] = json.loads(path.read_text())
    return value


def require_same_pretraining(one: Path, several: Path) -> None:
    """The same id, weights equal to rounding, the same accuracies on the same images."""
    first, second = (result(runs, "pretrain/*/result.json") for runs in (one, several))
    assert first["id"] == second["id"]
    for key in ("validation", "test", "ids"):
        assert first[key] == second[key]
    weights, others = (
        load_file(next(runs.glob("pretrain/*/model.safetensors"))) for runs in (one, several)
    )
    for name, value in weights.items():
        assert float((value.double() - others[name].double()).abs().max()) < 1e-5, name


def test_two_devices_train_what_one_does(
    tiny: Path, tmp_path: Path, cli: Callable[..., tuple[int, str, str]]
) -> None:
    config = config_of(tiny, tmp_path, epochs=1)
    several = start(
        "pretrain", "-c", config, "--runs", tmp_path / "2", "--devices", 2, "--device", "cpu"
    )
    code, _, err = cli("pretrain", "-c", config, "--runs", tmp_path / "1", "--device", "cpu")
    assert code == 0, err
    done(several)
    require_same_pretraining(tmp_path / "1", tmp_path / "2")
    assert result(tmp_path / "2", "pretrain/*/result.json")["environment"]["device"].endswith(
        "2 devices"
    )


@pytest.mark.slow
@pytest.mark.parametrize("devices", [2, 4])
def test_the_whole_way_on_several_devices(
    devices: int, tiny: Path, tmp_path: Path, cli: Callable[..., tuple[int, str, str]]
) -> None:
    config = config_of(tiny, tmp_path)
    one, several = tmp_path / "1", tmp_path / "n"
    rest = ("-c", config, "--device", "cpu")
    assert cli("pretrain", *rest, "--runs", one)[0] == 0
    done(start("pretrain", *rest, "--runs", several, "--devices", devices))
    require_same_pretraining(one, several)
    # From the same pre-trained bytes on: masks then have the same bytes.
    shutil.rmtree(several)
    shutil.copytree(one, several)
    assert cli("transfer", *rest, "--runs", one)[0] == 0
    assert cli("transfer", "--adv", *rest, "--runs", one)[0] == 0
    done(start("transfer", *rest, "--runs", several, "--devices", devices))
    # Under torchrun, as on several machines.
    torchrun = ("-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={devices}")
    adversarial = start(
        *("transfer", "--adv", *rest, "--runs", several), launcher=(*torchrun, "-m", "dwlt")
    )
    done(adversarial)
    names = sorted(str(path.relative_to(one)) for path in one.rglob("mask.safetensors"))
    assert len(names) == 3
    for name in names:
        assert (one / name).read_bytes() == (several / name).read_bytes()
    cells = sorted(str(path.relative_to(one)) for path in one.glob("transfer/*/result.json"))
    assert len(cells) == 4
    for name in cells:
        first, second = (json.loads((runs / name).read_text()) for runs in (one, several))
        for key in ("best_sa", "best_ra", "ids", "mask"):
            assert first[key] == second[key]
        outcomes = [
            read_outcomes((runs / name).with_name("outcomes.safetensors"))
            for runs in (one, several)
        ]
        assert outcomes[0].bits.keys() == outcomes[1].bits.keys()
        for bit, value in outcomes[0].bits.items():
            assert (value == outcomes[1].bits[bit]).all()
    model = next(one.glob("pretrain/*/model.safetensors"))
    shown = ("evaluate", model, *rest, "--attack", "pgd-3", "--eps", "0.1", "--json")
    code, out, err = cli(*shown, "--runs", one)
    assert code == 0, err
    together = done(start(*shown, "--runs", several, "--devices", devices))
    for key in ("test", "attacks", "samples"):
        assert json.loads(out)["result"][key] == json.loads(together)["result"][key]


def children_of(pid: int) -> list[int]:
    """The ranks that a launcher has started, in their order."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def wait_for(runs: Path, pattern: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not list(runs.rglob(pattern)):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["other rank killed", "first rank killed", "Ctrl-C", "preempted"])
def test_stopped_anywhere_it_goes_on_with_another_number_of_devices(
    how: str, tiny: Path, tmp_path: Path, cli: Callable[..., tuple[int, str, str]]
) -> None:
    config = config_of(tiny, tmp_path, epochs=40)
    runs, rest = tmp_path / "n", ("-c", config, "--device", "cpu")
    process = start("pretrain", *rest, "--runs", runs, "--devices", 3)
    wait_for(runs, "state.safetensors", process)
    ranks = children_of(process.pid)
    assert len(ranks) == 3
    expected = {"Ctrl-C": 130, "preempted": 75}.get(how, 1)
    if how == "Ctrl-C":
        process.send_signal(signal.SIGINT)
    elif how == "preempted":
        process.send_signal(signal.SIGTERM)
    else:
        which = 1 if how == "other rank killed" else 0
        os.kill(ranks[which], signal.SIGKILL)
    _, err = process.communicate(timeout=120)
    assert process.returncode == expected, err
    assert "Traceback" not in err
    assert "run the same command again" in err
    if how == "other rank killed":
        assert f"rank 1 (process {ranks[1]}" in err
    if how == "first rank killed":
        assert f"rank 0 (process {ranks[0]}" in err
    assert not list(runs.rglob("result.json"))
    again = start("pretrain", *rest, "--runs", runs, "--devices", 2)
    done(again)
    assert cli("pretrain", *rest, "--runs", tmp_path / "1")[0] == 0
    first, second = (result(one, "pretrain/*/result.json") for one in (tmp_path / "1", runs))
    assert first["id"] == second["id"]
