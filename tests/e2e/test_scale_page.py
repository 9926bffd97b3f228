"""The commands of docs/scale.md, on a config that takes seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.grid.engine_runs import small
from tests.test_documents import ROOT, blocks, run_blocks

EXAMPLES = blocks(ROOT / "docs" / "scale.md", "sh")


@pytest.mark.slow
def test_the_commands_of_the_page_run(tmp_path: Path) -> None:
    assert len(EXAMPLES) == 7
    pytest.importorskip("ray")
    pytest.importorskip("submitit")
    run_blocks(EXAMPLES, tmp_path, small(tmp_path), timeout=600)
