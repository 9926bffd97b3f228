"""The documents: README's shell examples run, links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(document: Path, language: str) -> list[str]:
    text = document.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def run_blocks(
    examples: list[str], folder: Path, config: Path, timeout: float | None = None
) -> None:
    """Run shell blocks of a page in turn, in a folder, with a small config as the default."""
    environment = {
        **os.environ,
        "DWLT_CONFIG": str(config),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    for example in examples:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", example],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        assert done.returncode == 0, f"{example}\n{done.stderr}"


def make_images(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("cats", "dogs"):
        (folder / name).mkdir(parents=True)
        for index in range(20):
            pixels = rng.integers(0, 256, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{index}.png")


@pytest.mark.timeout(300)
def test_the_shell_examples_of_the_readme_run(tiny: Path, tmp_path: Path) -> None:
    # The examples as they stand, on a config that takes seconds and goes by the default's name.
    config = tmp_path / "config.toml"
    per_class = "[downstream]\nper_class = 12\n"
    config.write_text(f'extends = "{tiny}"\nname = "digits"\n{per_class}')
    make_images(tmp_path / "my-images")
    (tmp_path / "mynets.py").write_text(blocks(ROOT / "README.md", "python")[0])
    examples = blocks(ROOT / "README.md", "sh")
    assert len(examples) >= 3
    run_blocks(examples, tmp_path, config)
    assert (tmp_path / "report" / "report.html").exists()
    assert (tmp_path / "ticket.safetensors").exists()


def test_the_numpy_lines_of_the_mask_page_read_a_mask(tmp_path: Path) -> None:
    from dwlt import _core

    keep = np.array([[True, False, True], [False, False, True]])
    path = tmp_path / "mask.safetensors"
    _core.MaskSet.from_bools({"conv1.weight": keep}).save(
        str(path), round=1, weights="b3:" + 64 * "0", parent=None
    )
    code = blocks(ROOT / "docs" / "mask-format.md", "python")[0]
    names: dict[str, object] = {}
    exec(code.replace('"mask.safetensors"', repr(str(path))), names)
    masks = names["masks"]
    assert isinstance(masks, dict)
    assert (masks["conv1.weight"] == keep).all()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        path = (document.parent / file) if file else document
        assert path.exists(), f"{document.name}: {target}"
        if anchor:
            heads = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", head).lower().replace(" ", "-") for head in heads}
            assert anchor in slugs, f"{document.name}: {target}"
