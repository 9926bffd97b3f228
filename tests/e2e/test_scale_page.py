"""The commands of docs/scale.md, on a config that takes seconds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.grid.engine_runs import small
from tests.test_documents import ROOT, blocks

EXAMPLES = blocks(ROOT / "docs" / "scale.md", "sh")


@pytest.mark.slow
def test_the_commands_of_the_page_run(tmp_path: Path) -> None:
    assert len(EXAMPLES) == 7
    pytest.importorskip("ray")
    pytest.importorskip("submitit")
    environment = {
        **os.environ,
        "DWLT_CONFIG": str(small(tmp_path)),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    for example in EXAMPLES:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", example],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        assert done.returncode == 0, f"{example}\n{done.stderr}"
