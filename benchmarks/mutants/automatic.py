"""Automatic mutants: one operator of cosmic-ray, at one place of a file."""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.mutants.bench import ROOT

Place = tuple[int, int]


@dataclass(frozen=True)
class Mutant:
    """A change that can be made.

    Attributes:
        file: relative to the root.
        place: line (from 1) and column (from 0).
        operator: of cosmic-ray.
        occurrence: which of the operator's places in the file it is.
    """

    file: str
    place: Place
    operator: str
    occurrence: int

    @property
    def name(self) -> str:
        """What was changed, for people and for the log; unique."""
        line, column = self.place
        return f"{self.file}:{line}:{column} {self.operator.split('/')[-1]}"

    def text(self) -> str | None:
        """The file's content after the change; None where it is the same program, or none."""
        from cosmic_ray.mutating import mutate_code
        from cosmic_ray.plugins import get_operator

        source = (ROOT / self.file).read_text(encoding="utf-8")
        text: str | None = mutate_code(source, get_operator(self.operator)(), self.occurrence)
        try:
            same = text is None or ast.dump(ast.parse(text)) == ast.dump(ast.parse(source))
        except SyntaxError:
            return None
        return None if same else text


def mutants(file: str) -> list[Mutant]:
    """All mutants of a file, in the order of their places.

    An operator has many replacements at one place (eleven for a ``+``). Of these one is taken, by
    a seed: they mostly die of one cause.
    """
    from cosmic_ray.ast import ast_nodes, get_ast
    from cosmic_ray.plugins import get_operator, operator_names

    source = (ROOT / file).read_text(encoding="utf-8")
    nodes = list(ast_nodes(get_ast(source)))
    skipped = list(_not_run(ast.parse(source)))
    places: dict[tuple[Place, str], list[tuple[str, int]]] = {}
    for operator in sorted(operator_names()):
        kind = get_operator(operator)
        if kind.arguments():
            continue
        found = (start for node in nodes for start, _ in kind().mutation_positions(node))
        for occurrence, start in enumerate(found):
            if not any(low <= start < high for low, high in skipped):
                family = operator.split("/")[-1].split("_")[0]
                places.setdefault((start, family), []).append((operator, occurrence))
    return [
        Mutant(file, start, *random.Random(f"{file} {start} {family}").choice(choices))
        for (start, family), choices in sorted(places.items())
    ]


def _not_run(tree: ast.Module) -> Iterator[tuple[Place, Place]]:
    """Where a change changes no behaviour, or only the wording of an error."""
    for node in ast.walk(tree):
        parts: list[ast.expr | ast.stmt | None] = []
        if isinstance(node, ast.arg | ast.AnnAssign):
            parts.append(node.annotation)
        if isinstance(node, ast.FunctionDef):
            parts.append(node.returns)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            parts += [node.test, *node.body]
        if isinstance(node, ast.Raise):
            parts.append(node.exc)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            parts.append(node.value)
        for part in parts:
            if part is not None:
                end = (part.end_lineno or 0, part.end_col_offset or 0)
                yield (part.lineno, part.col_offset), end


def files_of(pattern: str) -> Iterator[str]:
    """Files that a pattern of ``modules.toml`` names, relative to the root."""
    for path in sorted(ROOT.glob(pattern)):
        if path.is_file() and path.stat().st_size:
            yield str(path.relative_to(ROOT))
