"""``module:factory``: what a user's code may do when imported and called, and how it fails."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dwlt.errors import ModelError
from dwlt.models import build_model, code_digest
from dwlt.models.guest import guest
from dwlt.spec import ModelSpec

NET = """
from torch import nn

def plain(num_classes, channels):
    return nn.Sequential(nn.Conv2d(channels, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(4, num_classes))
"""
ARGPARSE = "import argparse\np = argparse.ArgumentParser()\np.add_argument('--lr', {more})\n"

MODULES = {
    "fine": NET,
    "gone": "from torch.nn import ConvNotThere2d\n" + NET,
    "syntax": NET + "def make(num_classes)\n",
    "needs": "import package_that_nobody_has\n" + NET,
    "script": ARGPARSE.format(more="required=True") + "p.parse_args()\n" + NET,
    "options": ARGPARSE.format(more="default=1") + "assert p.parse_args().lr == 1\n" + NET,
    "exits": "import sys\nsys.exit('no GPU found')\n" + NET,
    "skips": "class Skipped(BaseException): pass\nraise Skipped('not here')\n" + NET,
    "divides": "1 / 0\n" + NET,
    "pathy": "import os, sys\nsys.path[:] = [p for p in sys.path if p != os.getcwd()]\n" + NET,
    "leaves": "import os\nos.chdir('/')\n" + NET,
    "null": NET + "\0",
}


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The modules above in the working directory, and arguments of dwlt's own."""
    for name, source in MODULES.items():
        (tmp_path / f"guest_{name}.py").write_text(source)
        monkeypatch.delitem(sys.modules, f"guest_{name}", raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["dwlt", "prune", "--rounds", "3"])


def build(name: str) -> object:
    return build_model(
        ModelSpec(name=name), num_classes=5, channels=1, image_size=8, mean=[0], std=[1], seed=0
    )


@pytest.mark.parametrize("name", ["fine", "options", "pathy", "leaves"])
def test_modules_that_can_be_used(name: str) -> None:
    path, arguments, here = list(sys.path), list(sys.argv), Path.cwd()
    build(f"guest_{name}:plain")
    # What the module itself has changed of the path is its own business.
    assert [one for one in path if one != str(here)] == [
        one for one in sys.path if one != str(here)
    ]
    assert sys.argv == arguments
    assert Path.cwd() == here


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("guest_gone:plain", "importing guest_gone fails: ImportError: cannot import name"),
        (
            "guest_syntax:make",
            r"importing guest_syntax fails: SyntaxError: .*guest_syntax.py, line",
        ),
        ("guest_needs:plain", "No module named 'package_that_nobody_has' .guest_needs.py, line 1"),
        ("guest_script:plain", r"it ends the program \(SystemExit: 2\) \(guest_script.py, line 4"),
        ("guest_exits:plain", r"it ends the program \(SystemExit: no GPU found\)"),
        ("guest_skips:plain", "importing guest_skips fails: Skipped: not here"),
        (
            "guest_divides:plain",
            r"ZeroDivisionError: division by zero \(guest_divides.py, line 1\)",
        ),
        ("guest_null:plain", "importing guest_null fails: SyntaxError|ValueError"),
        ("guest_fine:missing", r"guest_fine \(.*guest_fine.py\) has no callable 'missing'"),
        ("nowhere:net", "there is no module 'nowhere'"),
        ("nowhere.inside:net", "there is no module 'nowhere'"),
        ("./guest_fine.py:plain", "names a file, .* without folder and ending: guest_fine:plain"),
        ("guest_fine.py:plain", "names a file"),
        ("nets/guest_fine:plain", "names a file"),
        (".guest_fine:plain", "not of the form MODULE:FUNCTION"),
        ("guest_fine:", "not of the form"),
        (":plain", "not of the form"),
        ("guest_fine:plain:more", "not of the form"),
    ],
)
def test_modules_that_cannot(name: str, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        build(name)
    assert name in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("name", ["guest_syntax:make", "guest_null:plain", "nowhere:net", "a/b:c"])
def test_code_without_a_digest(name: str) -> None:
    with pytest.raises(ModelError, match=name.partition(":")[0]):
        code_digest(name)


def test_ctrl_c_stays_itself() -> None:
    with pytest.raises(KeyboardInterrupt), guest("nets:net", "building it"):
        raise KeyboardInterrupt


def test_code_in_an_archive_has_the_digest_of_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "nets.zip", "w") as archive:
        archive.write("guest_fine.py", "guest_packed.py")
    monkeypatch.syspath_prepend(str(tmp_path / "nets.zip"))
    assert code_digest("guest_packed:plain") == code_digest("guest_fine:plain")
