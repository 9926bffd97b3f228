"""Automatic mutants: one operator of cosmic-ray, at one place of a file."""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.mutants.bench import ROOT


@dataclass(frozen=True)
class Mutant:
    """A changed file.

    Attributes:
        name: what was changed, for people and for the log; unique.
        file: relative to the root.
        text: the file's content after the change.
        line: of the change, as it was and as it is.
    """

    name: str
    file: str
    text: str
    line: tuple[str, str]


def mutants(file: str) -> list[Mutant]:
    """All mutants of a file that are not the same program, in the order of their places.

    An operator has many replacements at one place (eleven for a ``+``). Of these one is taken, by
    a seed: they mostly die of one cause.
    """
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator, operator_names

    source = (ROOT / file).read_text(encoding="utf-8")
    tree = get_ast(source)
    places: dict[tuple[tuple[int, int], str], list[tuple[str, int]]] = {}
    for name in sorted(operator_names()):
        operator = get_operator(name)
        if operator.arguments():
            continue
        found = (p for node in ast_nodes(tree) for p in operator().mutation_positions(node))
        for occurrence, position in enumerate(found):
            family = name.split("/")[-1].split("_")[0]
            places.setdefault((tuple(position[0]), family), []).append((name, occurrence))
    plain, made, seen = _program(source), [], set()
    for (start, family), choices in sorted(places.items()):
        name, occurrence = random.Random(f"{file} {start} {family}").choice(choices)
        text = mutate_code(source, get_operator(name)(), occurrence)
        if text is None or text in seen:
            continue
        seen.add(text)
        try:
            if _program(text) == plain:
                continue
        except SyntaxError:
            continue
        line = _changed_line(source, text)
        made.append(Mutant(f"{file}:{start[0]}:{start[1]} {name.split('/')[-1]}", file, text, line))
    return made


def _program(source: str) -> str:
    """What a source does: its syntax tree without documentation and annotations."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        if isinstance(node, ast.AnnAssign):
            node.annotation = ast.Constant(None)
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "not TYPE_CHECKING"):
            node.test, node.body, node.orelse = ast.Constant(None), [ast.Pass()], []
        if isinstance(node, ast.Raise):
            # How an error is worded is read by people, and tested where it matters.
            node.exc = ast.Constant(None)
    return ast.dump(tree)


def _changed_line(before: str, after: str) -> tuple[str, str]:
    pairs = zip(before.splitlines(), after.splitlines(), strict=False)
    old, new = next((pair for pair in pairs if pair[0] != pair[1]), ("", ""))
    return old.strip(), new.strip()


def files_of(pattern: str) -> Iterator[str]:
    """Files that a pattern of ``modules.toml`` names, relative to the root."""
    for path in sorted(ROOT.glob(pattern)):
        if path.is_file() and path.stat().st_size:
            yield str(Path(path).relative_to(ROOT))
