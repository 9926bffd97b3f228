"""The stub `_core.pyi` says what the built module has: mypy's stubtest compares the two."""

from __future__ import annotations

import inspect
import io
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from mypy import stubtest

import dwlt
from dwlt import _core

STUB = Path(dwlt.__file__).parent / "_core.pyi"
HERE = Path(__file__).parent


def compare() -> tuple[int, str]:
    """Exit code and words of `stubtest dwlt._core`."""
    options = ["--mypy-config-file", str(HERE / "stubtest.ini")]
    options += ["--allowlist", str(HERE / "stubtest-allowed.txt")]
    words = io.StringIO()
    with redirect_stdout(words), redirect_stderr(words):
        code = stubtest.test_stubs(stubtest.parse_options(["dwlt._core", *options]))
    return code, words.getvalue()


def test_the_stub_and_the_module_agree() -> None:
    code, words = compare()
    assert code == 0, words


@pytest.mark.slow
def test_a_parameter_that_the_stub_lacks_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "dwlt"
    package.mkdir()
    (package / "__init__.pyi").write_text("")
    text = STUB.read_text(encoding="utf-8")
    without = text.replace(
        "def digest_file(path: _Path, *, progress: Progress | None = None)",
        "def digest_file(path: _Path)",
    )
    assert without != text
    (package / "_core.pyi").write_text(without)
    monkeypatch.setenv("MYPYPATH", str(tmp_path))
    code, words = compare()
    assert code == 1
    assert "digest_file" in words
    assert "progress" in words


def test_everything_public_has_a_docstring() -> None:
    public = [member for name, member in vars(_core).items() if not name.startswith("_")]
    members = [
        member
        for owner in public
        if inspect.isclass(owner)
        for name, member in vars(owner).items()
        if not name.startswith("_")
    ]
    assert len(public) > 10
    assert len(members) > 30
    for member in [*public, *members]:
        # A static method is wrapped in what has a docstring of its own.
        assert getattr(member, "__func__", member).__doc__, member
