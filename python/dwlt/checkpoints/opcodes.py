"""A reader of pickles that can only make plain values, and what it is given builders for.

Python's own unpickler imports what a file names and calls it. This one goes through the operations
that ``pickletools`` lists, of protocols 0 to 5. A name becomes what ``resolve`` says, and only a
``Builder`` of this package is ever called.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterable
from typing import IO, Any


class DamagedError(Exception):
    """The pickle breaks a rule of its format, or does what no tensor file needs to do."""


class LeftOut:
    """Stands where a file holds an object that is neither a tensor nor a plain value.

    Whatever the file does with it (call it, give it state, put items into it) gives a stand-in
    again, or nothing.

    Attributes:
        name: the class or function that the file names, as in ``argparse.Namespace``.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def called(self) -> LeftOut:
        """What a call gives: another stand-in."""
        return LeftOut(self.name)

    def __repr__(self) -> str:
        return f"LeftOut({self.name!r})"


class Builder:
    """What a name that is known stands for: a function of this package, and never the file's.

    Args:
        name: as the file has it.
        build: makes the value of the arguments that the file gives.
    """

    def __init__(self, name: str, build: Callable[..., Any]) -> None:
        self.name = name
        self._build = build

    def __call__(self, *arguments: Any) -> Any:
        """The value.

        Raises:
            DamagedError: these are not arguments for it.
        """
        try:
            return self._build(*arguments)
        except (TypeError, ValueError, AttributeError, LookupError, OverflowError) as error:
            raise DamagedError(f"{self.name} with other arguments than PyTorch writes") from error


_KEY_DEPTH = 8
"""Tuples within tuples that a key may have. Python hashes them by recursion, without a limit: a
file with very deep ones would end the process."""


def as_keys(items: Iterable[Any]) -> list[Any]:
    """The items, which become keys or members of a set.

    Raises:
        DamagedError: one cannot be a key.
    """
    keys = list(items)
    if any(not _is_key(key, _KEY_DEPTH) for key in keys):
        raise DamagedError("its pickle has keys that are none")
    return keys


def _is_key(value: Any, depth: int) -> bool:
    if isinstance(value, tuple):
        return depth > 0 and all(_is_key(one, depth - 1) for one in value)
    return not isinstance(value, (list, dict, set, bytearray))


_MARK = object()

_LITERALS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "EMPTY_SET": set,
    "MARK": lambda: _MARK,
}

_ARGUMENTS = frozenset(
    {
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE"),
        *("BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
    }
)
"""Operations whose argument is the value."""

_GATHERED: dict[str, Callable[[list[Any]], Any]] = {
    "TUPLE": tuple,
    "LIST": list,
    "FROZENSET": lambda items: frozenset(as_keys(items)),
    "DICT": lambda items: dict(zip(as_keys(items[::2]), items[1::2], strict=True)),
}
"""Operations that make one value of everything since the mark."""

_FIXED = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}

_IGNORED = frozenset({"PROTO", "FRAME", "READONLY_BUFFER"})


class Reader:
    """Reads one pickle after another from a file.

    Args:
        resolve: what a name (module, attribute) stands for: a ``Builder``, a ``LeftOut`` or a
            plain value.
        persistent: what a persistent id stands for.
    """

    def __init__(
        self, resolve: Callable[[str, str], Any], persistent: Callable[[Any], Any]
    ) -> None:
        self._resolve = resolve
        self._persistent = persistent

    def read(self, file: IO[bytes]) -> Any:
        """The value of the pickle that begins where the file stands.

        Raises:
            DamagedError: it is no whole pickle, or holds an operation out of place.
        """
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        try:
            for operation, argument, _ in pickletools.genops(file):
                if operation.name == "STOP":
                    return self._stack.pop()
                self._do(operation.name, argument)
        except (ValueError, IndexError, KeyError, TypeError, MemoryError, OverflowError) as error:
            # pickletools raises ValueError on damaged bytes; the others come of a damaged order.
            raise DamagedError(f"its pickle is damaged: {error}") from error
        raise DamagedError("its pickle has no end")

    def _do(self, name: str, argument: Any) -> None:
        stack = self._stack
        if name in _ARGUMENTS:
            stack.append(argument)
        elif name in _LITERALS:
            stack.append(_LITERALS[name]())
        elif name in _GATHERED:
            items = self._since_mark()
            stack.append(_GATHERED[name](items))
        elif name in _FIXED:
            items = [stack.pop() for _ in range(_FIXED[name])]
            stack.append(tuple(reversed(items)))
        elif name not in _IGNORED:
            self._change(name, argument)

    def _change(self, name: str, argument: Any) -> None:
        """Operations on values that have been read already."""
        stack = self._stack
        match name:
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                self._memo[int(argument)] = stack[-1]
            case "MEMOIZE":
                self._memo[len(self._memo)] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(self._memo[int(argument)])
            case "POP":
                stack.pop()
            case "POP_MARK":
                self._since_mark()
            case "DUP":
                stack.append(stack[-1])
            case "APPEND":
                self._append([stack.pop()])
            case "APPENDS":
                self._append(self._since_mark())
            case "ADDITEMS":
                self._append(self._since_mark())
            case "SETITEM":
                value, key = stack.pop(), stack.pop()
                self._set([key, value])
            case "SETITEMS":
                self._set(self._since_mark())
            case _:
                self._make(name, argument)

    def _make(self, name: str, argument: Any) -> None:
        """Operations that name things of Python, and ask for a call."""
        stack = self._stack
        match name:
            case "GLOBAL":
                module, _, attribute = str(argument).partition(" ")
                stack.append(self._resolve(module, attribute))
            case "STACK_GLOBAL":
                attribute, module = stack.pop(), stack.pop()
                if not (isinstance(attribute, str) and isinstance(module, str)):
                    raise DamagedError("its pickle names something by what is no text")
                stack.append(self._resolve(module, attribute))
            case "INST":
                module, _, attribute = str(argument).partition(" ")
                arguments = tuple(self._since_mark())
                stack.append(_called(self._resolve(module, attribute), arguments))
            case "OBJ":
                callee, *rest = self._since_mark()
                stack.append(_called(callee, tuple(rest)))
            case "REDUCE" | "NEWOBJ":
                arguments, callee = stack.pop(), stack.pop()
                stack.append(_called(callee, arguments))
            case "NEWOBJ_EX":
                named, arguments, callee = stack.pop(), stack.pop(), stack.pop()
                stack.append(_called(callee, arguments if not named else None))
            case "BUILD":
                # State of a plain value is what Python keeps beside it (a state dict's
                # `_metadata`); of a stand-in, nothing is kept.
                stack.pop()
                if not isinstance(stack[-1], (dict, LeftOut)):
                    raise DamagedError(f"its pickle gives state to {type(stack[-1]).__name__}")
            case "BINPERSID":
                stack.append(self._persistent(stack.pop()))
            case "PERSID":
                stack.append(self._persistent(argument))
            case _:
                raise DamagedError(f"its pickle holds {name}, which no tensor file does")

    def _since_mark(self) -> list[Any]:
        stack = self._stack
        for at in range(len(stack) - 1, -1, -1):
            if stack[at] is _MARK:
                items = stack[at + 1 :]
                del stack[at:]
                return items
        raise DamagedError("its pickle lacks a mark")

    def _append(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, list):
            target.extend(items)
        elif isinstance(target, set):
            target.update(as_keys(items))
        elif not isinstance(target, LeftOut):
            raise DamagedError(f"its pickle appends to {type(target).__name__}")

    def _set(self, items: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, dict):
            target.update(zip(as_keys(items[::2]), items[1::2], strict=True))
        elif not isinstance(target, LeftOut):
            raise DamagedError(f"its pickle sets items of {type(target).__name__}")


def _called(callee: Any, arguments: Any) -> Any:
    if isinstance(callee, LeftOut):
        return callee.called()
    if isinstance(callee, Builder) and isinstance(arguments, tuple):
        return callee(*arguments)
    raise DamagedError(f"its pickle calls {type(callee).__name__}")
