"""Every path that dwlt uses on disk, as pure functions. The one file that spells them."""

from __future__ import annotations

from pathlib import Path

from dwlt.results.files import best_checkpoint

STAGES = ("pretrain", "prune", "transfer", "evaluate", "frontier")

SPEC = "spec.toml"
JOURNAL = "journal"
METRICS = "metrics.jsonl"
RESULT = "result.json"
MODEL = "model.safetensors"
MASK = "mask.safetensors"
OUTCOMES = "outcomes.safetensors"
"""Which test images were classified correctly: one bit each, see ``results.outcomes``."""

PICTURES = "pictures.safetensors"
"""A few test images to look at, see ``results.pictures``."""

STATE = "state.safetensors"
"""The training in progress; gone when its step is done."""

SHARDS = "shards"
"""The evaluation in progress, a file per attack and shard; gone when its result is written."""


def run_folder(runs: Path, stage: str, name: str, run_id: str) -> Path:
    """``runs/<stage>/<name>-<id8>``, or the folder that already carries this id.

    The name is only a label, so a run started under another name is the same run.
    """
    folder = runs / stage
    for found in sorted(folder.glob(f"*-{run_id}")):
        return found
    return folder / f"{name}-{run_id}"


def run_folders(runs: Path, stage: str) -> list[Path]:
    """All run folders of one stage, sorted by name."""
    return sorted(path for path in (runs / stage).glob("*-????????") if path.is_dir())


def adopted(runs: Path, name: str, digest8: str) -> Path:
    """``runs/weights/<name>-<digest8>.safetensors``: a given checkpoint as a model file."""
    return runs / "weights" / f"{name}-{digest8}.safetensors"


def given_weights(runs: Path, key: str) -> Path:
    """``runs/weights/given-<key>.json``: what was found in weights that the user gave."""
    return runs / "weights" / f"given-{key}.json"


def engine_session(runs: Path, name: str) -> Path:
    """``runs/engine/<session>``: where the head of an engine and its workers speak."""
    return runs / "engine" / name


def estimate(runs: Path, key: str) -> Path:
    """``runs/estimates/<key>.json``: what a dry run found that such a run will cost."""
    return runs / "estimates" / f"{key}.json"


def round_name(round_: int) -> str:
    """``round-07``: two digits, so that up to 99 rounds sort by name."""
    return f"round-{round_:02d}"


def round_folder(folder: Path, round_: int) -> Path:
    """The folder of one pruning round inside a prune run."""
    return folder / round_name(round_)


def steps(stage: str, rounds: int = 0) -> list[tuple[str, str]]:
    """The steps of a run in order, each with its result file relative to the run folder.

    Args:
        rounds: the last round, for ``prune``; the others are one step.
    """
    if stage != "prune":
        return [(stage, RESULT)]
    return [round_step(round_) for round_ in range(rounds + 1)]


def round_step(round_: int) -> tuple[str, str]:
    """The step of a prune run that is one round."""
    return round_name(round_), f"{round_name(round_)}/{RESULT}"


best = best_checkpoint
"""Results name their checkpoints too, so the name is spelled there."""


def id_of(folder: Path) -> str:
    """The id8 that a run folder's name ends in."""
    return folder.name[-8:]
