"""``evaluate``: score one model file on a task's test images."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from dwlt import layout, store
from dwlt.errors import SpecError
from dwlt.events import StageDone, StageStarted
from dwlt.results import read_result, read_spec
from dwlt.scoring import score
from dwlt.spec import Experiment, ScoreSpec, TaskSpec, validate_spec
from dwlt.stages.device import describe, pick
from dwlt.stages.training import flag_values, open_task, task_values
from dwlt.stages.weights import digest, find_model, read_model
from dwlt.store import Context, Run


def attack_changes(name: str) -> dict[str, Any]:
    """What an attack's short name changes in ``[attack.evaluate]``.

    Args:
        name: "pgd-K", "fgsm" or "none".

    Raises:
        SpecError: the name is none of these.
    """
    if name == "none":
        return {}
    if name == "fgsm":
        return {"attack__evaluate__steps": 1, "attack__evaluate__random_start": False}
    match = re.fullmatch(r"pgd-([1-9][0-9]*)", name)
    if match is None:
        raise SpecError(f"there is no attack {name!r}", hint="use pgd-20, pgd-50, fgsm or none")
    return {"attack__evaluate__steps": int(match[1])}


def task_of(path: Path) -> TaskSpec | None:
    """The task that the run around a model file was about, or None outside a run folder."""
    data = read_spec(path.parent).get("data")
    return None if data is None else validate_spec(TaskSpec, data, str(path.parent / layout.SPEC))


def attack_of(path: Path) -> dict[str, Any]:
    """The attack that the run around a model file was scored with, as changes of a config.

    A model is looked at under its own threat unless another is named: the radius of some other
    preset would say nothing about it.
    """
    attack = read_spec(path.parent).get("score", {}).get("attack", {})
    return {f"attack__evaluate__{name}": value for name, value in attack.items()}


def run(
    experiment: Experiment,
    scoring: ScoreSpec,
    path: Path,
    context: Context,
    *,
    own_task: bool = False,
) -> tuple[Path, dict[str, Any]]:
    """Score a model, or find that it was scored so before.

    Args:
        path: a model file or a run folder.
        own_task: score on the task of the run that the model lies in, where there is one;
            otherwise on the experiment's downstream task.

    Returns:
        The run folder and the content of its ``result.json``.

    Raises:
        FormatError, ModelError: the file does not hold a model that takes these images.
    """
    file = find_model(path)
    data = (task_of(file) if own_task else None) or experiment.downstream
    model, blueprint = read_model(file)
    spec = experiment.evaluate_spec(data, scoring).model_copy(
        update={"name": file.stem, "model": blueprint.model}
    )
    starts = {"weights": digest(file)}
    run_id = store.run_id("evaluate", spec, starts)
    folder = layout.run_folder(context.runs, "evaluate", spec.name, run_id)
    result = read_result(folder / layout.RESULT)
    if result is not None:
        context.observe(StageDone("evaluate", str(folder), reused=True))
        return folder, result
    device = pick(context.device, context.threads)
    task = open_task(spec, context)
    blueprint.require(task)
    with Run(folder, spec, starts, [("evaluate", layout.RESULT)]) as run_:
        result = read_result(folder / layout.RESULT)
        if result is not None:
            return folder, result
        run_.begin(task.fingerprint, describe(device))
        attack = "SA only" if scoring.attack is None else scoring.attack.label
        context.observe(StageStarted("evaluate", f"{file} on {task.name}, {attack}", 0))
        found = score(model.to(device), task.test, scoring, device=device)
        result = run_.finish(
            "evaluate",
            {
                "model": str(file),
                "weights": starts["weights"],
                "task": task_values(task),
                "test": found.values(),
                "samples": found.samples(),
                "flags": flag_values(found.flags),
            },
            device=describe(device),
        )
    context.observe(StageDone("evaluate", str(folder), reused=False))
    return folder, result
