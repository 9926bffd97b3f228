"""Statistics and rules: is a ticket a double win, and how sparse is the sparsest one.

Pure: no files, no torch, no printing. ``outcomes`` is the input, ``judge`` the way in,
``sequential`` and ``frontier`` spend seeds with the error held. What each rule is, why, and how
often it errs: ``docs/protocol.md``.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from dwlt.plugins import load_target


class _Callable(ModuleType):
    """This package, which is also the function ``dwlt.verdict``: one name is there for both."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return load_target("dwlt.api:verdict")(*args, **kwargs)


sys.modules[__name__].__class__ = _Callable
