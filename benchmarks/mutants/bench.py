"""A copy of the tree in which tests run on changed sources, a forked process for each change.

Importing PyTorch takes longer than most of the tests. So one process imports what the sources
stand on, but nothing of the sources themselves, and each change is tested in a fork of it. This is
why cosmic-ray's own runner, which starts a command for every mutant, is not used.
"""

from __future__ import annotations

import compileall
import importlib
import os
import py_compile
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parents[2]

COPIED = ("python", "tests", "docs", "benchmarks", "configs", "pyproject.toml", "CONTRIBUTING.md")
"""What tests read."""

WARM = (
    *("torch", "torchvision", "numpy", "pytest", "hypothesis", "pydantic", "click", "rich"),
    *("sklearn.datasets", "scipy.special", "scipy.stats", "safetensors.torch", "PIL.Image"),
    *("tomli_w", "_pytest.assertion", "hypothesis.extra.numpy", "torch.optim", "pyarrow.parquet"),
)
"""Imported before the forks."""


class Bench:
    """A copy of the tree.

    Args:
        folder: an empty folder for it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "tests.log"
        ignore = shutil.ignore_patterns("__pycache__", ".hypothesis")
        for name in COPIED:
            source = ROOT / name
            if source.is_dir() and not source.is_symlink():
                shutil.copytree(source, folder / name, symlinks=True, ignore=ignore)
            else:
                shutil.copy2(source, folder / name, follow_symlinks=False)
        # By the source's digest and not its time: a change within a second would go unseen.
        mode = py_compile.PycInvalidationMode.CHECKED_HASH
        compileall.compile_dir(folder / "python", quiet=2, invalidation_mode=mode)
        os.environ["OMP_NUM_THREADS"] = "1"
        for name in WARM:
            with suppress(ImportError):
                importlib.import_module(name)

    def run(self, tests: Sequence[str], timeout: float) -> tuple[str, float]:
        """Run tests until one fails.

        Returns:
            "passed", "failed" or "timeout" (as good as failed), and the processor seconds it took.
        """
        before = os.times()
        child = os.fork()
        if child == 0:
            code = 70
            try:
                code = self._inside(tests)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        state, ended = self._wait(child, timeout)
        # Whatever the tests have started and left.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
        after = os.times()
        spent = after.children_user + after.children_system
        spent -= before.children_user + before.children_system
        if not ended:
            return "timeout", spent
        if os.WIFEXITED(state) and os.WEXITSTATUS(state) == 0:
            return "passed", spent
        if os.WIFEXITED(state) and os.WEXITSTATUS(state) in (4, 5, 70):
            raise RuntimeError(f"pytest could not run {list(tests)}; see {self.log}")
        return "failed", spent

    def _inside(self, tests: Sequence[str]) -> int:
        os.setsid()
        os.chdir(self.folder)
        output = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.dont_write_bytecode = True
        mine = [str(self.folder), str(self.folder / "python")]
        others = (str(ROOT), str(ROOT / "python"), "")
        sys.path[:] = mine + [entry for entry in sys.path if entry not in others]
        os.environ["PYTHONPATH"] = os.pathsep.join(mine)
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        for name in [name for name in sys.modules if name.split(".")[0] in ("benchmarks", "tests")]:
            del sys.modules[name]
        import pytest

        options = ["-x", "-q", "--tb=short", "-p", "no:cacheprovider", "-p", "no:xdist"]
        # Imported before the forks, as it must be here.
        options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
        return int(pytest.main([*options, "-m", "not slow", *tests]))

    @staticmethod
    def _wait(child: int, timeout: float) -> tuple[int, bool]:
        end = time.monotonic() + timeout
        pause = 0.01
        while time.monotonic() < end:
            found, state = os.waitpid(child, os.WNOHANG)
            if found:
                return state, True
            time.sleep(pause)
            pause = min(0.2, pause * 1.5)
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        return os.waitpid(child, 0)[1], False
