"""``dwlt doctor``"""

from __future__ import annotations

import os
import platform
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

import click

from dwlt.cli.options import json_option, runs_option

PACKAGES = ("torch", "torchvision", "numpy", "safetensors", "pyarrow", "scikit-learn", "matplotlib")


@click.command()
@runs_option
@json_option
def command(runs: Path, as_json: bool) -> int:
    """Say what is installed, which device there is, and whether dwlt can write here."""
    from dwlt.cli.show import Show, emit_json

    checks = [*packages(), core(), device(), writable(runs), *additions()]
    if as_json:
        emit_json(checks)
    else:
        Show().table(
            "",
            ["what", "state", "found"],
            [[c["what"], "ok" if c["ok"] else "PROBLEM", c["found"]] for c in checks],
            left=3,
        )
    return 0 if all(check["ok"] for check in checks) else 1


def check(what: str, found: str, *, ok: bool = True) -> dict[str, Any]:
    """One line of the doctor's answer."""
    return {"what": what, "found": found, "ok": ok}


def packages() -> list[dict[str, Any]]:
    """Versions of Python, dwlt and what it stands on."""
    lines = [check("python", platform.python_version()), check("dwlt", metadata.version("dwlt"))]
    for name in PACKAGES:
        try:
            lines.append(check(name, metadata.version(name)))
        except metadata.PackageNotFoundError:
            lines.append(check(name, f"not installed; pip install {name}", ok=False))
    return lines


def additions() -> list[dict[str, Any]]:
    """What other packages add by entry points, each imported to see whether it can be."""
    from dwlt.data.registry import TASKS
    from dwlt.grid.engines import ENGINES
    from dwlt.models.build import list_names
    from dwlt.plugins import GROUPS, problems
    from dwlt.spec.regimes import OWN

    own = {
        "dwlt.objectives": OWN,
        "dwlt.models": list_names(),
        "dwlt.tasks": TASKS.own,
        "dwlt.engines": ENGINES.own,
    }
    return [
        check(
            f"{GROUPS[one.group]} {one.name}",
            f"{one.target} of {one.package}" if wrong is None else wrong,
            ok=wrong is None,
        )
        for one, wrong in problems(own)
    ]


def core() -> dict[str, Any]:
    """Does the Rust core load, and does it count right."""
    try:
        from dwlt import _core

        removed = _core.count_to_remove(1000, 0.2)
    except ImportError as error:
        return check("rust core", f"{error}; reinstall dwlt", ok=False)
    return check("rust core", "loads; 20% of 1000 is " + str(removed), ok=removed == 200)


def device() -> dict[str, Any]:
    """What `--device auto` would take."""
    try:
        import torch
    except ImportError:
        return check("device", "no PyTorch: only report and runs work", ok=False)
    if torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory / 2**30
        return check("device", f"cuda:0, {torch.cuda.get_device_name(0)}, {memory:.0f} GiB")
    return check("device", f"cpu, {torch.get_num_threads()} threads of {os.cpu_count()} cores")


def writable(runs: Path) -> dict[str, Any]:
    """Can a run be written where runs go."""
    parent = runs
    while not parent.exists():
        parent = parent.parent
    try:
        with tempfile.NamedTemporaryFile(dir=parent):
            return check("runs folder", f"{runs} can be written")
    except OSError as error:
        return check("runs folder", f"{runs} cannot be written: {error.strerror}", ok=False)
