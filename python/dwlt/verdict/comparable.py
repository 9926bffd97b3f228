"""Which transfers were made and measured alike, and what is left out where some were not."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TypeVar

from dwlt.results import AttackId, Notice, TransferResult, notice
from dwlt.units import parse_fraction

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class Measure:
    """How a cell was measured; cells that differ in any of it are never averaged together.

    Attributes:
        attack: the attack's label, which is shown and not compared: 8/255 and 16/510 are one eps.
        attack_spec: the attack's values as JSON, with radii as reduced fractions; "{}" without one.
    """

    classes: tuple[str, ...]
    fingerprint: str
    sa_n: int
    ra_n: int | None
    attack: str | None = field(compare=False)
    attack_spec: str

    @property
    def text(self) -> str:
        return f"{self.attack or 'no attack'}, n = {self.sa_n}, data {self.fingerprint[:16]}"


def newest(cells: Sequence[TransferResult], notices: list[Notice]) -> TransferResult:
    """One run per seed: the latest, with a notice when the others say something else."""
    ordered = sorted(cells, key=lambda cell: (cell.run.finished, cell.run.id))
    chosen = ordered[-1]
    notices += [
        notice(cell.run.label, "repeated-cell", other=chosen.run.label)
        for cell in ordered[:-1]
        if (cell.best_sa.test, cell.best_ra) != (chosen.best_sa.test, chosen.best_ra)
    ]
    return chosen


def keep_most_common(
    cells: Sequence[TransferResult],
    key: Callable[[TransferResult], str],
    what: str,
    notices: list[Notice],
) -> list[TransferResult]:
    """Keep the cells that agree on ``key``: the most, or of equally many the latest."""
    alike = by(cells, key)
    if len(alike) < 2:
        return list(cells)
    best = max(alike, key=lambda k: (len(alike[k]), max(c.run.finished for c in alike[k]), k))
    notices += [
        notice(names(alike[other]), "mixed-settings", what=what, others=names(alike[best]))
        for other in sorted(alike)
        if other != best
    ]
    return alike[best]


def measures(cells: Sequence[TransferResult]) -> Callable[[TransferResult], Measure]:
    """How each cell was measured; one without RA joins the only way there is with RA."""
    own = {id(cell): _measure(cell) for cell in cells}

    def joined(cell: TransferResult) -> Measure:
        mine = own[id(cell)]
        if mine.attack is not None:
            return mine
        hosts = {
            way
            for way in own.values()
            if way.attack is not None
            and replace(way, attack_spec=mine.attack_spec, ra_n=None) == mine
        }
        return hosts.pop() if len(hosts) == 1 else mine

    return joined


def _measure(cell: TransferResult) -> Measure:
    ra = cell.accuracy("ra")
    sa = cell.best_sa.test.sa
    task = cell.run.task
    return Measure(
        classes=task.classes,
        fingerprint=task.fingerprint,
        sa_n=sa.n,
        ra_n=None if ra is None else ra.n,
        attack=cell.attack,
        attack_spec=_canonical({} if cell.attack_id is None else _values(cell.attack_id)),
    )


def _values(attack: AttackId) -> dict[str, object]:
    """What is known of an attack. One that is known by its name alone is held to that name."""
    values = {key: value for key, value in asdict(attack).items() if value not in (None, ())}
    radii = {key: str(parse_fraction(values[key])) for key in ("eps", "step") if key in values}
    return values | radii


def recipe(cell: TransferResult) -> str:
    """All settings but those that may differ inside a group, or that Measure is about."""
    apart = ("name", "seed", "round", "score")
    return _canonical({k: v for k, v in cell.run.spec.items() if k not in apart})


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True)


def order(way: Measure) -> tuple[str, str, int, str]:
    """A fixed order of ways to measure."""
    return (way.attack or "", way.fingerprint, way.sa_n, way.attack_spec)


def names(cells: Iterable[TransferResult]) -> str:
    """The run folders of cells, for a notice."""
    return ", ".join(sorted({cell.run.label for cell in cells}))


def by(
    cells: Iterable[TransferResult], key: Callable[[TransferResult], Key]
) -> dict[Key, list[TransferResult]]:
    """Cells by a key, in their order."""
    found: defaultdict[Key, list[TransferResult]] = defaultdict(list)
    for cell in cells:
        found[key(cell)].append(cell)
    return dict(found)
