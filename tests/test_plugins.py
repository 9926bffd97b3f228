"""Entry points of other packages: found by name, imported on use, never in dwlt's own way."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dwlt.errors import ModelError, SpecError, UserError
from dwlt.plugins import GROUPS, Registry, plugins, problems
from tests.plugin_package import installed

OWN: dict[str, object] = {"one": 1, "pi": "math:pi"}
FILES = {"dwlt_example.py": "class Box:\n    inner = 5\n"}
ENTRIES = {"five": "dwlt_example:Box.inner", "one": "dwlt_example:Box", "gone": "dwlt_example:Lid"}


def registry() -> Registry[object]:
    return Registry("dwlt.criteria", OWN, error=ModelError)


def test_own_things_are_values_or_targets() -> None:
    found = registry()
    assert (found.get("one"), "pi" in found, "two" in found) == (1, True, False)
    assert str(found.get("pi")).startswith("3.14")
    assert found.names() == ("one", "pi")


def test_an_unknown_name_gets_the_nearest_one() -> None:
    with pytest.raises(ModelError, match="there is no criterion 'onne'") as caught:
        registry().get("onne")
    assert caught.value.hint == "did you mean 'one'? there are: one, pi"


def test_names_of_a_package_are_found_and_imported_on_use(tmp_path: Path) -> None:
    with installed(tmp_path, {"dwlt.criteria": ENTRIES}, FILES):
        found = registry()
        assert found.names() == ("one", "pi", "five", "gone")
        found.require("five")
        assert "dwlt_example" not in sys.modules
        assert found.get("five") == 5
        # A name that dwlt has itself stays dwlt's.
        assert found.get("one") == 1
    assert "five" not in registry()


def test_what_cannot_be_imported_names_the_package(tmp_path: Path) -> None:
    entries = {"gone": "dwlt_example:Lid", "broken": "dwlt_example_broken:x"}
    files = {**FILES, "dwlt_example_broken.py": "raise RuntimeError('no GPU')\n"}
    with installed(tmp_path, {"dwlt.criteria": entries}, files):
        with pytest.raises(UserError, match=r"'gone' of dwlt-example 1\.0 .*Lid"):
            registry().get("gone")
        with pytest.raises(UserError, match="RuntimeError: no GPU"):
            registry().get("broken")


def test_two_packages_with_one_name_are_refused(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.mkdir()
    second.mkdir()
    with (
        installed(first, {"dwlt.criteria": {"five": "dwlt_example:Box"}}, FILES),
        installed(second, {"dwlt.criteria": {"five": "other:Box"}}, {}),
    ):
        info = second / "dwlt_example-1.0.dist-info"
        info.rename(second / "other-2.0.dist-info")
        (second / "other-2.0.dist-info" / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: other\nVersion: 2.0\n"
        )
        plugins.cache_clear()
        with pytest.raises(SpecError, match=r"is claimed by dwlt-example 1\.0 and other 2\.0"):
            Registry[object]("dwlt.criteria", {}).get("five")


def test_problems_are_told_of_every_entry_point(tmp_path: Path) -> None:
    groups = {"dwlt.criteria": ENTRIES, "dwlt.tasks": {"box": "dwlt_example:Box"}}
    with installed(tmp_path, groups, FILES):
        found = {(each.group, each.name): wrong for each, wrong in problems({"dwlt.criteria": OWN})}
    assert found.pop(("dwlt.criteria", "five")) is None
    assert found.pop(("dwlt.tasks", "box")) is None
    assert found.pop(("dwlt.criteria", "one")) == "hidden: dwlt has this name itself"
    assert "cannot be loaded" in (found.pop(("dwlt.criteria", "gone")) or "")
    assert not found
    assert {"dwlt.objectives", "dwlt.criteria", "dwlt.models", "dwlt.tasks"} <= set(GROUPS)
    assert "dwlt.engines" in GROUPS
