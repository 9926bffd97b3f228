from __future__ import annotations

import importlib
import statistics
import subprocess
import sys
import time

import click
import pytest

from dwlt.cli.root import COMMANDS, module_of
from dwlt.spec import load_experiment
from tests.conftest import Cli


def commands() -> list[click.Command]:
    return [importlib.import_module(module_of(name)).command for name in COMMANDS]


def test_every_command_is_listed_and_loads() -> None:
    for command in commands():
        assert isinstance(command, click.Command)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples(name: str, cli: Cli) -> None:
    code, out, _ = cli(name, "--help")
    assert code == 0
    assert "Usage: dwlt " + name in out
    if name != "doctor":
        assert "Examples:" in out


def test_the_help_names_the_preset_that_is_used_without_config(cli: Cli) -> None:
    _, out, _ = cli("prune", "--help")
    assert f"Default: {load_experiment().name}." in " ".join(out.split())


def test_options_all_say_what_they_do() -> None:
    def walk(command: click.Command) -> None:
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{command.name}: {parameter.opts}"
        if isinstance(command, click.Group):
            for sub in command.commands.values():
                walk(sub)

    for command in commands():
        walk(command)


def test_an_unknown_command_names_the_nearest(cli: Cli) -> None:
    code, _, err = cli("prun")
    assert code == 2
    assert "Did you mean 'prune'?" in err


def test_an_unknown_option_is_the_users_mistake(cli: Cli) -> None:
    code, _, err = cli("prune", "--round", "3")
    assert code == 2
    assert "--rounds" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prune", "--config", "digts"], "did you mean 'digits'?"),
        (["prune", "--set", "prune.rat=0.3"], "did you mean 'rate'?"),
        (["prune", "--rounds", "0"], "--rounds"),
        (["prune", "--device", "tpu"], "use auto, cpu, cuda"),
        (["transfer", "--rounds", "1,x"], "0,6,10"),
        (["runs", "show", "nothing"], "no run is called 'nothing'"),
        (["evaluate", "nowhere.safetensors"], "nowhere.safetensors"),
    ],
)
def test_mistakes_name_the_culprit_and_exit_with_2(
    arguments: list[str], message: str, cli: Cli, tmp_path: object
) -> None:
    if arguments[0] not in ("runs", "evaluate") or arguments[0] == "prune":
        arguments = [*arguments, "--runs", f"{tmp_path}/runs"]
    code, _, err = cli(*arguments)
    assert code == 2, err
    assert message in err
    assert "Traceback" not in err


def test_presets_show_their_values_and_their_sources(cli: Cli) -> None:
    code, out, _ = cli("presets")
    assert code == 0
    assert "ImageNet to SVHN, ResNet-50, 224 pixels; for GPUs" in out
    code, out, _ = cli("presets", "paper-svhn")
    assert (code, 'step = "16/765"' in out, "paper" in out) == (0, True, True)
    code, out, _ = cli("presets", "paper-cifar10", "--source")
    assert code == 0
    assert 'step = "16/765"               # scripts: main_adv.py, 16/(3*255)' in out
    code, _, err = cli("presets", "paper-cifar", "--source")
    assert (code, "did you mean 'paper-cifar10'?" in err) == (2, True)
    assert cli("presets", "--source")[0] == 2


def loaded_by(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("arguments", [["--help"], ["runs"], ["runs", "list"], ["mask", "--help"]])
def test_light_commands_do_not_import_torch(arguments: list[str], tmp_path: object) -> None:
    modules = loaded_by(
        f"import os; os.chdir({str(tmp_path)!r})\n"
        f"from dwlt.cli.root import run\nassert run({arguments!r}) == 0"
    )
    assert not modules & {"torch", "torchvision", "sklearn", "pyarrow", "matplotlib"}
    assert "pydantic" not in modules


@pytest.mark.slow
def test_light_commands_answer_at_once() -> None:
    # A timing, so not part of `make test`; benchmarks/startup.py measures it with its spread.
    for arguments in (["--help"], ["runs"]):
        seconds = []
        for _ in range(7):
            start = time.perf_counter()
            command = [sys.executable, "-m", "dwlt", *arguments]
            subprocess.run(command, capture_output=True, check=True)
            seconds.append(time.perf_counter() - start)
        assert statistics.median(seconds) < 0.3
