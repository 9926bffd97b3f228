"""docs/install.md names the extras that there are; what ``make wheel`` says without a target."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.processes import outside_make

ROOT = Path(__file__).parents[1]


def test_every_extra_is_on_the_page_and_no_other() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    _, extras = (ROOT / "docs/install.md").read_text(encoding="utf-8").split("## Extras\n")
    cells = re.findall(r"^\| (`.+?) \|", extras, flags=re.MULTILINE)
    named = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(named) == sorted(project["optional-dependencies"])


def test_a_target_that_rust_lacks_is_left_out_and_said() -> None:
    # WHEEL=echo builds nothing (tests/e2e/test_wheel.py does); -o installs nothing.
    venv = Path(sys.prefix)
    missing = "s390x-unknown-linux-gnu"
    done = subprocess.run(
        ["make", "wheel", f"VENV={venv}", "-o", venv / ".packages", "WHEEL=echo", f"ARM={missing}"],
        cwd=ROOT,
        env=outside_make(),
        text=True,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "x86_64-unknown-linux-gnu")
    assert f"rustup target add {missing}" in done.stderr
