"""``dwlt import``: what it refuses, and by which name; nothing that a file names is ever run."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.checkpoints.make import (
    LAYOUTS,
    madry,
    network,
    normaliser,
    state,
    under,
)
from tests.cli.test_import import GIVEN, NET, changed
from tests.conftest import Cli


@pytest.mark.parametrize("old", [False, True], ids=["zip", "old"])
@pytest.mark.parametrize("where", ["alone", "beside the tensors", "hidden in the tensors"])
def test_a_file_that_would_run_a_command_does_not(
    where: str, old: bool, cli: Cli, tmp_path: Path
) -> None:
    marker = tmp_path / "trapped"

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, (f"touch {marker}",)

    value: Any = {
        "alone": Trap(),
        "beside the tensors": {"state_dict": state(), "args": Trap()},
        "hidden in the tensors": {**state(), "conv1.weight": Trap()},
    }[where]
    path, out = tmp_path / "trap.pth", tmp_path / "out.safetensors"
    torch.save(value, path, _use_new_zipfile_serialization=not old)
    code, _, err = cli("import", path, *NET, *GIVEN, "-o", out)
    assert code == 2
    assert "posix.system" in err
    assert "nothing was run" in err
    assert not marker.exists()
    assert not out.exists()
    # The trap is a real one: whoever unpickles it plainly is caught.
    pickle.loads(pickle.dumps(Trap()))
    assert marker.exists()


def test_a_trap_behind_an_allowed_module_is_never_called(cli: Cli, tmp_path: Path) -> None:
    # numpy is on the list of what may lie beside tensors; this function of it would write a file.
    import numpy as np

    marker = tmp_path / "trapped.npy"

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return np.save, (str(marker), 1.0)

    path, out = tmp_path / "trap.pth", tmp_path / "out.safetensors"
    torch.save({"state_dict": state(), "best": Trap()}, path)
    code, _, err = cli("import", path, *NET, *GIVEN, "-o", out)
    assert code == 0, err
    assert "objects in the file that were not built: numpy.save" in err
    assert not marker.exists()


def test_a_whole_network_is_refused(cli: Cli, tmp_path: Path) -> None:
    torch.save(network(), tmp_path / "whole.pth")
    code, _, err = cli("import", tmp_path / "whole.pth", *NET, "-o", tmp_path / "out.safetensors")
    assert code == 2
    assert "dwlt.models.small.SmallResNet" in err
    assert "save `model.state_dict()`" in err


REFUSED: dict[str, tuple[Any, list[str], str, str]] = {
    "missing": (
        changed(layer1__0__conv2__weight=None, layer1__0__conv2__wieght=torch.ones(1)),
        GIVEN,
        "lacks 1 of the network's 47 tensors: 'layer1.0.conv2.weight'; the nearest there is "
        "'layer1.0.conv2.wieght'",
        "check --model",
    ),
    "missing behind a prefix": (
        {"model": under("module.", changed(fc__bias=None))},
        GIVEN,
        "entry 'model' lacks 1 of the network's 47 tensors behind 'module.': 'fc.bias'",
        "check --model",
    ),
    "unexpected": (
        changed(fc2__weight=torch.ones(2)),
        GIVEN,
        "has 1 tensors that the network does not: 'fc2.weight'; the network's nearest is "
        "'fc.weight'",
        "--ignore fc2.weight",
    ),
    "shape": (
        changed(conv1__weight=torch.ones(4, 3, 7, 7)),
        GIVEN,
        "1 of 56 tensors have another shape: 'conv1.weight' 4x3x7x7, the network's is 4x3x3x3",
        "-32 have a 3x3 stem",
    ),
    "not finite": (
        changed(fc__bias=torch.full((5,), torch.nan)),
        GIVEN,
        "'fc.bias' has values that are not finite",
        "",
    ),
    "another network": (
        {"stem.weight": torch.ones(3)},
        GIVEN,
        "lacks 47 of the network's 47 tensors: 'conv1.weight'",
        "check --model",
    ),
    "pruned": (
        changed(conv1__weight=None, conv1__weight_orig=torch.ones(4, 3, 3, 3)),
        GIVEN,
        "the nearest there is 'conv1.weight_orig'",
        "dwlt mask import",
    ),
    "no normalisation": (state(), [], "does not say how its images were normalised", "--mean"),
    "another normalisation": (
        madry(),
        ["--mean", "0.5", "--std", "0.5"],
        "normalises with mean 0.5 0.25 0.125 (module.normalizer.new_mean), and 0.5 0.5 0.5 was "
        "given",
        "leave mean and std out",
    ),
    "two normalisations": (
        {**state(), **normaliser("a.", "mean", "std"), "mu": torch.ones(3), "sigma": torch.ones(3)},
        [],
        "a.mean and mu normalise differently",
        "--ignore",
    ),
    "in units of 255": (
        {**state(), "mean": torch.full((3,), 127.5), "std": torch.full((3,), 64.0)},
        [],
        "mean and std are not of pixels in [0, 1]: mean 127.5, 127.5, 127.5",
        "divide both by 255",
    ),
    "copies that differ": (
        madry() | under("module.attacker.model.", changed(fc__bias=torch.ones(5))),
        [],
        "holds the network twice, and 'module.model.fc.bias' and 'module.attacker.model.fc.bias' "
        "differ",
        "--prefix module.model.",
    ),
    "entries that differ": (
        {"last": state(), "best": state(seed=1)},
        GIVEN,
        "holds several whole networks that differ: 'last', 'best'",
        "--entry last",
    ),
    "another head": (
        state(),
        [*GIVEN, "--num-classes", "7"],
        "has 5 outputs, --num-classes says 7",
        "the file decides",
    ),
    "on the meta device": (
        changed(conv1__weight=torch.empty(4, 3, 3, 3, device="meta")),
        GIVEN,
        "'conv1.weight' is a tensor on the meta device: the file holds its shape and no numbers",
        "plain, dense tensors",
    ),
    "empty": (
        {"module": {name: torch.empty(0) for name in state()}, "ds_version": "0.14"},
        GIVEN,
        "entry 'module': 'conv1.weight' is empty, as are 56 of 56 tensors",
        "zero_to_fp32.py",
    ),
    "integers for weights": (
        changed(conv1__weight=torch.ones(4, 3, 3, 3, dtype=torch.int8)),
        GIVEN,
        "'conv1.weight' is of type int8, the network's is float32",
        "",
    ),
    "complex weights": (
        changed(conv1__weight=torch.ones(4, 3, 3, 3, dtype=torch.complex64)),
        GIVEN,
        "'conv1.weight' is of type complex64, the network's is float32",
        "",
    ),
    "too large": (
        changed(fc__bias=torch.full((5,), 1e300, dtype=torch.float64)),
        GIVEN,
        "'fc.bias' has values that are not finite as float32, the network's type",
        "",
    ),
    "an array": (
        changed(conv1__weight=None) | {"conv1.weight": np.ones((4, 3, 3, 3), np.float32)},
        GIVEN,
        "lacks 1 of the network's 47 tensors: 'conv1.weight', which the file has as numpy.",
        "",
    ),
    "no tensors": ({"epoch": 3}, GIVEN, "holds no tensors by name", ""),
    "no such entry": (
        {"model": state()},
        [*GIVEN, "--entry", "ema"],
        "has no entry 'ema'",
        "leave --entry out",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_by_name(case: str, cli: Cli, tmp_path: Path) -> None:
    value, options, message, hint = REFUSED[case]
    path, out = tmp_path / "given.pth", tmp_path / "out.safetensors"
    torch.save(value, path)
    code, _, err = cli("import", path, *NET, *options, "-o", out)
    assert code == 2
    assert str(path) in err
    assert message in err
    assert hint in err
    assert not out.exists()


@pytest.mark.parametrize("command", ["import", "evaluate", "prune"])
def test_a_file_that_was_not_fetched_is_called_so_by_every_reader(
    command: str, cli: Cli, tiny: Path, tmp_path: Path
) -> None:
    path = tmp_path / "w.safetensors"
    for content, message in (
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a Git LFS pointer"),
        ("\n<!DOCTYPE html><html>not found</html>", "is a web page: the download failed"),
    ):
        path.write_text(content)
        arguments = {
            "import": [path, *NET, *GIVEN, "-o", tmp_path / "out"],
            "evaluate": [path, "--on", "digits:0-4", "--runs", tmp_path / "runs"],
            "prune": ["--weights", path, "--config", tiny, "--runs", tmp_path / "runs"],
        }[command]
        code, _, err = cli(command, *arguments)
        assert (code, message in err) == (2, True), err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<!DOCTYPE html><html>not found</html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "is a Git LFS pointer"),
        (b"\x1f\x8b\x08\x00", "is compressed with gzip"),
        (b"\x89HDF\r\n", "is an HDF5 file"),
        (b"", "is empty"),
        (b"PK\x03\x04 and no more", "cannot be read as a PyTorch file"),
        (b"\x80\x02}q\x00.", "cannot be read as a PyTorch file"),
        (b"anything else", "is neither safetensors nor a PyTorch file"),
    ],
)
def test_other_files_are_called_what_they_are(
    content: bytes, message: str, cli: Cli, tmp_path: Path
) -> None:
    path = tmp_path / "given.pth"
    path.write_bytes(content)
    code, _, err = cli("import", path, *NET, *GIVEN, "-o", tmp_path / "out.safetensors")
    assert code == 2
    assert message in err
    assert "Traceback" not in err


def test_broken_indexes_are_refused(cli: Cli, tmp_path: Path) -> None:
    index = LAYOUTS["sharded"][0](tmp_path)
    values = json.loads(index.read_text())
    (tmp_path / "b.safetensors").rename(tmp_path / "c.safetensors")
    command = ["import", index, *NET, *GIVEN, "-o", tmp_path / "out.safetensors"]
    code, _, err = cli(*command)
    assert (code, "names b.safetensors, which is not there" in err) == (2, True)
    save_file({"other": torch.ones(1)}, tmp_path / "b.safetensors")
    code, _, err = cli(*command)
    assert (code, "b.safetensors has 'other'" in err) == (2, True)
    values["weight_map"]["conv1.weight"] = "../c.safetensors"
    index.write_text(json.dumps(values))
    code, _, err = cli(*command)
    assert (code, "not a file beside it" in err) == (2, True)


def test_mistakes_on_the_command_line(cli: Cli, tmp_path: Path) -> None:
    path, out = LAYOUTS["bare"][0](tmp_path), tmp_path / "out.safetensors"
    cases: list[tuple[list[object], str]] = [
        ([path], "nothing says which network"),
        ([tmp_path / "absent.pth", *NET], "is not a file"),
        ([path, *NET, "--mean", "0.5"], "belong together"),
        ([path, *NET, "--mean", "a,b", "--std", "1"], "not one number per channel"),
        ([path, "--model", "resnet88"], "did you mean 'resnet8'?"),
        (["torchvision:resnet5"], "there is no model 'resnet5'"),
        (["torchvision:resnet18:V9"], "has no weights 'V9'"),
    ]
    for arguments, message in cases:
        code, _, err = cli("import", *arguments, "-o", out)
        assert code == 2, err
        assert message in err
    code, _, err = cli("import", path, *NET, *GIVEN, "-o", path)
    assert (code, "overwritten by itself" in err) == (2, True)


def test_weights_that_cannot_be_had_are_named(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(url: str, *_: Any, **__: Any) -> None:
        raise OSError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", no_network)
    code, _, err = cli("import", "torchvision:resnet18", "-o", tmp_path / "out.safetensors")
    assert code == 2
    assert "cannot be had (no route to host)" in err
    assert "checkpoints, whole" in err
