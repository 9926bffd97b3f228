"""The page: complete, escaped, and sufficient to itself."""

from __future__ import annotations

import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from dwlt.errors import UserError
from dwlt.masks.overlaps import mask_overlaps
from dwlt.report import ReportPaths, assess, collect, write_report
from dwlt.report.page import render
from tests.report.grid import make_grid
from tests.report.make import PAPER, Maker

HOSTILE = "<script>alert('x')</script>\"><img src=http://evil.example/x onerror=alert(1)>"


class Reader(HTMLParser):
    """Tags, attributes and text of a page; unbalanced tags are an error."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, key, value or "") for key, value in attrs]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, key, value or "") for key, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def values(self, name: str) -> list[str]:
        return [value for _, key, value in self.attributes if key == name]


def page_of(make: Maker) -> str:
    return render(assess(collect(make.root), settings=PAPER))


def test_structure(study: Maker) -> None:
    page = Reader(page_of(study))
    assert page.tags["h1"] == page.tags["main"] == page.tags["title"] == 1
    assert page.tags["caption"] == page.tags["table"] >= 4
    assert page.tags["svg"] == 4
    assert page.tags["script"] == page.tags["img"] == page.tags["link"] == page.tags["iframe"] == 0
    assert len(page.values("id")) == len(set(page.values("id")))
    scopes = set(page.values("scope"))
    assert scopes == {"col", "row", "colgroup"}


def test_no_external_reference(study: Maker) -> None:
    text = page_of(study)
    assert "http:" not in text
    assert "https:" not in text
    assert "@import" not in text
    page = Reader(text)
    known = set(page.values("id"))
    for value in page.values("href") + page.values("src"):
        assert value.startswith("#")
        assert value[1:] in known
    assert set(re.findall(r"url\(([^)]*)\)", text)) <= {f"#{name}" for name in known}


def test_the_pictures_use_the_pages_colours(study: Maker) -> None:
    text = page_of(study)
    drawn = text[text.index("<svg") :]
    drawn = drawn[: drawn.rindex("</svg>")]
    assert '<g class="standard">' in drawn
    assert '<g class="adversarial">' in drawn
    # A fixed colour would be wrong in one of light and dark.
    assert re.findall(r"#[0-9a-f]{3,6}\b", drawn) == []


def test_pictures_have_words(study: Maker) -> None:
    labels = [label for label in Reader(page_of(study)).values("aria-label") if "SA, " in label]
    assert len(labels) == 2
    assert "89.30%: 94.00 ± 1.00" in labels[0]


def test_verdicts_are_words(study: Maker) -> None:
    text = page_of(study)
    for word in ("the extreme sparsity", ">double-win<", ">not<", ">incomplete<", ">dense<"):
        assert word in text
    assert "falls short" in text
    assert "ticket: no adversarial transfer" in text


def test_numbers_and_protocol_are_there(study: Maker) -> None:
    text = page_of(study)
    for piece in (
        "96.50%",
        ">undecided<",
        "94.00 ± 1.00",
        "n = 100 test images",
        "pgd-20 linf 8/255",
        "538 training, 134 validation, 224 test",
        "2.15.0",
        "Test CPU",
        "train.epochs",
        "transfer/digits-",
        "conv2.weight",
    ):
        assert piece in text, piece


def test_hostile_text_is_shown_and_not_run(make: Maker) -> None:
    ref = {"id": HOSTILE, "name": HOSTILE, "regime": HOSTILE}
    prune = ref | {"method": HOSTILE}
    common = make.common("transfer", HOSTILE, HOSTILE)
    layers = [{"name": HOSTILE, "kept": 262, "total": 1000}]
    for number, kept in ((0, 1000), (6, 262)):
        for regime in ("standard", "adversarial"):
            make.cell(
                number,
                regime,
                90,
                40,
                pretrain=ref,
                prune=prune,
                task=common["task"]
                | {"name": HOSTILE, "classes": [HOSTILE], "fingerprint": HOSTILE},
                attack=HOSTILE,
                spec={HOSTILE: {HOSTILE: [HOSTILE]}, "score": {"attack": {HOSTILE: HOSTILE}}},
                environment={"cpu": HOSTILE, HOSTILE: HOSTILE},
                flags=[{"code": HOSTILE, "text": HOSTILE}],
                finished=HOSTILE,
                layers=[layers[0] | {"kept": kept}],
            )
    make.write("transfer/bad-00000000/result.json", {"format": HOSTILE})
    text = page_of(make)
    page = Reader(text)
    assert page.tags["script"] == page.tags["img"] == 0
    assert not any(key.startswith("on") for _, key, _ in page.attributes)
    assert "&lt;script&gt;" in text
    paths = write_report(make.root, make.root.parent / "out", figures=True)
    assert all(path.parent.name == "figures" for path in paths.figures)
    assert all(re.fullmatch(r"[a-z0-9.-]{1,95}", path.name) for path in paths.figures)


def test_hostile_names_of_searches_and_controls_are_shown_and_not_run(make: Maker) -> None:
    start = {"id": "0", "name": HOSTILE, "regime": HOSTILE}
    imp = {"id": "1", "name": HOSTILE, "method": "imp", "regime": HOSTILE, "rewind": HOSTILE}
    imp |= {"task": HOSTILE}
    control: dict[str, Any] = {"id": "2", "name": HOSTILE, "method": HOSTILE, "regime": "none"}
    control |= {"of": {"id": "1", "name": HOSTILE}}
    for fraction in (1.0, 0.1):
        over: dict[str, Any] = {"pretrain": start, "fraction": fraction}
        for number, search in ((0, imp), (6, imp), (6, control)):
            salt = f"{search['id']} {fraction}"
            make.network(number, ([90], [20], [85], [50]), prune=search, salt=salt, **over)
    text = page_of(make)
    page = Reader(text)
    assert page.tags["script"] == page.tags["img"] == 0
    assert not any(key.startswith("on") for _, key, _ in page.attributes)
    assert "Tickets against controls" in text
    assert "Data efficiency" in text


@pytest.fixture(scope="module")
def grid_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Three pre-trainings, one task, two fractions, controls at two rounds: 360 transfers."""
    root = tmp_path_factory.mktemp("grid") / "runs"
    root.mkdir()
    make_grid(Maker(root), tasks=("cifar10",), rounds=(0, 6, 10), control_rounds=(6, 10))
    data = collect(root)
    return render(assess(data, mask_overlaps(root, data), PAPER))


def test_a_large_grid_is_folded_and_stays_reachable(grid_page: str) -> None:
    page = Reader(grid_page)
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    links = [value for value in page.values("href") if value.startswith("#group-")]
    assert len(links) == 6
    assert {link[1:] for link in links} <= set(ids)
    # Six groups and the two fractions' curves, four panels each; none for the 30 controls.
    assert page.tags["svg"] == 6 * 4 + 4
    assert "All 30 groups of controls" in grid_page
    opened = [value for tag, key, value in page.attributes if (tag, key) == ("details", "open")]
    assert opened == []
    assert page.tags["caption"] == page.tags["table"]


def test_a_large_grid_has_every_section_and_loads_nothing(grid_page: str) -> None:
    for title in (
        *("Extreme sparsity under PGD-20", "Data efficiency", "Tickets against controls"),
        *("Verdicts", "Every rule"),
        *("Overlap of tickets of different searches", "Density of each layer"),
        "Flags and warnings",
    ):
        assert f">{title}</h" in grid_page, title
    assert "http:" not in grid_page
    drawn = grid_page[grid_page.index("<svg") :]
    drawn = drawn[: drawn.rindex("</svg>")]
    assert '<g class="fast">' in drawn


def test_many_flags_of_one_kind_are_folded(make: Maker) -> None:
    for number in (1, 3, 6, 10, 15):
        flag = {"code": "catastrophic-overfitting", "text": f"epoch {number}"}
        make.prune(number, flags=[flag])
    text = page_of(make)
    assert "<summary>catastrophic-overfitting: 5</summary>" in text
    assert "Flags and warnings (5)" in text


def test_flags_that_scoring_raises_are_shown_as_they_are(make: Maker) -> None:
    codes = ("probabilities", "doubly-normalised", "zero-gradient")
    make.pretrain(flags=[{"code": code, "text": f"said of {code}"} for code in codes])
    text = page_of(make)
    for code in codes:
        assert f"<strong>{code}</strong> · said of {code}" in text


def test_a_collapsed_layer_is_named(make: Maker) -> None:
    layers = [
        {"name": "conv1.weight", "kept": 262, "total": 600},
        {"name": "conv2.weight", "kept": 0, "total": 400},
    ]
    make.cell(6, "standard", 90, 40, layers=layers)
    text = page_of(make)
    assert 'class="gone"' in text
    assert "nothing is kept</span>" in text
    assert "nothing is kept in conv2.weight" in text
    assert "collapsed-layer" in text


def test_an_empty_folder_still_gives_a_page(make: Maker) -> None:
    text = page_of(make)
    Reader(text)
    assert "No transfers yet" in text


def test_warnings_and_unfinished_runs_are_on_the_page(make: Maker) -> None:
    make.write("transfer/digits-00000001/spec.toml", "")
    make.write("transfer/digits-00000002/result.json", {})
    text = page_of(make)
    assert "transfer/digits-00000001" in text
    assert "transfer/digits-00000002/result.json" in text


def test_everything_is_written(written: ReportPaths, study_runs: Path) -> None:
    out = written.page.parent
    names = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    assert [name for name in names if "/" not in name] == [
        "headline.csv",
        "report.csv",
        "report.html",
        "report.json",
    ]
    assert len(written.figures) == 6
    assert all(path.stat().st_size > 0 for path in written.figures)
    assert len(names) == 10
    assert json.loads(written.json.read_text(encoding="utf-8"))["groups"]
    assert written.data.groups[0].extreme is not None
    assert written.data.settings == PAPER
    # Writing again changes nothing: every file is a function of the results alone.
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    write_report(study_runs, out, PAPER, figures=True)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_no_runs_folder_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        write_report(tmp_path / "none", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_notes_about_the_data_are_on_the_page(make: Maker) -> None:
    task = make.common("transfer", "x", "y")["task"]
    make.cell(6, "standard", 90, 40, task=task | {"notes": ["a quarter is held out"]})
    assert "a quarter is held out" in page_of(make)
