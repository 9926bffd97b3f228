"""``dwlt import`` on a file of each layout; and what it refuses."""

from __future__ import annotations

import argparse
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from dwlt.models.files import read_model
from tests.checkpoints.make import (
    LAYOUTS,
    MEAN,
    STD,
    cache_torchvision,
    madry,
    network,
    normaliser,
    state,
    under,
)
from tests.conftest import Cli

Json = Callable[..., Any]
GIVEN = ["--mean", ",".join(map(str, MEAN)), "--std", ",".join(map(str, STD))]
NET = ["--model", "resnet8", "--set", "model.width=4"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_becomes_the_same_model_file(
    layout: str, cli_json: Json, tmp_path: Path
) -> None:
    make, entry, prefix, says = LAYOUTS[layout]
    out = tmp_path / "out.safetensors"
    # Where the file says how it normalises, it needs no telling.
    found = cli_json("import", make(tmp_path), *NET, *([] if says else GIVEN), "-o", out)
    assert (found["entry"], found["prefix"]) == (entry, prefix)
    assert found["mapping"][f"{prefix}layer1.0.conv2.weight"] == "layer1.0.conv2.weight"
    assert found["normalisation"]["mean"] == list(MEAN)
    assert found["normalisation"]["std"] == list(STD)
    assert (found["num_classes"], found["named"]) == (5, False)
    expected = {
        **state(),
        "normalise.mean": torch.tensor(MEAN),
        "normalise.std": torch.tensor(STD),
    }
    tensors = load_file(out)
    assert tensors.keys() == expected.keys()
    for name, tensor in expected.items():
        if layout == "counters" and name.endswith("num_batches_tracked"):
            assert tensors[name] == 0
            assert name in found["filled"]
        else:
            assert torch.equal(tensors[name], tensor), name


@pytest.mark.parametrize("layout", ["madry", "robustbench"])
def test_the_model_takes_plain_pixels_and_gives_the_logits_of_the_wrapped_one(
    layout: str, cli_json: Json, tmp_path: Path
) -> None:
    out = tmp_path / "out.safetensors"
    cli_json("import", LAYOUTS[layout][0](tmp_path), *NET, "-o", out)
    model, blueprint = read_model(out)
    images = torch.rand(2, 3, 8, 8)
    mean, std = (torch.tensor(one)[:, None, None] for one in (MEAN, STD))
    with torch.no_grad():
        expected = network().eval()((images - mean) / std)
        assert torch.equal(model.eval()(images), expected)
    assert blueprint.classes == ("0", "1", "2", "3", "4")


def test_people_are_told_what_went_where(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "out.safetensors"
    code, printed, err = cli("import", LAYOUTS["madry"][0](tmp_path), *NET, "-o", out)
    assert code == 0, err
    assert printed == ""
    *lines, not_built, written = err.splitlines()
    assert lines == [
        "  entry 'model': 56 tensors behind 'module.model.'",
        "  the same again behind 'module.attacker.model.'",
        "  normalisation: 0.5 0.25 0.125 / 0.25 0.5 0.75 (module.normalizer.new_mean, "
        "module.normalizer.new_std, module.attacker.normalize.new_mean, "
        "module.attacker.normalize.new_std)",
        "  left out: args, optimizer, epoch, best_acc1",
    ]
    # NumPy's names of its parts differ between versions.
    assert not_built.startswith("  objects in the file that were not built: argparse.Namespace, ")
    assert written.startswith(f"{out}: resnet8, 5 classes, numbered, b3:")


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


def changed(**tensors: torch.Tensor | None) -> dict[str, torch.Tensor]:
    """The state with some tensors replaced, or gone; "__" stands for the dot."""
    found = state()
    for key, tensor in tensors.items():
        name = key.replace("__", ".")
        found.pop(name, None)
        if tensor is not None:
            found[name] = tensor
    return found


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


@pytest.mark.parametrize("old", [False, True], ids=["zip", "old"])
@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_every_protocol_becomes_the_same_model_file(
    protocol: int, old: bool, cli: Cli, tmp_path: Path
) -> None:
    path, out = tmp_path / "given.pth", tmp_path / "out.safetensors"
    value = {"model": madry(), "args": argparse.Namespace(eps=4), "best": np.float64(63.5)}
    torch.save(value, path, pickle_protocol=protocol, _use_new_zipfile_serialization=not old)
    code, _, err = cli("import", path, *NET, "-o", out)
    assert code == 0, err
    assert "objects in the file that were not built: argparse.Namespace, " in err
    assert all(torch.equal(load_file(out)[name], tensor) for name, tensor in state().items())


@pytest.mark.filterwarnings("ignore")
def test_sparse_and_quantised_weights_become_dense(cli_json: Json, tmp_path: Path) -> None:
    path, out = tmp_path / "given.pth", tmp_path / "out.safetensors"
    weight = state()["conv1.weight"]
    quantised = torch.quantize_per_tensor(weight, 0.01, 0, torch.qint8)
    for given, expected in ((weight.to_sparse(), weight), (quantised, quantised.dequantize())):
        torch.save(changed(conv1__weight=given), path)
        found = cli_json("import", path, *NET, *GIVEN, "-o", out)
        assert found["dequantized"] == (["conv1.weight"] if given is quantised else [])
        assert torch.equal(load_file(out)["conv1.weight"], expected)


OWN = """
from torch import nn

def picky(num_classes):
    assert num_classes <= 100, f"{num_classes} classes"
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(4, num_classes))

def fixed():
    return picky(10)
"""


@pytest.mark.parametrize("factory", ["picky", "fixed"])
@pytest.mark.parametrize("kind", ["pth", "safetensors"])
def test_the_factory_is_asked_for_as_many_classes_as_the_file_has(
    kind: str, factory: str, cli_json: Json, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "picky_nets.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    weights = {"0.weight": torch.ones(4, 3, 3, 3), "0.bias": torch.ones(4)}
    weights |= {"3.weight": torch.ones(10, 4), "3.bias": torch.ones(10)}
    path = tmp_path / f"given.{kind}"
    if kind == "pth":
        torch.save({"state_dict": weights}, path)
    else:
        save_file(weights, path)
    net = ["--model", f"picky_nets:{factory}", *GIVEN]
    found = cli_json("import", path, *net, "-o", tmp_path / "out.safetensors")
    assert found["num_classes"] == 10


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


def test_what_the_user_chooses_is_taken(cli_json: Json, tmp_path: Path) -> None:
    out = tmp_path / "out.safetensors"
    path = LAYOUTS["timm"][0](tmp_path)
    found = cli_json("import", path, *NET, *GIVEN, "--entry", "state_dict", "-o", out)
    assert found["entry"] == "state_dict"
    assert torch.equal(load_file(out)["fc.weight"], state(seed=1)["fc.weight"])
    twice = madry() | under("module.attacker.model.", state(seed=1))
    torch.save(twice, tmp_path / "twice.pth")
    chosen = ["--prefix", "module.attacker.model.", "--ignore", "module.model"]
    found = cli_json("import", tmp_path / "twice.pth", *NET, *chosen, "-o", out)
    assert "module.model.fc.bias" in found["ignored"]
    assert torch.equal(load_file(out)["fc.weight"], state(seed=1)["fc.weight"])


def test_half_precision_and_grey_images_are_taken(cli_json: Json, tmp_path: Path) -> None:
    grey = {
        name: tensor[:, :1] if name == "conv1.weight" else tensor
        for name, tensor in state().items()
    }
    halves = {name: one.half() if one.is_floating_point() else one for name, one in grey.items()}
    save_file({name: one.contiguous() for name, one in halves.items()}, tmp_path / "h.safetensors")
    out = tmp_path / "out.safetensors"
    given = ["--mean", "0.5", "--std", "0.25"]
    found = cli_json("import", tmp_path / "h.safetensors", *NET, *given, "-o", out)
    assert found["channels"] == 1
    assert found["converted"] == {"float16": 47}
    tensors = load_file(out)
    assert torch.equal(tensors["fc.weight"], state()["fc.weight"].half().float())
    assert tensors["normalise.mean"].tolist() == [0.5]


def test_a_task_names_the_classes(cli: Cli, cli_json: Json, tmp_path: Path) -> None:
    path, out = LAYOUTS["bare"][0](tmp_path), tmp_path / "out.safetensors"
    cli_json("import", path, *NET, *GIVEN, "--on", "digits:5-9", "-o", out)
    assert read_model(out)[1].classes == ("5", "6", "7", "8", "9")
    assert read_model(out)[1].named
    code, _, err = cli("import", path, *NET, *GIVEN, "--on", "digits", "-o", out)
    assert code == 2
    assert "--on digits has 10 classes, the head in" in err


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


def test_torchvisions_own_weights(
    cli: Cli, cli_json: Json, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    net, out = cache_torchvision(tmp_path / "torch"), tmp_path / "out.safetensors"
    found = cli_json("import", "torchvision:resnet18:IMAGENET1K_V1", "-o", out)
    assert found["source"] == "torchvision:resnet18:IMAGENET1K_V1"
    assert found["normalisation"]["mean"] == pytest.approx([0.485, 0.456, 0.406])
    assert (found["num_classes"], found["named"], found["size"]) == (1000, False, 224)
    assert found["regime"] == "standard"
    tensors = load_file(out)
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensors[name], tensor)


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
