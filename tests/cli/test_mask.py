"""``dwlt mask``: every command on small files, with its JSON."""

from __future__ import annotations

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


def test_packed_and_back(tmp_path: Path, weights: Path, cli_json: Json, cli: Cli) -> None:
    mask, small, back, plain = (tmp_path / name for name in ("m", "small", "back", "plain"))
    cli_json("mask", "prune", weights, "--keep", "2", "-o", mask)
    assert cli_json("mask", "apply", weights, mask, "--packed", "-o", small)["kept"] == 2
    cli_json("mask", "apply", weights, mask, "-o", plain)
    assert cli_json("mask", "unpack", small, "-o", back) == {"out": str(back), "bytes": 32}
    assert back.read_bytes() == plain.read_bytes()
    assert load_file(small)["a.weight#kept"].tolist() == [-4, 3]
    code, _, err = cli("mask", "unpack", plain, "-o", tmp_path / "no")
    assert (code, "not a packed file" in err) == (2, True)
    code, _, err = cli("mask", "unpack", small, "-o", small)
    assert code == 2


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
        code, _, err = cli(*command, "-o", folder)
        assert code != 0
        assert folder.name in err
        assert sorted(path.name for path in folder.iterdir()) == sorted([name, target.name])


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


@pytest.mark.parametrize("round_", ["-1", "4294967296", "99999999999999999999", "x"])
def test_import_refuses_rounds_that_are_none(round_: str, tmp_path: Path, cli: Cli) -> None:
    np.savez(tmp_path / "m.npz", w=np.ones(2, bool))
    out = tmp_path / "out"
    code, _, err = cli("mask", "import", tmp_path / "m.npz", "--round", round_, "-o", out)
    assert (code, "--round" in err, out.exists()) == (2, True, False)


def test_import_says_what_it_took(tmp_path: Path, cli: Cli, cli_json: Json) -> None:
    import torch

    state = {"w_orig": torch.ones(2), "w_mask": torch.tensor([1.0, 0.0])}
    torch.save({"net": state | {"attn_mask": torch.ones(2)}}, tmp_path / "m.pth")
    code, _, err = cli("mask", "import", tmp_path / "m.pth", "-o", tmp_path / "out")
    assert code == 0
    assert err.splitlines() == [
        "  entry 'net': 1 masks",
        "  not taken: 'attn_mask' (no 'attn_orig' beside it)",
        f"{tmp_path / 'out'}: 1 of 2 kept, sparsity 50.00%",
    ]
    made = cli_json("mask", "import", tmp_path / "m.pth", "--entry", "net", "-o", tmp_path / "out")
    assert (made["kept"], len(made["notes"])) == (1, 2)
    code, _, err = cli("mask", "import", tmp_path / "m.pth", "--prefix", "x.", "-o", tmp_path / "o")
    assert (code, "has no masks behind 'x.'" in err) == (2, True)


def test_compare_pairs_masks_by_name(tmp_path: Path, cli_json: Json) -> None:
    first = {"a": np.array([True, True, False, False]), "b": np.array([True, False])}
    second = {"b": np.array([True, True]), "a": np.array([True, False, True, False])}
    for name, arrays in (("1", first), ("2", second)):
        # As arrays of others, whose order is that of the file; mask files are sorted by name.
        np.savez(tmp_path / f"{name}.npz", **arrays)  # type: ignore[arg-type]
        cli_json("mask", "import", tmp_path / f"{name}.npz", "-o", tmp_path / name)
    found = cli_json("mask", "compare", tmp_path / "1", tmp_path / "2")
    rows = {row["name"]: (row["first"], row["second"], row["both"]) for row in found["layers"]}
    assert rows == {"a": (2, 2, 1), "b": (1, 2, 1)}
    assert [row["iou"] for row in found["layers"]] == [1 / 3, 1 / 2]
    assert found["all"]["iou"] == 2 / 5
    # By chance the first two share 2 * 2 / 4 = 1 of 3, the others 1 * 2 / 2 = 1 of 2.
    assert [row["chance"] for row in found["layers"]] == [1 / 3, 1 / 2]


def test_small_floats_are_kept_whole_and_said(tmp_path: Path, cli: Cli, cli_json: Json) -> None:
    import json
    import struct

    header = {
        "e": {"dtype": "F8_E4M3FNUZ", "shape": [2, 2], "data_offsets": [0, 4]},
        "h": {"dtype": "F4", "shape": [2, 2], "data_offsets": [4, 6]},
        "w": {"dtype": "F16", "shape": [1, 2], "data_offsets": [6, 10]},
    }
    text = json.dumps(header).encode()
    data = struct.pack("<Q", len(text)) + text + bytes(range(1, 11))
    path, mask, out = tmp_path / "w.safetensors", tmp_path / "m", tmp_path / "out"
    path.write_bytes(data)
    made = cli_json("mask", "prune", path, "--keep", "1", "-o", mask)
    assert (made["kept"], made["total"]) == (1, 2)
    assert made["unranked"] == {"F8_E4M3FNUZ": 1, "F4": 1}
    code, _, err = cli("mask", "prune", path, "--keep", "1", "-o", mask)
    assert (code, "1 tensors of type F4 have no mask" in err) == (0, True)
    assert cli("mask", "apply", path, mask, "-o", out)[0] == 0
    assert out.read_bytes() == data[:-4] + bytes([0, 0]) + data[-2:]
    for only, message in (("e", "e: weights of type F8_E4M3FNUZ have no order"), ("h", "type F4")):
        code, _, err = cli("mask", "prune", path, "--keep", "1", "--only", only, "-o", mask)
        assert (code, message in err) == (2, True)


def test_only_within_masks_prunes_those_tensors_further(
    tmp_path: Path, weights: Path, cli: Cli, cli_json: Json
) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    cli_json("mask", "prune", weights, "--keep", "4", "-o", first)  # a: -4, 1, 3; b: -2
    within = ["mask", "prune", weights, "--within", first, "-o", second]
    made = cli_json(*within, "--only", "a.*", "--keep", "1")
    assert (made["kept"], made["total"]) == (2, 6)
    layers = cli_json("mask", "show", second)["layers"]
    assert [(one["name"], one["kept"]) for one in layers] == [("a.weight", 1), ("b.weight", 1)]
    assert cli_json("mask", "compare", first, second)["nested"] == "second"
    # A rate counts the weights of the tensors chosen that are left: 2 of 3 are kept.
    assert cli_json(*within, "--only", "a.*", "--rate", "0.34")["kept"] == 3
    # A pattern that the masks cover but for a bias means what they cover.
    assert cli_json(*within, "--only", "b.*", "--keep", "0")["kept"] == 3
    for only, message in (("*.bias", "cover no tensor that `only` names"), ("x", "no tensor to")):
        code, _, err = cli(*within, "--only", only, "--keep", "1")
        assert (code, message in err) == (2, True)
    code, _, err = cli(*within, "--keep", "99999999999999999999")
    assert (code, "cannot keep 99999999999999999999 weights" in err) == (2, True)


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
