"""CONTRIBUTING.md against the tree: the files that it names are there and hold what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import dwlt

ROOT = Path(__file__).parents[1]
PACKAGE = Path(dwlt.__file__).parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

ROW = re.compile(r"^\| (.+\?) \| `([^`]+)` \| `([^`]+)` \|$", re.MULTILINE)
QUESTIONS = ROW.findall(TEXT)
FILES = sorted(set(re.findall(r"`([\w./-]+/[\w.-]+\.(?:py|rs|md|toml))`", TEXT)))
PLACES = (ROOT, PACKAGE, ROOT / "crates/dwlt-core/src")


def test_there_are_ten_questions() -> None:
    assert len(QUESTIONS) == 10


@pytest.mark.parametrize(("question", "file", "name"), QUESTIONS)
def test_the_answer_is_where_it_says(question: str, file: str, name: str) -> None:
    path = (ROOT if file.startswith("crates") else PACKAGE) / file
    defined = rf"(?:def|class|fn) {name}\b|^{name}\b.* = "
    assert re.search(defined, path.read_text(encoding="utf-8"), re.MULTILINE), question


@pytest.mark.parametrize("file", FILES)
def test_every_file_that_is_named_is_there(file: str) -> None:
    assert any((place / file).is_file() for place in PLACES)


def test_the_files_with_a_second_hash_are_listed() -> None:
    """BLAKE3 is the core's; a new use of another hash is decided on, and written down."""
    (entry,) = re.findall(r"^- Digests of files, masks(?:.+\n)(?:  .+\n)+", TEXT, re.MULTILINE)
    listed = {
        name if name.endswith(".py") else f"{name}.py" for name in re.findall(r"`(.+?)`", entry)
    }
    used = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if "hashlib." in path.read_text(encoding="utf-8")
    }
    assert used == listed
