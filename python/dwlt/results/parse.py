"""One result file's JSON to one typed record, or a FormatError that names the key.

A report gathers files that other people wrote, perhaps with another version; nothing of them is
believed unchecked: types, ranges, and counts that have to agree with each other.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from dwlt.errors import FormatError, SpecError
from dwlt.results.records import (
    Accuracy,
    AttackOutcome,
    Best,
    Corrupted,
    EvaluateResult,
    Layer,
    Notice,
    Origin,
    PretrainResult,
    PruneResult,
    Run,
    RunRef,
    Score,
    SearchRef,
    SweepPoint,
    TaskInfo,
    TransferResult,
)
from dwlt.units import parse_fraction

FORMAT = "dwlt-result"
VERSION = 1


class Fields:
    """Typed access to a JSON object; every refusal names the dotted key."""

    def __init__(self, value: object, at: str = "") -> None:
        if not isinstance(value, dict):
            raise FormatError(f"{at or 'the file'} is not a JSON object")
        self.raw: Mapping[str, object] = value
        self._at = at

    def _name(self, key: str) -> str:
        return f"{self._at}.{key}" if self._at else key

    def _get(self, key: str) -> object:
        if key not in self.raw:
            raise FormatError(f"{self._name(key)} is missing")
        return self.raw[key]

    def text(self, key: str, *, empty: bool = False) -> str:
        value = self._get(key)
        if not isinstance(value, str) or (not value and not empty):
            raise FormatError(f"{self._name(key)} is not a text")
        return value

    def text_or_none(self, key: str) -> str | None:
        return None if self.raw.get(key) is None else self.text(key)

    def integer(self, key: str, *, low: int = 0, high: int | None = None) -> int:
        value = self._get(key)
        if not isinstance(value, int) or isinstance(value, bool):
            raise FormatError(f"{self._name(key)} is not a whole number")
        if value < low or (high is not None and value > high):
            raise FormatError(f"{self._name(key)} = {value} is out of range")
        return value

    def number(self, key: str, *, low: float = 0.0, high: float = math.inf) -> float:
        value = self._get(key)
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise FormatError(f"{self._name(key)} is not a number")
        if not (math.isfinite(value) and low <= value <= high):
            raise FormatError(f"{self._name(key)} = {value} is out of range")
        return float(value)

    def child(self, key: str) -> Fields:
        return Fields(self._get(key), self._name(key))

    def child_or_none(self, key: str) -> Fields | None:
        return None if self.raw.get(key) is None else self.child(key)

    def items(self, key: str) -> list[object]:
        value = self._get(key)
        if not isinstance(value, list):
            raise FormatError(f"{self._name(key)} is not a list")
        return value

    def children(self, key: str) -> list[Fields]:
        return [Fields(item, f"{self._name(key)}[{i}]") for i, item in enumerate(self.items(key))]


def read_json(blob: bytes) -> Fields:
    """Parse the bytes of a result file and check that it is one of ours.

    Raises:
        FormatError: not JSON, not a dwlt result, or written in a version this one cannot read.
    """
    try:
        fields = Fields(json.loads(blob))
    except (ValueError, RecursionError) as error:
        raise FormatError(f"not readable as JSON ({error})") from None
    if fields.raw.get("format") != FORMAT:
        raise FormatError(f"not a {FORMAT} file (format = {fields.raw.get('format')!r})")
    if fields.raw.get("version") != VERSION:
        found = fields.raw.get("version")
        raise FormatError(f"result version {found!r}; this dwlt reads {VERSION}")
    return fields


def _accuracy(fields: Fields) -> Accuracy:
    n = fields.integer("n", low=1)
    accuracy = Accuracy(fields.integer("correct", high=n), n)
    if abs(fields.number("value", high=1.0) - accuracy.value) > 1e-6:
        raise FormatError("an accuracy's value is not its correct / n")
    return accuracy


def _score(fields: Fields) -> Score:
    ra = fields.child_or_none("ra")
    attack = fields.text_or_none("attack")
    if ra is not None and attack is None:
        raise FormatError("a robust accuracy without the name of its attack")
    return Score(_accuracy(fields.child("sa")), None if ra is None else _accuracy(ra), attack)


def _best(fields: Fields) -> Best:
    return Best(
        fields.integer("epoch"), _score(fields.child("validation")), _score(fields.child("test"))
    )


def _pretrained(fields: Fields) -> RunRef:
    """The pre-training of a result; weights given as a file are named by their digest."""
    child = fields.child("pretrain")
    named = child.text_or_none("id")
    return RunRef(
        id=named or fields.text("weights").partition(":")[2][:8] or "unknown",
        name=child.text("name"),
        regime=child.text("regime"),
    )


def _rewind(fields: Fields) -> str | int:
    """What rounds start from; files from before there was a choice mean the pre-trained weights."""
    value = fields.raw.get("rewind")
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    if value is None or isinstance(value, str):
        return fields.text_or_none("rewind") or "pretrained"
    return fields.integer("rewind")


def _origin(fields: Fields) -> Origin | None:
    of = fields.child_or_none("of")
    return None if of is None else Origin(of.text("id"), of.text("name"))


def _search(fields: Fields) -> SearchRef:
    """The prune run that a transfer names."""
    return SearchRef(
        id=fields.text("id"),
        name=fields.text("name"),
        regime=fields.text("regime"),
        method=fields.text("method"),
        rewind=_rewind(fields),
        of=_origin(fields),
        task=fields.text_or_none("task"),
    )


def _counts(fields: Fields) -> tuple[int, int, int, tuple[Layer, ...]]:
    """round, kept, total and the layers, which have to add up."""
    total = fields.integer("total", low=1)
    kept = fields.integer("kept", high=total)
    number = fields.integer("round")
    layers = []
    for child in fields.children("layers"):
        size = child.integer("total")
        layers.append(Layer(child.text("name"), child.integer("kept", high=size), size))
    if layers and (sum(x.kept for x in layers), sum(x.total for x in layers)) != (kept, total):
        raise FormatError("the layers' counts do not add up to kept / total")
    if number == 0 and kept != total:
        raise FormatError(f"round 0 is the dense network, but keeps {kept} of {total}")
    return number, kept, total, tuple(layers)


def _task(fields: Fields) -> TaskInfo:
    n = fields.child("n")
    shape = [side for side in fields.items("shape") if isinstance(side, int)]
    notes = fields.items("notes") if "notes" in fields.raw else []
    return TaskInfo(
        name=fields.text("name"),
        classes=tuple(str(name) for name in fields.items("classes")),
        shape=tuple(shape),
        train=n.integer("train"),
        validation=n.integer("validation"),
        test=n.integer("test"),
        fingerprint=fields.text("fingerprint", empty=True),
        notes=tuple(str(note) for note in notes),
    )


def _run(fields: Fields, stage: str, folder: str, *, part: str = "") -> Run:
    """What every result has; ``part`` is the part of the run that its flags are about."""
    if fields.text("stage") != stage:
        raise FormatError(f"a {fields.text('stage')} result in the folder of {stage} runs")
    flags = tuple(
        Notice(f"{folder}{part}", child.text("code"), child.text("text"))
        for child in fields.children("flags")
    )
    return Run(
        stage=stage,
        id=fields.text("id"),
        name=fields.text("name"),
        folder=folder,
        task=_task(fields.child("task")),
        spec=fields.child("spec").raw,
        flags=flags,
        environment={k: str(v) for k, v in fields.child("environment").raw.items()},
        seconds=fields.number("seconds"),
        finished=fields.text("finished"),
    )


def pretrain(fields: Fields, folder: str) -> PretrainResult:
    """A pre-training result; FormatError where a key is missing or wrong."""
    return PretrainResult(
        run=_run(fields, "pretrain", folder),
        regime=fields.text("regime"),
        seed=fields.integer("seed"),
        weights=fields.text("weights"),
        validation=_score(fields.child("validation")),
        test=_score(fields.child("test")),
    )


def prune(fields: Fields, folder: str) -> PruneResult:
    """One round of a prune run; FormatError where a key is missing or wrong."""
    number, kept, total, layers = _counts(fields)
    run = _run(fields, "prune", folder, part=f"/round-{number:02d}")
    search = fields.child_or_none("search")
    return PruneResult(
        run=run,
        round=number,
        kept=kept,
        total=total,
        rate=fields.number("rate", high=1.0),
        seed=fields.integer("seed"),
        mask=fields.text("mask"),
        weights=fields.text("weights"),
        pretrain=_pretrained(fields),
        prune=SearchRef(
            run.id,
            run.name,
            fields.text("regime"),
            fields.text("method"),
            _rewind(fields),
            _origin(fields),
            run.task.name,
        ),
        layers=layers,
        search=None if search is None else _score(search.child("validation")),
    )


def transfer(fields: Fields, folder: str) -> TransferResult:
    """A transfer result; FormatError where a key is missing or wrong."""
    number, kept, total, layers = _counts(fields)
    best_ra = fields.child_or_none("best_ra")
    return TransferResult(
        run=_run(fields, "transfer", folder),
        round=number,
        kept=kept,
        total=total,
        regime=fields.text("regime"),
        seed=fields.integer("seed"),
        fraction=fields.number("fraction", high=1.0),
        mask=fields.text("mask"),
        weights=fields.text("weights"),
        layers=layers,
        pretrain=_pretrained(fields),
        prune=_search(fields.child("prune")),
        best_sa=_best(fields.child("best_sa")),
        best_ra=None if best_ra is None else _best(best_ra),
    )


def evaluate(fields: Fields, folder: str) -> EvaluateResult:
    """An evaluation result; FormatError where a key is missing or wrong."""
    starts = fields.child_or_none("starts")
    corrupted = fields.child_or_none("corruptions")
    return EvaluateResult(
        run=_run(fields, "evaluate", folder),
        model=fields.text("model"),
        test=_score(fields.child("test")),
        weights=fields.text_or_none("weights"),
        laid_on=None if starts is None else starts.text_or_none("mask"),
        robust=_outcomes(fields),
        mask=fields.text_or_none("mask"),
        source=fields.text_or_none("from"),
        images=fields.text_or_none("images"),
        attacks=tuple(_outcome(child) for child in _optional(fields, "attacks")),
        sweep=tuple(_point(child) for child in _optional(fields, "sweep")),
        corruptions=tuple(
            Corrupted(
                child.text("name"),
                child.integer("severity", low=1, high=5),
                _accuracy(child.child("sa")),
            )
            for child in ([] if corrupted is None else corrupted.children("rows"))
        ),
    )


def _optional(fields: Fields, key: str) -> list[Fields]:
    return [] if fields.raw.get(key) is None else fields.children(key)


def _outcome(fields: Fields) -> AttackOutcome:
    tried = fields.integer("tried")
    return AttackOutcome(
        name=fields.text("name"),
        tried=tried,
        fooled=fields.integer("fooled", high=tried),
        after=_accuracy(fields.child("ra")),
    )


def _point(fields: Fields) -> SweepPoint:
    eps, ra = fields.text("eps"), fields.child("ra")
    try:
        parse_fraction(eps)
    except SpecError as error:
        raise FormatError(f"an eps of the sweep is no number: {eps!r}") from error
    return SweepPoint(eps, _accuracy(ra), ra.number("low", high=1.0), ra.number("high", high=1.0))


def _outcomes(fields: Fields) -> dict[int, bool]:
    """Which images held, by number; nothing where they are not told apart one by one."""
    samples = fields.child_or_none("samples")
    if samples is None or not samples.raw.get("robust"):
        return {}
    ids, robust = samples.items("ids"), samples.items("robust")
    if len(ids) != len(robust):
        raise FormatError("samples.ids and samples.robust are not equally long")
    return {
        number: bool(held)
        for number, held in zip(ids, robust, strict=True)
        if isinstance(number, int)
    }
