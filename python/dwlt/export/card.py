"""The model card: README.md with the block of metadata that the Hugging Face hub reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from dwlt.export.network import Plain
from dwlt.export.source import Source
from dwlt.export.verdict import Told
from dwlt.models.blueprint import Blueprint
from dwlt.results import Accuracy, PretrainResult, PruneRound, Score, TransferResult
from dwlt.results.files import version
from dwlt.units import sparsity_text

REGIMES = {
    "standard": "standard training",
    "fast": "fast adversarial training (FGSM with a random start)",
    "adversarial": "adversarial training (PGD)",
}


SETTINGS = (
    "regime",
    "epochs",
    "batch_size",
    "lr",
    "momentum",
    "weight_decay",
    "schedule",
    "warmup",
)
"""What the card says of a training, where its settings have it."""


def write_card(source: Source, blueprint: Blueprint, plain: Plain, told: Told) -> str:
    """The text of the card.

    Args:
        plain: the lines that build the network.
        told: the verdict on the ticket.
    """
    title = title_of(source)
    scores = _scores(source.test)
    size, grey = blueprint.size, "grey" if blueprint.channels == 1 else "RGB"
    text: str = _template().render(
        head=_head(source, title, scores),
        title=title,
        summary=_summary(source),
        facts=_facts(source, blueprint),
        scores=[
            {
                "name": name,
                "value": f"{100 * one.value:.2f}",
                "low": f"{100 * one.low:.2f}",
                "high": f"{100 * one.high:.2f}",
                "n": one.n,
            }
            for name, one in scores
        ],
        verdict=told,
        protocol=_protocol(source),
        torchvision="" if plain.source or plain.needs else ", torchvision",
        needs=f", and {plain.needs}" if plain.needs else "",
        shape=f"{grey}, {size} x {size}",
        code=code(blueprint, plain),
        masked=source.masks is not None,
    )
    return text


def code(blueprint: Blueprint, plain: Plain) -> list[str]:
    """The lines of plain PyTorch that load the network and ask it once."""
    shape = f"2, {blueprint.channels}, {blueprint.size}, {blueprint.size}"
    return [
        "import torch",
        "from safetensors.torch import load_file",
        *plain.imports,
        "",
        'state = load_file("model.safetensors")',
        'mean, std = (state.pop(f"normalise.{name}")[:, None, None] for name in ("mean", "std"))',
        *plain.build,
        "network.load_state_dict(state)",
        "network.eval()",
        f"images = torch.rand({shape})  # yours instead, in [0, 1]",
        "logits = network((images - mean) / std)",
    ]


def title_of(source: Source) -> str:
    """What the network is called: its run, and the round or checkpoint."""
    result = source.result
    part = f" round {result.round}" if isinstance(result, PruneRound) else ""
    return f"{result.label}{part}"


def kept_of(source: Source) -> tuple[int, int]:
    """Weights kept and prunable; (0, 0) where the result does not say."""
    result = source.result
    return (0, 0) if isinstance(result, PretrainResult) else (result.kept, result.total)


def _summary(source: Source) -> str:
    result = source.result
    on = f"`{result.task.name}`"
    if isinstance(result, PretrainResult):
        return f"A dense image classifier, pre-trained on {on} by {REGIMES[result.regime]}."
    kept, total = kept_of(source)
    what = (
        "A dense network" if kept == total else f"A ticket of {sparsity_text(kept, total)} sparsity"
    )
    if isinstance(result, PruneRound):
        return f"{what} of a network for {on}: pre-trained weights under the masks of one round."
    regime = REGIMES.get(result.regime, result.regime)
    return f"{what}, found on pre-trained weights and fine-tuned on {on} by {regime}."


def _facts(source: Source, blueprint: Blueprint) -> list[tuple[str, str]]:
    result = source.result
    kept, total = kept_of(source)
    found = [("network", f"{blueprint.model.name}, {len(blueprint.classes)} classes")]
    if total:
        shown = (
            f"{kept:,} of {total:,} prunable weights kept ({sparsity_text(kept, total)} sparsity)"
        )
        found.append(("weights", shown))
    if isinstance(result, TransferResult):
        found += [
            ("pre-training", f"{result.pretrain.regime} (`{result.pretrain.label}`)"),
            ("search", f"{result.prune.method}, round {result.round} (`{result.prune.label}`)"),
            ("training data", f"{100 * result.fraction:g}% of the training split"),
            ("seed", str(result.seed)),
        ]
    if isinstance(result, PruneRound):
        found.append(("search", f"{result.method}, round {result.round}"))
    found.append(("run", f"`{result.label}`, dwlt {result.environment.dwlt or version()}"))
    return found


def _protocol(source: Source) -> list[str]:
    result = source.result
    sizes = result.task
    lines = [
        f"Data: `{sizes.name}` with {sizes.train:,} training, {sizes.validation:,} validation and "
        f"{sizes.test:,} test images; fingerprint `{sizes.fingerprint}`.",
        *(f"Of the data: {note}." for note in sizes.notes),
    ]
    trained = result.spec.get("train")
    if isinstance(trained, Mapping) and not isinstance(result, PruneRound):
        settings = ", ".join(
            f"{key} {trained[key]}"
            for key in SETTINGS
            if isinstance(trained.get(key), (int, float, str))
        )
        lines.append(f"Training: {settings}.")
    if source.checkpoint is not None:
        by = "robust" if source.checkpoint == "ra" else "standard"
        lines.append(f"Of all epochs the one with the best {by} accuracy on validation images.")
    lines += [f"Note: {flag.text}" for flag in result.flags]
    return lines


def _scores(score: Score | None) -> list[tuple[str, Accuracy]]:
    if score is None:
        return []
    found = [("SA", score.sa)]
    if score.ra is not None:
        found.append((f"RA, {score.attack}", score.ra))
    return found


def _head(source: Source, title: str, scores: Sequence[tuple[str, Accuracy]]) -> Mapping[str, Any]:
    """The block of metadata. Its values are written as JSON, which YAML holds."""
    name = source.result.task.name
    kept, total = kept_of(source)
    head: dict[str, Any] = {
        "library_name": "pytorch",
        "pipeline_tag": "image-classification",
        "tags": ["dwlt", "lottery-ticket", "pruning", "adversarial-robustness"],
        "datasets": [name.partition(":")[0] if ":" in name else name],
        "metrics": ["accuracy"],
    }
    if scores:
        metrics = [
            {
                "type": "accuracy",
                "name": label,
                "value": round(one.value, 6),
                "args": {"correct": one.correct, "n": one.n, "low": one.low, "high": one.high},
            }
            for label, one in scores
        ]
        task = {"type": "image-classification", "name": "Image classification"}
        data = {"type": head["datasets"][0], "name": name, "split": "test"}
        results = [{"task": task, "dataset": data, "metrics": metrics}]
        head["model-index"] = [{"name": title, "results": results}]
    if total:
        head["dwlt"] = {"kept": kept, "total": total}
    return head


def _read(name: str) -> str:
    return resources.files("dwlt.export").joinpath("templates", name).read_text(encoding="utf-8")


@cache
def _template() -> Any:
    # Markdown and not HTML, so what HTML escapes stays; only the bars of tables must.
    environment = Environment(
        loader=FunctionLoader(_read),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters["json"] = lambda value: json.dumps(value, ensure_ascii=False)
    environment.filters["cell"] = lambda text: str(text).replace("|", "\\|").replace("\n", " ")
    return environment.get_template("card.md")
