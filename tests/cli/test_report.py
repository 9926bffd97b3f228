from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.conftest import Cli


def test_report_works_where_torch_is_not_installed(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "for name in ('torch', 'torchvision', 'pydantic', 'sklearn', 'pyarrow', 'safetensors'):\n"
        "    sys.modules[name] = None\n"
        "from dwlt.cli.root import run\n"
        f"sys.exit(run(['report', '--runs', {str(tmp_path)!r}, '--out', {str(tmp_path)!r}]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "report.html").exists()


def test_a_missing_folder_is_named(cli: Cli, tmp_path: Path) -> None:
    code, _, err = cli("report", "--runs", tmp_path / "none", "--out", tmp_path / "out")
    assert code == 2
    assert str(tmp_path / "none") in err
    assert "dwlt prune" in err
