"""A sample of changes to the sources, each of which a test must notice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def mutants(log: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.mutants", "--log", str(log), *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_every_named_mutant_is_a_change_of_todays_sources() -> None:
    """Where a source has moved on, the list has to follow."""
    from benchmarks.mutants.__main__ import named

    jobs = list(named())
    assert len({job.name for job in jobs}) == len(jobs) > 50
    for job in jobs:
        text = job.text()
        assert text is not None
        compile(text, job.file, "exec")
        for test in job.tests:
            assert (ROOT / test).exists()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_named_mutants_are_noticed(tmp_path: Path) -> None:
    done = mutants(tmp_path / "log.jsonl", "protocol", "--seconds", "240")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("killed ") >= 5


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_sample_of_automatic_mutants_is_noticed(tmp_path: Path) -> None:
    """Most of them: some change nothing that matters (docs/mutants.md)."""
    pytest.importorskip("cosmic_ray")
    groups = ("masks", "attacks", "verdict")
    done = mutants(tmp_path / "log.jsonl", *groups, "--sample", "30", "--seconds", "240")
    assert done.returncode == 0, done.stdout + done.stderr
    killed, survived = (done.stdout.count(f"{word} ") for word in ("\nkilled", "\nsurvived"))
    assert killed >= 5
    assert killed >= 2 * survived, done.stdout
