"""Pictures on the page: images, filters and curves; files that are damaged or not there."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dwlt.errors import FormatError
from dwlt.report import assess, collect
from dwlt.report.pictures import MASKED, as_png, curve_panels, gallery, sheet
from dwlt.results.pictures import Pictures, read_pictures, to_bytes
from tests.report.make import PAPER, Maker
from tests.report.test_verified import WIN


def some(*, change: int = 127) -> Pictures:
    """Two images of 1 x 1 pixel: one is fooled, one is not."""
    return Pictures(
        clean=np.array([[[[100]]], [[[250]]]], dtype=np.uint8),
        change=np.array([[[[change]]], [[[127]]]], dtype=np.int8),
        labels=np.array([0, 1]),
        before=np.array([0, 1]),
        after=np.array([1, 1]),
        filters=np.array([[[[1, 0]]], [[[-1, 0.5]]]], dtype=np.float32),
        largest=8 / 255,
        attack="pgd-20 linf 8/255",
        classes=("cat", "dog"),
    )


def line(epoch: int, sa: float | None) -> dict[str, object]:
    """An epoch of ``metrics.jsonl``."""
    share = None if sa is None else {"value": sa}
    validation = None if sa is None else {"sa": share, "ra": {"value": sa / 2}}
    return {"epoch": epoch, "loss": 2.0 / epoch, "validation": validation}


def keep(make: Maker) -> list[Path]:
    """Pictures and metrics beside each transfer; returns the run folders."""
    folders = sorted(path.parent for path in make.root.glob("transfer/*/result.json"))
    for folder in folders:
        (folder / "pictures.safetensors").write_bytes(to_bytes(some()))
        records = [line(epoch, 0.5 if epoch % 2 else None) for epoch in range(1, 10)]
        text = "".join(json.dumps(record) + "\n" for record in records)
        (folder / "metrics.jsonl").write_text(text, encoding="utf-8")
    return folders


def study_of(make: Maker) -> None:
    for number in (0, 3, 6):
        make.network(number, WIN)


def test_a_file_of_pictures_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "pictures.safetensors"
    path.write_bytes(to_bytes(some()))
    found = read_pictures(path)
    assert to_bytes(found) == path.read_bytes()
    # 100 + 8, and 250 + 8 is more than there is.
    assert found.attacked.ravel().tolist() == [108, 255]
    assert some(change=-64).attacked.ravel()[0] == 96


@pytest.mark.parametrize(
    "spoil",
    [
        {"after": np.array([2, 1])},
        {"before": np.array([0])},
        {"change": np.zeros((2, 1, 1, 2), np.int8)},
        {"labels": np.array([-1, 0])},
    ],
)
def test_what_describes_no_pictures_is_refused(spoil: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "pictures.safetensors"
    values = {name: getattr(some(), name) for name in Pictures.__slots__}
    path.write_bytes(to_bytes(Pictures(**{**values, **spoil})))
    with pytest.raises(FormatError, match=r"pictures\.safetensors"):
        read_pictures(path)
    path.write_bytes(b"no safetensors")
    with pytest.raises(FormatError, match="cannot be read as pictures"):
        read_pictures(path)


def test_filters_stand_side_by_side_and_masked_weights_are_marked() -> None:
    found = sheet(some().filters).transpose(1, 2, 0).tolist()
    gap, amber = [70] * 3, list(MASKED)
    # Largest weight 1: white; -1: almost black; 0.5: 128 + 63.5; 0: masked.
    assert found == [
        [gap] * 7,
        [gap, [255] * 3, amber, gap, [1] * 3, [192] * 3, gap],
        [gap] * 7,
    ]


def test_an_image_in_the_page_is_the_image() -> None:
    image = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
    kind, _, content = as_png(image).partition(",")
    assert kind == "data:image/png;base64"
    read = np.array(Image.open(io.BytesIO(base64.b64decode(content))))
    assert np.array_equal(read, image.transpose(1, 2, 0))


def test_curves_mark_the_chosen_epoch() -> None:
    records = [line(1, 0.5), line(2, None), line(3, 0.75)]
    loss, accuracies = curve_panels("dense", records, {"SA": 3, "RA": 1})
    assert [(mark.x, mark.y) for mark in loss.lines[0].marks] == [(1, 2.0), (2, 1.0), (3, 2 / 3)]
    sa, ra = accuracies.lines
    assert [(mark.x, mark.y, mark.marker) for mark in sa.marks] == [
        (1, 0.5, "none"),
        (3, 0.75, "diamond"),
    ]
    assert [mark.marker for mark in ra.marks] == ["diamond", "none"]


def test_the_dense_network_and_the_sparsest_winner_are_shown(make: Maker) -> None:
    study_of(make)
    keep(make)
    found = gallery(make.root, assess(collect(make.root), settings=PAPER))
    (group,) = found.pictures
    names = [network["name"] for network in group["networks"]]
    assert names == [
        *("dense, standard transfer", "dense, adversarial transfer"),
        *("73.80%, standard transfer", "73.80%, adversarial transfer"),
    ]
    (trainings,) = found.trainings
    assert [one["name"] for one in trainings["trainings"]] == names
    assert found.notices == []


def test_missing_files_are_passed_over_and_damaged_ones_are_named(make: Maker) -> None:
    study_of(make)
    report = assess(collect(make.root), settings=PAPER)
    assert gallery(make.root, report).pictures == []
    for folder in keep(make):
        (folder / "pictures.safetensors").write_bytes(b"cut")
        (folder / "metrics.jsonl").write_text("{}\n", encoding="utf-8")
    found = gallery(make.root, report)
    assert (found.pictures, found.trainings) == ([], [])
    assert {Path(one.where).name for one in found.notices} == {
        "pictures.safetensors",
        "metrics.jsonl",
    }
