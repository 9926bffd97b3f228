"""The stub `_core.pyi` says what the built module has: every name, member and parameter."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import dwlt
from dwlt import _core

STUB = ast.parse((Path(dwlt.__file__).parent / "_core.pyi").read_text(encoding="utf-8"))

# What PyO3 fills in: rich comparison, and the reflected half of every operator.
REFLECTED = {"__rand__", "__ror__", "__rsub__", "__rxor__"}
IMPLIED = {"__lt__", "__le__", "__gt__", "__ge__", "__doc__", "__module__", "__new__", *REFLECTED}


def classes() -> dict[str, ast.ClassDef]:
    found = [node for node in STUB.body if isinstance(node, ast.ClassDef)]
    return {node.name: node for node in found if not node.name.startswith("_")}


def functions(body: list[ast.stmt]) -> dict[str, ast.FunctionDef]:
    return {node.name: node for node in body if isinstance(node, ast.FunctionDef)}


def decorators(node: ast.FunctionDef) -> set[str]:
    return {name.id for name in node.decorator_list if isinstance(name, ast.Name)}


def stub_parameters(node: ast.FunctionDef) -> list[tuple[str, bool, str | None]]:
    """Name, whether it is keyword-only, and default of each parameter but self."""
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    without = [None] * (len(positional) - len(arguments.defaults))
    defaults = [*without, *(ast.unparse(default) for default in arguments.defaults)]
    plain = [(a.arg, False, d) for a, d in zip(positional, defaults, strict=True)]
    keywords = [
        (a.arg, True, None if d is None else ast.unparse(d))
        for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    return [p for p in [*plain, *keywords] if p[0] != "self"]


def built_parameters(function: object) -> list[tuple[str, bool, str | None]]:
    assert callable(function)
    return [
        (
            p.name,
            p.kind is p.KEYWORD_ONLY,
            None if p.default is p.empty else repr(p.default),
        )
        for p in inspect.signature(function).parameters.values()
        if p.name != "self"
    ]


def members(name: str) -> set[str]:
    own = set(vars(getattr(_core, name))) - IMPLIED
    return {member for member in own if member != "__repr__"}


def test_module_names() -> None:
    built = {name for name in vars(_core) if not name.startswith("_")}
    assert built == {*classes(), *functions(STUB.body)}


@pytest.mark.parametrize("name", sorted(functions(STUB.body)))
def test_function(name: str) -> None:
    function = getattr(_core, name)
    assert built_parameters(function) == stub_parameters(functions(STUB.body)[name])
    assert function.__doc__


@pytest.mark.parametrize("name", sorted(classes()))
def test_class_members(name: str) -> None:
    node = classes()[name]
    assigned = {
        item.target.id
        for item in node.body
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name)
    }
    built = members(name)
    if "__hash__" in assigned:
        assert getattr(_core, name).__hash__ is None
    assert built - {"__hash__"} == {*functions(node.body), *assigned} - {"__hash__"}


@pytest.mark.parametrize(
    ("owner", "name"),
    [(c, f) for c, node in classes().items() for f in functions(node.body)],
)
def test_member(owner: str, name: str) -> None:
    node = functions(classes()[owner].body)[name]
    member = inspect.getattr_static(getattr(_core, owner), name)
    if "property" in decorators(node):
        assert inspect.isgetsetdescriptor(member)
    elif name.startswith("__"):
        assert callable(member)  # slots: their signatures are Python's own
    else:
        assert isinstance(member, staticmethod) == ("staticmethod" in decorators(node))
        assert built_parameters(getattr(_core, owner).__dict__[name]) == stub_parameters(node)
