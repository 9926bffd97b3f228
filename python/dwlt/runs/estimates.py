"""Estimates that a dry run has made, kept beside the runs until a run's result takes one up.

A note and no more: what is lost or damaged is simply not there. What a run will start from is not
known before the earlier stages are done, so an estimate is named by what decides the time.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import TypeAdapter

from dwlt import _core
from dwlt.results.base import jsonable
from dwlt.results.estimate import Estimate
from dwlt.runs import layout
from dwlt.spec import StageSpec, identity_values

_READ = TypeAdapter(Estimate)


def remember(runs: Path, stage: str, spec: StageSpec, estimate: Estimate) -> None:
    """Keep an estimate for runs of a stage with these settings, on its device.

    Raises:
        OSError, DwltError: it cannot be written.
    """
    path = layout.estimate(runs, _key(stage, spec, estimate.device))
    path.parent.mkdir(parents=True, exist_ok=True)
    values = jsonable(estimate)
    _core.write_atomic(str(path), json.dumps(values, indent=1, sort_keys=True).encode())


def recall(runs: Path, stage: str, spec: StageSpec, device: str) -> Estimate | None:
    """The estimate for such a run on a device in words, if a dry run has made one."""
    try:
        return _READ.validate_json(layout.estimate(runs, _key(stage, spec, device)).read_bytes())
    except (OSError, ValueError):
        return None


def _key(stage: str, spec: StageSpec, device: str) -> str:
    """Of what decides the time: not the seed, nor weights, nor how the images are normalised."""
    values = identity_values(spec)
    for name in ("seed", "model", "name"):
        values.pop(name, None)
    values["score"] = identity_values(spec.score)
    values |= {"model": [spec.model.name, spec.model.width], "device": device}
    return _core.run_id(stage, json.dumps(values, sort_keys=True), {})
