from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.conftest import Cli
from tests.report.make import Maker, make_study


def test_report_works_where_torch_is_not_installed(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "for name in ('torch', 'torchvision', 'sklearn', 'pyarrow', 'matplotlib'):\n"
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


def test_the_first_line_says_what_was_found_and_what_comes_next(cli: Cli, tmp_path: Path) -> None:
    make_study(Maker(tmp_path / "runs"))
    code, out, err = cli("report", "--runs", tmp_path / "runs", "--out", tmp_path / "out")
    assert code == 0, err
    first = err.splitlines()[0]
    assert first.startswith("no double-win ticket is shown under PGD-20 among 6 tickets")
    assert "next: complete 1 incomplete ticket with `dwlt transfer --adv" in first
    assert "Extreme sparsity under PGD-20" in out
    assert not (tmp_path / "out" / "figures").exists()


def test_how_to_judge_is_an_option(cli: Cli, tmp_path: Path) -> None:
    make_study(Maker(tmp_path / "runs"))
    asked = ("report", "--runs", tmp_path / "runs", "--out", tmp_path / "out")
    code, _, err = cli(*asked, "--set", "verdict.rule=paper")
    assert code == 0
    assert "next: complete" in err
    assert "mean no lower than the dense mean less one standard deviation" in err
    code, _, err = cli(*asked, "--set", "verdict.rule=papers")
    assert code == 2
    assert "rule" in err
    code, _, err = cli(*asked, "--set", "prune.rate=0.3")
    assert code == 2
    assert "verdict.margin_sa" in err


def test_figures_are_drawn_on_demand(cli: Cli, tmp_path: Path) -> None:
    make = Maker(tmp_path / "runs")
    make.network(0, ([90], [20], [85], [50]))
    code, _, err = cli("report", "--runs", make.root, "--out", tmp_path / "out", "--figures")
    assert code == 0, err
    kinds = {path.suffix for path in (tmp_path / "out" / "figures").iterdir()}
    assert kinds == {".png", ".svg", ".pdf"}
