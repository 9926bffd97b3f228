"""Every flag has a text, and its values are those that the text is made of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import dwlt
from dwlt.errors import DwltError
from dwlt.results import FLAGS, flag, notice
from dwlt.results.flags import Value, texts

SAMPLE: dict[str, Value] = {
    **dict.fromkeys(("layers", "attacks", "rounds", "searches"), ("one", "two")),
    **dict.fromkeys(("blind", "n", "wavering", "fooled", "classes", "epoch", "most", "ways"), 3),
    **dict.fromkeys(("fewest", "wanted", "round", "parameters"), 2),
    **dict.fromkeys(("before", "after", "ra", "sa", "mean", "one_step", "multi_step"), 0.25),
    **dict.fromkeys(("strong_ra", "weak_ra", "ratio", "share"), 0.5),
}


@pytest.mark.parametrize("code", sorted(FLAGS))
def test_every_flag_is_a_sentence(code: str) -> None:
    values = {name: SAMPLE.get(name, f"the {name}") for name in FLAGS[code].fields}
    found = flag(code, **values)
    assert found.values == values
    assert found.severity in ("note", "warning")
    assert "{" not in found.text
    for name, value in values.items():
        if isinstance(value, str):
            assert value in found.text, name
    assert notice("here", code, **values).text == found.text


def test_numbers_and_lists_are_shown_as_the_template_says() -> None:
    few = flag("few-seeds", rounds=texts((3,)), fewest=1, wanted=3)
    assert few.text.startswith("round 3: 1 of the 3 seeds")
    assert flag("few-seeds", rounds=texts((3, 6)), fewest=1, wanted=3).text.startswith(
        "rounds 3, 6"
    )
    twice = flag("normalised-twice", layers=("a", "b", "c"))
    assert "in 3 places (a, b, c)" in twice.text
    above = flag("ra-above-sa", what="test", ra=0.41236, sa=0.4)
    assert above.text.startswith("test: RA 41.24% is above SA 40.00%")


def test_a_flag_without_an_entry_or_with_other_values_is_refused() -> None:
    with pytest.raises(DwltError, match="no-such-flag"):
        flag("no-such-flag")
    with pytest.raises(DwltError, match=r"'mask-missing'.*'extra'.*none"):
        flag("mask-missing", extra=1)


def test_every_entry_is_raised_somewhere() -> None:
    root = Path(dwlt.__file__).parent
    code = "".join(
        path.read_text(encoding="utf-8")
        for path in root.rglob("*.py")
        if path != root / "results" / "flags.py"
    )
    unused = [name for name in FLAGS if not re.search(rf'"{name}"', code)]
    assert unused == []
