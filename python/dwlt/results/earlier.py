"""What earlier versions left unsaid in their result files, derived from what these do say.

Works on the values as they stand in the file, before they are checked: anything that is not what
it should be is left for the models to refuse.
"""

from __future__ import annotations

import re
from typing import Any

from pydantic import ValidationError

from dwlt.errors import SpecError
from dwlt.results.attack import AttackId
from dwlt.spec import AttackSpec
from dwlt.units import parse_fraction

Json = dict[str, Any]

_GRADIENT = re.compile(r"(fgsm|pgd-([1-9][0-9]*))(?: x([1-9][0-9]*))? (\S+) (\S+)")
_SUITE = re.compile(r"(?:(fgsm|pgd-[1-9][0-9]*)\+)?(autoattack|[a-z-]+(?:\+[a-z-]+)*) (\S+) (\S+)")
_TRANSFERRED = ", transferred"
_OURS = ("apgd-ce", "apgd-t", "fab-t", "square")


def complete(value: Json) -> Json:
    """A result's values with the keys that its version did not have."""
    filled = dict(value)
    pretrain, weights = value.get("pretrain"), value.get("weights")
    if isinstance(pretrain, dict) and pretrain.get("id") is None and isinstance(weights, str):
        # Weights that were given as a file are named by their digest.
        filled["pretrain"] = pretrain | {"id": weights.partition(":")[2][:8] or "unknown"}
    for key in ("rewind", "starts"):
        if key in filled and filled[key] is None:
            del filled[key]
    prune = value.get("prune")
    if isinstance(prune, dict) and prune.get("rewind", "") is None:
        filled["prune"] = {key: said for key, said in prune.items() if key != "rewind"}
    identify = _Identify(value)
    for key in ("validation", "test"):
        filled |= _scored(filled, key, identify)
    for key in ("best_sa", "best_ra", "search"):
        outer = filled.get(key)
        if isinstance(outer, dict):
            for inner in ("validation", "test"):
                outer = outer | _scored(outer, inner, identify)
            filled[key] = outer
    return filled


def _scored(holder: Json, key: str, identify: _Identify) -> Json:
    """A score that names an attack by its label alone, with the attack's values beside it."""
    score = holder.get(key)
    if not isinstance(score, dict):
        return {}
    said = score.get("attack")
    if not isinstance(said, str) or not said or score.get("attack_id") is not None:
        return {}
    found = identify(said)
    return {key: score | {"attack": found.label, "attack_id": found}}


class _Identify:
    """From a label to an attack's values, by the settings in the same file."""

    def __init__(self, value: Json) -> None:
        spec = value.get("spec")
        self._spec: Json = spec if isinstance(spec, dict) else {}
        starts = value.get("starts")
        self._starts: Json = starts if isinstance(starts, dict) else {}
        attacks = value.get("attacks")
        self._run = [
            one.get("name")
            for one in (attacks if isinstance(attacks, list) else [])
            if isinstance(one, dict)
        ]
        self._setting = self._read_setting()
        self._known: dict[str, AttackId] = {}

    def __call__(self, label: str) -> AttackId:
        if label not in self._known:
            self._known[label] = self._of(label)
        return self._known[label]

    def _read_setting(self) -> AttackSpec | None:
        score = self._spec.get("score")
        attack = score.get("attack") if isinstance(score, dict) else None
        # What is left out could have had any value: only spelled-out settings are believed.
        needed = {"norm", "eps", "step", "steps", "random_start", "restarts", "iterate"}
        if not isinstance(attack, dict) or not needed <= attack.keys():
            return None
        try:
            return AttackSpec(**{key: attack[key] for key in needed})
        except (ValidationError, TypeError):
            return None

    def _of(self, label: str) -> AttackId:
        transferred = label.endswith(_TRANSFERRED)
        made_on = str(self._starts.get("from", "unknown")) if transferred else None
        plain = label.removesuffix(_TRANSFERRED)
        setting = self._setting
        if setting is not None and plain in (setting.label, _earlier_label(setting)):
            return AttackId.of(setting, made_on=made_on)
        try:
            return self._gradient(plain, made_on) or self._suite(plain) or _named(label)
        except ValidationError:
            return _named(label)

    def _gradient(self, label: str, made_on: str | None) -> AttackId | None:
        match = _GRADIENT.fullmatch(label)
        if match is None or not _is_radius(match[5]):
            return None
        # "fgsm" was what any single step was called, whatever it started from.
        return AttackId(
            kind="gradient",
            norm=match[4],
            eps=match[5],
            steps=int(match[2] or 1),
            restarts=int(match[3] or 1),
            made_on=made_on,
        )

    def _suite(self, label: str) -> AttackId | None:
        match = _SUITE.fullmatch(label)
        if match is None or not _is_radius(match[4]):
            return None
        parts = tuple(match[2].split("+")) if match[2] != "autoattack" else _OURS
        if not set(parts) <= set(_OURS):
            return None
        ran = tuple(name for name in self._run if name in _OURS)
        before = None
        if match[1] is not None:
            setting = self._setting
            known = setting is not None and _earlier_label(setting).split()[0] == match[1]
            before = (
                AttackId.of(setting)
                if known and setting is not None
                else self._gradient(f"{match[1]} {match[3]} {match[4]}", None)
            )
        return AttackId(
            kind="autoattack",
            norm=match[3],
            eps=match[4],
            parts=ran if set(ran) == set(parts) else parts,
            before=before,
        )


def _earlier_label(attack: AttackSpec) -> str:
    """The label that earlier versions gave, which left out step, iterate and random start."""
    kind = "fgsm" if attack.steps == 1 else f"pgd-{attack.steps}"
    times = f" x{attack.restarts}" if attack.restarts > 1 else ""
    return f"{kind}{times} {attack.norm} {attack.eps}"


def _named(label: str) -> AttackId:
    return AttackId(kind="other", name=label)


def _is_radius(text: str) -> bool:
    try:
        parse_fraction(text)
    except SpecError:
        return False
    return True
