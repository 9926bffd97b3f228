"""The commands of docs/export.md, as they stand there."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from dwlt.cli.root import run

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "runs-v1" / "runs"


def test_the_commands_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    mask = next(GOLDEN.glob("prune/*/round-01/mask.safetensors"))
    shutil.copy(next(GOLDEN.glob("pretrain/*/model.safetensors")), tmp_path)
    shutil.copy(mask, tmp_path)
    monkeypatch.chdir(tmp_path)
    for name, real in (
        ("runs/transfer/digits-0a1b2c3d", GOLDEN / "transfer" / "old-0e8e1866"),
        ("runs/prune/digits-4e5f6a7b", mask.parent.parent),
    ):
        assert name in block
        block = block.replace(name, str(real))
    lines = [line for line in block.splitlines() if line]
    for line in lines:
        words = shlex.split(line)
        assert words[0] == "dwlt"
        if words[2] == "onnx":
            pytest.importorskip("onnxscript")
        assert run([*words[1:], "--quiet"]) == 0, line
        assert Path(words[-1]).exists(), line
    assert len(lines) == 4
