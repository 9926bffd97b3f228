"""Own images that cannot be used as asked: exit code 2, the file, the next step, no run folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from tests.conftest import Cli
from tests.data.make import encoded, picture, write_folder, write_parquet


def truncated(root: Path) -> None:
    write_folder(root, ["cat", "dog"], 8)
    path = root / "dog/3.png"
    path.write_bytes(path.read_bytes()[:-60])


def bomb(root: Path) -> None:
    write_folder(root, ["cat", "dog"], 8)
    header = encoded(picture(0, 0, mode="L"), "BMP")
    # Width and height of a BMP are at bytes 18 and 22.
    sides = (30_000).to_bytes(4, "little") * 2
    (root / "cat/5.bmp").write_bytes(header[:18] + sides + header[26:])


def unsorted(root: Path) -> None:
    write_folder(root, ["train", "test"], 8)


def empty(root: Path) -> None:
    write_parquet(root / "train.parquet", ["cat", "dog"] * 10, names=None)
    write_parquet(root / "test.parquet", pa.array([], pa.string()), names=None)


def ids(root: Path) -> None:
    write_parquet(root / "train.parquet", [74673216, 74673300] * 10, names=None)


def mixed(root: Path) -> None:
    write_parquet(root / "train.parquet", [0, 1] * 10, names=None)
    write_parquet(root / "test.parquet", ["0", "1"] * 10, names=None)


def side_by_side(root: Path) -> None:
    for name in ("small", "large"):
        write_parquet(root / name / "train/0000.parquet", [0, 1] * 10)


@pytest.mark.parametrize(
    ("kind", "write", "culprit", "hint"),
    [
        ("imagefolder", truncated, "dog/3.png: not a readable image", "replace or remove"),
        ("imagefolder", bomb, "cat/5.bmp: not a readable image", "replace or remove"),
        ("imagefolder", unsorted, "test: no class folders", "train/CLASS"),
        ("parquet", empty, "test.parquet: the test part has no rows", "remove its files"),
        ("parquet", ids, "row 1: label 74673300 among 20 images", "store the labels as text"),
        ("parquet", mixed, "test.parquet: column 'label' holds string", "as one type"),
        ("parquet", side_by_side, "in 2 folders (large, small)", "after the colon"),
    ],
)
def test_the_culprit_and_the_next_step(
    cli: Cli,
    tmp_path: Path,
    kind: str,
    write: Callable[[Path], None],
    culprit: str,
    hint: str,
) -> None:
    write(tmp_path / "set")
    runs = tmp_path / "runs"
    code, out, err = cli(
        "pretrain", "--runs", runs, "--set", f"source.task={kind}:{tmp_path / 'set'}"
    )
    assert code == 2, err
    assert out == ""
    said = " ".join(err.split())
    assert culprit in said
    assert hint in said
    assert "Traceback" not in err
    assert not list(runs.glob("pretrain/*"))
