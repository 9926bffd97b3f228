"""The protocol of a group on the page: data, seeds, attack, training settings, machine."""

from __future__ import annotations

from collections.abc import Mapping

from dwlt.report.html import Html, element
from dwlt.verdict.groups import REGIMES, Group, share

_LABELS = (
    ("dwlt", "dwlt"),
    ("torch", "PyTorch"),
    ("torchvision", "torchvision"),
    ("python", "Python"),
    ("platform", "system"),
    ("cpu", "processor"),
    ("cpus", "processors"),
    ("threads", "threads"),
    ("device", "device"),
)


def protocol_section(group: Group) -> Html:
    """A folded table of everything that decides the group's numbers, by transfer regime."""
    facts = [
        element(
            "tr",
            element("th", name, scope="row", class_="first l"),
            element("td", value, class_="l wrap"),
        )
        for name, value in _facts(group)
    ]
    return element(
        "details",
        element("summary", "Protocol"),
        element(
            "div",
            element(
                "table",
                element("caption", element("span", "Data, measurement and machine.")),
                element("tbody", *facts),
            ),
            class_="scroll",
            role="region",
            aria_label="Protocol",
            tabindex=0,
        ),
        _settings(group),
    )


def _facts(group: Group) -> list[tuple[str, str]]:
    task = group.task
    facts = [
        ("task", f"{task.name}: {len(task.classes)} classes ({_shorten(task.classes)})"),
        ("images", f"{task.train:,} training, {task.validation:,} validation, {task.test:,} test"),
        ("image shape", " × ".join(str(side) for side in task.shape)),
        *(("about the data", note) for note in task.notes),
        ("training data used", share(group.fraction)),
        ("data digest", task.fingerprint),
        ("RA", _attack(group)),
        ("selection", "best epoch by validation, one for SA and one for RA; test set read once"),
    ]
    for regime in REGIMES:
        seeds = sorted({seed for net in group.networks for seed in net.seeds(regime)})
        facts.append((f"seeds, {regime} transfer", ", ".join(map(str, seeds)) or "none yet"))
    return facts + _environment(group)


def _attack(group: Group) -> str:
    if group.attack is None:
        return "not measured"
    details = ", ".join(
        f"{key} {_plain(value)}" for key, value in sorted(group.attack_spec.items())
    )
    return f"{group.attack} ({details})" if details else group.attack


def _environment(group: Group) -> list[tuple[str, str]]:
    """Versions and machines; more than one of a kind are all listed."""
    facts = []
    for key, label in _LABELS:
        values = sorted({env[key] for env in group.environments if key in env})
        if values:
            facts.append((label, "; ".join(values)))
    seconds = sum(cell.run.seconds for cell in group.cells)
    said = f"{seconds / 60:,.1f} minutes in {len(group.cells)} transfers"
    return [*facts, ("computing time", said)]


def _settings(group: Group) -> Html:
    """Training settings side by side, one row per setting that any regime has."""
    columns: dict[str, dict[str, str]] = {}
    for regime in REGIMES:
        cell = next((cell for cell in group.cells if cell.regime == regime), None)
        columns[regime] = {} if cell is None else _flatten(cell.run.spec)
    keys = sorted({key for settings in columns.values() for key in settings})
    if not keys:
        return Html("")
    rows = [
        element(
            "tr",
            element("th", element("code", key), scope="row", class_="first l"),
            *(element("td", columns[regime].get(key, "–"), class_="l") for regime in REGIMES),
        )
        for key in keys
    ]
    head = [element("th", f"{regime} transfer", scope="col", class_="l") for regime in REGIMES]
    table = element(
        "table",
        element(
            "caption", element("span", "Settings of the transfers, apart from seed and round.")
        ),
        element(
            "thead", element("tr", element("th", "Setting", scope="col", class_="first"), *head)
        ),
        element("tbody", *rows),
    )
    return element("div", table, class_="scroll", role="region", aria_label="Settings", tabindex=0)


def _flatten(spec: Mapping[str, object], above: str = "") -> dict[str, str]:
    """Nested settings as dotted keys with plain text values."""
    flat: dict[str, str] = {}
    for key, value in spec.items():
        name = f"{above}{key}"
        if name in ("name", "seed", "round", "stage"):
            continue
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{name}.")
        else:
            flat[name] = _plain(value)
    return flat


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(_plain(item) for item in value) or "none"
    return "none" if value is None else str(value)


def _shorten(names: tuple[str, ...], most: int = 12) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
