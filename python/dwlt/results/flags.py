"""Everything that a result or a report can warn of: one entry per code, with values and a text.

Whoever raises a flag gives its code and values; the text is made of them here, once, and nobody
reads values back out of a text. A new flag is a new entry in ``FLAGS``.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic.dataclasses import dataclass as model

from dwlt.errors import DwltError
from dwlt.results.base import NARROW, Text

Value = str | int | float | tuple[str, ...]
Severity = Literal["note", "warning"]


@dataclass(frozen=True, slots=True)
class FlagKind:
    """What a code stands for.

    Attributes:
        severity: "warning" where a number may be wrong or mean less than it seems to; "note"
            where something is only left out or set apart.
        template: the sentence, with its values in braces as ``str.format`` has them. A list is
            shown with commas; ``:count`` shows how many it holds, ``:plural`` an "s" for several.
    """

    severity: Severity
    template: str

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the values that the sentence is made of."""
        named = (name for _, name, _, _ in string.Formatter().parse(self.template) if name)
        return tuple(dict.fromkeys(named))


def _warning(template: str) -> FlagKind:
    return FlagKind("warning", template)


def _note(template: str) -> FlagKind:
    return FlagKind("note", template)


FLAGS: dict[str, FlagKind] = {
    # Of one scoring.
    "probabilities": _warning(
        "the model's outputs sum to 1: they look like probabilities, not logits, "
        "which hides gradients from attacks and can make RA too high"
    ),
    "zero-gradient": _warning(
        "the attack met a gradient of exactly zero on {blind} of {n} samples and "
        "could not search there: RA may be too high"
    ),
    "unsteady": _warning(
        "{wavering} of {n} samples changed sides when their final example was scored "
        "again, and count as fooled: the model is random, or they sit on the boundary"
    ),
    "square-stronger": _warning(
        "Square, which uses no gradients, fooled {fooled} of {n} samples that the "
        "gradient attacks had not: gradients may be masked, and RA too high even so"
    ),
    "ra-rises": _warning(
        "RA rises from {before:.1%} at eps {small} to {after:.1%} at "
        "eps {large}: the attack fails at the larger radius, and RA is too high"
    ),
    "robust-at-any-eps": _warning(
        "RA is {ra:.1%} at eps {eps}, where every image is within reach: the "
        "attack does not find what must be there, and RA is too high at every eps"
    ),
    "normalised-twice": _warning(
        "the network normalises its inputs in {layers:count} places "
        "({layers}); dwlt's own layer comes first, so the others get images "
        "that are normalised already"
    ),
    "random-model": _warning(
        "the model gives other outputs for the same images: it is random, and one look "
        "at an adversarial example is not enough"
    ),
    "input-scale": _warning(
        "the first BatchNorm layer meets {ratio:.2g} times the variance that it was "
        "trained on: images may be normalised twice, not at all, or be of another kind"
    ),
    "not-standard": _note(
        "APGD-T needs four classes and this model tells {classes} apart: "
        "{attacks} were run. This is not the standard AutoAttack, and its RA "
        "does not compare with published ones"
    ),
    "prefilter": _note(
        "a PGD of dwlt's own went before AutoAttack and took samples from it: RA is "
        "the worst case over both, which the standard protocol does not have"
    ),
    # Of one training.
    "catastrophic-overfitting": _warning(
        "epoch {epoch}: {one_step:.0%} of held-out samples hold against one step but only "
        "{multi_step:.0%} against {attack} (n={n}), a sign of catastrophic "
        "overfitting; use a random start, a smaller step or eps, or regime 'adversarial'"
    ),
    # Of one search.
    "small-part": _warning(
        "only {share:.1%} of the network's {parameters:,} parameters are prunable ({kinds}): "
        "sparsity is that of this part"
    ),
    # Of results side by side.
    "ra-above-sa": _warning(
        "{what}: RA {ra:.2%} is above SA {sa:.2%}, "
        "which no attack that starts at the clean image can give"
    ),
    "few-seeds": _note(
        "round{rounds:plural} {rounds}: {fewest} of the {wanted} "
        "seeds or more that a spread should stand on"
    ),
    "dense-at-floor": _warning(
        "{number} of the dense network after {regime} transfer is "
        "{mean:.2%}, within three errors of {floor}: that a ticket "
        "matches it says nothing"
    ),
    "weak-attack-stronger": _warning(
        "RA {strong_ra:.2%} under {strong} is above "
        "{weak_ra:.2%} under the weaker {weak} ({weak_run}), n = "
        "{n}: the stronger attack does not work on this network"
    ),
    "collapsed-layer": _warning("round {round} ({sparsity}): nothing is kept in {layers}"),
    # Of what a report left out or set apart.
    "repeated-cell": _note("the same transfer as {other}, with another result: left out"),
    "mixed-settings": _note("{what} than {others}: left out"),
    "other-regime": _note("{regime} transfer, which no verdict is about: left out"),
    "split-measure": _note(
        "measured in {ways} ways that cannot be compared, shown apart ({listed})"
    ),
    "masks-left-out": _note(
        "masks of the first {most} searches are compared; not those of {searches}"
    ),
    "outcomes-missing": _note(
        "not there: the transfer is known by its counts, and not image by image"
    ),
    "outcomes-changed": _warning(
        "holds other outcomes than its result names ({digest}): counts are used"
    ),
    "mask-missing": _note("not there: left out of the overlaps"),
    "mask-changed": _warning(
        "holds other masks than its result names ({mask}): left out of the overlaps"
    ),
    "masks-differ": _note("cannot be compared with {other}: {error}"),
    "unreadable": _warning("{error}"),
    "foreign": _note("not the name of a run folder (NAME-ID8): left out"),
}


class _Sentence(string.Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, tuple):
            shown = {"": ", ".join(value), "count": str(len(value))}
            return "s" * (len(value) > 1) if format_spec == "plural" else shown[format_spec]
        return str(super().format_field(value, format_spec))


def sentence(code: str, values: Mapping[str, Value]) -> str:
    """The text of a flag.

    Raises:
        DwltError: the code is not in ``FLAGS``, or the values are not those of its entry.
    """
    kind = FLAGS.get(code)
    if kind is None or set(kind.fields) != set(values):
        wanted = "none" if kind is None else ", ".join(kind.fields) or "none"
        raise DwltError(f"flag {code!r} with values {sorted(values)}; its entry has {wanted}")
    return _Sentence().format(kind.template, **values)


@model(frozen=True, slots=True, config=NARROW)
class Flag:
    """Something about a number that its reader must know.

    Attributes:
        code: stable, for programs.
        text: a sentence.
        values: what the sentence says, by name; empty in files that hold only the sentence.
    """

    code: Text
    text: Text
    values: Mapping[str, str | int | float | tuple[str, ...]] = field(
        default_factory=dict, hash=False
    )

    @property
    def severity(self) -> Severity:
        """As the code's entry has it; codes of other versions are warnings."""
        kind = FLAGS.get(self.code)
        return "warning" if kind is None else kind.severity


def flag(code: str, **values: Value) -> Flag:
    """A flag with its text.

    Raises:
        DwltError: as ``sentence``.
    """
    return Flag(code, sentence(code, values), values)


@dataclass(frozen=True, slots=True, order=True)
class Notice:
    """A flag with the place that it is about: a run, file or group.

    Both flags (about results) and warnings (about files) of a report are notices.
    """

    where: str
    code: str
    text: str
    values: Mapping[str, Value] = field(default_factory=dict, compare=False)

    @property
    def severity(self) -> Severity:
        """As the code's entry has it."""
        return Flag(self.code, self.text).severity


def notice(where: str, code: str, **values: Value) -> Notice:
    """A notice with its text.

    Raises:
        DwltError: as ``sentence``.
    """
    return Notice(where, code, sentence(code, values), values)


def texts(items: Sequence[object]) -> tuple[str, ...]:
    """A list as flags hold it."""
    return tuple(str(item) for item in items)
