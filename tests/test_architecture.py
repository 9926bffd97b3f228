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
    "plugins": 0,
    "events": 1,
    "ranks": 1,
    "sniff": 1,
    "outputs": 1,
    "spec": 1,
    "results": 2,
    "trackers": 2,
    "runs": 3,
    "masks": 4,
    "data": 4,
    "models": 4,
    "attacks": 4,
    "verdict": 4,
    "checkpoints": 5,
    "scoring": 5,
    "report": 5,
    "export": 6,
    "training": 6,
    # A criterion is given what it needs (a loss, images, a way to train): it knows no training.
    "criteria": 6,
    "stages": 7,
    "grid": 8,
    "api": 9,
    "cli": 9,
}
"""A file imports only from layers below its own. Parts of one layer never import one another."""

FORBIDDEN = {
    # The statistics and the report know result files and masks, and nothing that computes.
    "verdict": {"runs", "events"},
    "report": {"data", "models", "attacks"},
    "cli": {"attacks"},
}
"""Arrows that point down and are nevertheless not wanted."""

WITHIN = {"units": {"errors"}, "plugins": {"errors"}}
"""The few arrows inside a layer, each one way."""

TORCH_FREE = {
    *(
        "errors",
        "units",
        "plugins",
        "events",
        "sniff",
        "outputs",
        "spec",
        "results",
        "runs",
        "verdict",
        "report",
        "grid",
        "api",
        "cli",
    ),
}
MASKS_TORCH = "masks/tensors.py"
"""The one file of ``masks`` that knows torch."""

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
            below = LAYERS[there] < LAYERS[here] and there not in FORBIDDEN.get(here, set())
            allowed = there == here or below or there in WITHIN.get(here, set())
            if not allowed:
                wrong.append(f"{path.relative_to(ROOT)} imports {module}")
    assert wrong == []


def test_torch_is_not_imported_by_the_light_parts() -> None:
    heavy = ("torch", "torchvision", "sklearn", "pyarrow")
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in files()
        if part_of(path) in TORCH_FREE or (part_of(path) == "masks" and not path.match(MASKS_TORCH))
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


def modules() -> dict[str, set[str]]:
    """Each file's own module name and the modules of dwlt that it imports when it is imported."""
    names = {
        "dwlt." + ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in files()
    }
    found: dict[str, set[str]] = {}
    for path in files():
        own = "dwlt." + ".".join(path.relative_to(ROOT).with_suffix("").parts)
        own = own.removesuffix(".__init__")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        typing_only: set[ast.AST] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                typing_only.update(ast.walk(node))
        found[own] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node not in typing_only and node.module:
                for name in node.names:
                    full = f"{node.module}.{name.name}"
                    target = full if full in names else node.module
                    if target in names and target != own:
                        found[own].add(target)
    return found


def test_no_import_circle() -> None:
    """No file reaches itself through the files it imports, packages' own files left out."""
    arrows = modules()
    packages = {name for name in arrows if any(o.startswith(f"{name}.") for o in arrows)}
    arrows = {a: b - packages for a, b in arrows.items() if a not in packages}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join([*path, name])
        if name not in done:
            for other in sorted(arrows.get(name, ())):
                visit(other, (*path, name))
            done.add(name)

    for name in sorted(arrows):
        visit(name, ())
