"""``dwlt mask``: every command on small files, with its JSON."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from dwlt.cli import show
from tests.conftest import Cli

Json = Callable[..., Any]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save_file(
        {
            "a.weight": np.array([[1, -4], [0.5, 3]], np.float32),
            "b.weight": np.array([[-2, 0.25]], np.float32),
            "b.bias": np.ones(2, np.float32),
        },
        path,
    )
    return path


def test_prune_show_compare_apply(tmp_path: Path, weights: Path, cli_json: Json, cli: Cli) -> None:
    first, second, out = tmp_path / "1", tmp_path / "2", tmp_path / "out"
    made = cli_json("mask", "prune", weights, "--rate", "0.5", "-o", first)
    assert (made["kept"], made["total"], made["empty"]) == (3, 6, [])
    made = cli_json("mask", "prune", weights, "--keep", "1", "--within", first, "-o", second)
    assert made["empty"] == ["b.weight"]
    shown = cli_json("mask", "show", second)
    assert shown["meta"]["round"] == 2
    assert shown["meta"]["parent"] == cli_json("mask", "show", first)["digest"]
    assert shown["layers"][0] == {"name": "a.weight", "kept": 1, "total": 4}
    assert cli_json("mask", "compare", first, second)["nested"] == "second"
    assert cli_json("mask", "apply", weights, second, "-o", out)["kept"] == 1
    assert load_file(out)["a.weight"].tolist() == [[0, -4], [0, 0]]
    code, _, err = cli("mask", "prune", weights, "--keep", "1", "-o", second)
    assert (code, "warning: nothing is kept of b.weight" in err) == (0, True)


def test_prune_options(tmp_path: Path, weights: Path, cli_json: Json, cli: Cli) -> None:
    out = tmp_path / "m"
    made = cli_json("mask", "prune", weights, "--keep", "2", "--only", "b.*", "-o", out)
    assert (made["kept"], made["total"]) == (2, 4)
    cli_json("mask", "prune", weights, "--sparsity", "0.5", "--scope", "tensor", "-o", out)
    assert [layer["kept"] for layer in cli_json("mask", "show", out)["layers"]] == [2, 1]
    code, _, err = cli("mask", "prune", weights, "-o", out)
    assert (code, err) == (2, "dwlt: give exactly one of rate, sparsity and keep\n")


def test_folders_are_pruned_and_masked_as_one_file(
    tmp_path: Path, weights: Path, cli_json: Json, cli: Cli
) -> None:
    folder, mask, out = tmp_path / "shards", tmp_path / "m", tmp_path / "out"
    folder.mkdir()
    for name, array in load_file(weights).items():
        save_file({name: array}, folder / f"{name}.safetensors")
    whole = cli_json("mask", "prune", weights, "--rate", "0.5", "-o", tmp_path / "whole")
    assert (
        cli_json("mask", "prune", folder, "--rate", "0.5", "-o", mask)["digest"] == whole["digest"]
    )
    # The same weights, so the same digest of them, and the same bytes.
    assert mask.read_bytes() == (tmp_path / "whole").read_bytes()
    cli_json("mask", "apply", folder, mask, "-o", out)
    cli_json("mask", "apply", weights, mask, "-o", tmp_path / "single")
    parts = {k: v.tolist() for path in sorted(out.iterdir()) for k, v in load_file(path).items()}
    assert parts == {k: v.tolist() for k, v in load_file(tmp_path / "single").items()}
    code, _, err = cli("mask", "apply", folder, mask, "-o", out)
    assert (code, "is not empty; name a new folder" in err) == (2, True)
    save_file({"a.weight": np.zeros((2, 2), np.float32)}, folder / "a.weight.safetensors")
    code, _, err = cli("mask", "apply", folder, mask, "-o", tmp_path / "other")
    assert (code, "belongs to weights b3:" in err) == (2, True)
    code, _, err = cli("mask", "prune", folder, "--rate", "0.5", "--within", mask, "-o", tmp_path)
    assert code == 2


def test_long_work_is_watched(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(show, "PLAIN_EVERY", 0.0)
    for quiet, total in ((True, 2 * show.WATCHED), (False, show.WATCHED - 1)):
        with show.watch("selection", total, lambda: 1, quiet=quiet):
            pass
    assert capsys.readouterr().err == ""
    asked = threading.Event()

    def done() -> int:
        asked.set()
        return show.WATCHED

    with show.watch("selection", 2 * show.WATCHED, done):
        assert asked.wait(10)
        time.sleep(0.3)
    assert "selection: 50% of 2.0 GB\n" in capsys.readouterr().err


def test_masks_of_other_weights_are_refused(tmp_path: Path, weights: Path, cli: Cli) -> None:
    mask = tmp_path / "m"
    assert cli("mask", "prune", weights, "--rate", "0.5", "-o", mask)[0] == 0
    save_file({"a.weight": np.zeros((2, 2), np.float32)}, weights)
    for command in (("apply", weights, mask), ("export", mask, "--weights", weights)):
        code, _, err = cli("mask", *command, "-o", tmp_path / "out.pth")
        assert (code, "belongs to weights b3:" in err) == (2, True)


def test_no_input_is_overwritten(tmp_path: Path, weights: Path, cli: Cli) -> None:
    mask = tmp_path / "m"
    assert cli("mask", "prune", weights, "--rate", "0.5", "-o", mask)[0] == 0
    for command in (
        ("prune", weights, "--rate", "0.5", "-o", weights),
        ("prune", weights, "--rate", "0.5", "--within", mask, "-o", mask),
        ("apply", weights, mask, "-o", weights),
        ("export", mask, "-o", mask),
        ("import", mask, "-o", mask),
    ):
        code, _, err = cli("mask", *command)
        assert (code, "would be overwritten by itself" in err) == (2, True)


def test_outputs_that_are_no_plain_files(
    tmp_path: Path, weights: Path, cli_json: Json, cli: Cli
) -> None:
    mask = tmp_path / "mask.safetensors"
    cli_json("mask", "prune", weights, "--keep", "3", "-o", mask)
    commands = {
        "pruned.safetensors": ("mask", "prune", weights, "--keep", "3"),
        "applied.safetensors": ("mask", "apply", weights, mask),
        "exported.npz": ("mask", "export", mask),
        "imported.safetensors": ("mask", "import", tmp_path / "exported.npz"),
    }
    for name, command in commands.items():
        plain = tmp_path / name
        cli_json(*command, "-o", plain)
        # A link stays, and what it leads to is written; also where nothing is there yet.
        folder = tmp_path / f"links to {name}"
        folder.mkdir()
        link, target = folder / name, folder / f"target-{name}"
        link.symlink_to(target.name)
        for _ in range(2):
            cli_json(*command, "-o", link)
            assert link.is_symlink()
            assert target.read_bytes() == plain.read_bytes()
        # A pipe gets the bytes and stays.
        pipe = folder / f"pipe-{name}"
        os.mkfifo(pipe)
        got: list[bytes] = []
        reader = threading.Thread(target=lambda at=pipe, into=got: into.append(at.read_bytes()))
        reader.start()
        cli_json(*command, "-o", pipe)
        reader.join()
        assert got == [plain.read_bytes()]
        assert pipe.is_fifo()
        code, _, err = cli(*command, "-o", folder)
        assert code != 0
        assert folder.name in err
        assert sorted(path.name for path in folder.iterdir()) == sorted(
            [name, target.name, pipe.name]
        )


def test_a_folder_that_is_not_whole_is_refused_until_it_is_given_again(
    tmp_path: Path, weights: Path, cli_json: Json, cli: Cli
) -> None:
    mask, source, out = tmp_path / "mask", tmp_path / "source", tmp_path / "out"
    source.mkdir()
    (source / "model.safetensors").write_bytes(weights.read_bytes())
    cli_json("mask", "prune", weights, "--keep", "3", "-o", mask)
    # As a kill leaves it.
    out.mkdir()
    (out / ".dwlt-unfinished").touch()
    (out / "model.safetensors").write_bytes(b"of an earlier call")
    code, _, err = cli("mask", "prune", out, "--keep", "3", "-o", tmp_path / "other")
    assert (code, "this folder is not whole" in err) == (2, True)
    cli_json("mask", "apply", source, mask, "-o", out)
    assert [path.name for path in out.iterdir()] == ["model.safetensors"]
    assert cli_json("mask", "prune", out, "--keep", "3", "-o", tmp_path / "other")["kept"] == 3
    code, _, err = cli("mask", "apply", source, mask, "-o", out)
    assert code != 0
    assert "is not empty" in err


def test_export_and_import(tmp_path: Path, weights: Path, cli_json: Json) -> None:
    mask = tmp_path / "m"
    cli_json("mask", "prune", weights, "--rate", "0.5", "-o", mask)
    digest = cli_json("mask", "show", mask)["digest"]
    for name in ("x.npz", "x.safetensors", "x.pth"):
        cli_json("mask", "export", mask, "-o", tmp_path / name)
        back = cli_json("mask", "import", tmp_path / name, "-o", tmp_path / "back", "--round", "3")
        assert back["digest"] == digest
    assert cli_json("mask", "show", tmp_path / "back")["meta"]["round"] == 3


def test_torch_is_not_imported(tmp_path: Path, weights: Path) -> None:
    mask = tmp_path / "m"
    program = "import sys; from dwlt.cli.root import run\n"
    for arguments in (
        ["prune", str(weights), "--rate", "0.5", "-o", str(mask)],
        ["show", str(mask)],
        ["compare", str(mask), str(mask)],
        ["apply", str(weights), str(mask), "-o", str(tmp_path / "out")],
        ["export", str(mask), "-o", str(tmp_path / "out.npz")],
        ["import", str(tmp_path / "out.npz"), "-o", str(tmp_path / "back")],
    ):
        program += f"assert run({['mask', *arguments]!r}) == 0\n"
    program += "assert 'torch' not in sys.modules\n"
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
