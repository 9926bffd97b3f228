"""The arrows of the design: a file imports only from layers below its own."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import dwlt

ROOT = Path(dwlt.__file__).parent

LAYERS: dict[str, int] = {
    "_core": 0,
    "errors": 0,
    "units": 0,
    "layout": 1,
    "events": 1,
    "results": 1,
    "spec": 1,
    "store": 1,
    "plan": 1,
    "masks": 1,
    "exchange": 1,
    "data": 2,
    "models": 2,
    "attacks": 2,
    "masking": 2,
    "published": 2,
    "engine": 3,
    "scoring": 3,
    "stages": 4,
    "verdict": 4,
    "report": 4,
    "cli": 5,
}
# The few arrows inside a layer, each one way.
WITHIN = {
    "errors": set(),
    "units": {"errors"},
    "results": {"layout"},
    "store": {"layout", "events", "results", "spec"},
    "plan": {"layout", "results", "spec", "store"},
    # The loop scores epochs; scoring knows nothing of the loop.
    "engine": {"scoring"},
    "report": {"verdict"},
}
TORCH_FREE = {
    *("errors", "units", "layout", "events", "results", "spec", "store", "plan", "masks"),
    *("exchange", "verdict", "report", "cli"),
}
# Public names that `import dwlt` offers, gathered from any layer and loaded on first use.
FRONT = {"__init__", "__main__"}


def part_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Every module imported by a file, and whether the import runs when the file is imported."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            inside.update(ast.walk(node))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield name.name, node not in inside
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are written in full"
            assert node.module is not None
            if node.module == "dwlt":
                for name in node.names:
                    yield f"dwlt.{name.name}", node not in inside
            else:
                yield node.module, node not in inside


def files() -> list[Path]:
    return [path for path in sorted(ROOT.rglob("*.py")) if part_of(path) not in FRONT]


def test_every_part_has_a_layer() -> None:
    assert {part_of(path) for path in files()} <= set(LAYERS)


def test_arrows_point_down() -> None:
    wrong = []
    for path in files():
        here = part_of(path)
        for module, _ in imports(path):
            if not module.startswith("dwlt."):
                continue
            there = module.split(".")[1]
            allowed = (
                there == here or LAYERS[there] < LAYERS[here] or there in WITHIN.get(here, set())
            )
            if not allowed:
                wrong.append(f"{path.relative_to(ROOT)} imports {module}")
    assert wrong == []


def test_torch_is_not_imported_by_the_light_parts() -> None:
    heavy = ("torch", "torchvision", "sklearn", "pyarrow")
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in files()
        if part_of(path) in TORCH_FREE
        for module, at_import in imports(path)
        if at_import and module.split(".")[0] in heavy
    ]
    assert wrong == []


def test_only_one_file_knows_rich() -> None:
    users = {
        str(path.relative_to(ROOT))
        for path in files()
        for module, _ in imports(path)
        if module.split(".")[0] == "rich"
    }
    assert users == {"cli/show.py"}


def test_stages_do_not_print() -> None:
    wrong = [
        str(path.relative_to(ROOT))
        for path in files()
        if LAYERS[part_of(path)] < LAYERS["cli"]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]
    assert wrong == []
