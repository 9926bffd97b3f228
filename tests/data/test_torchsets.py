"""torchvision's sets, read from tiny copies on disk; nothing is downloaded."""

from __future__ import annotations

import gzip
import inspect
import io
import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchvision
from PIL import Image
from scipy.io import savemat

from dwlt.data import Task, list_tasks, load_task
from dwlt.data.registry import FOLDER_LOADERS, LOADERS
from dwlt.data.source import IndexedSource
from dwlt.data.torchsets import TORCH_SETS
from dwlt.errors import DataError
from dwlt.spec import TaskSpec

from .make import picture

LABELS = [i % 10 for i in range(40)]


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network in tests")

    monkeypatch.setattr("urllib.request.urlopen", refuse)


def pixels(count: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *shape)).astype(np.uint8)


def idx(values: np.ndarray) -> bytes:
    """The IDX format: two zeros, type 8 (uint8), rank, sides, values."""
    head = struct.pack(">HBB", 0, 8, values.ndim) + struct.pack(f">{values.ndim}I", *values.shape)
    return head + values.astype(np.uint8).tobytes()


def write_mnist(root: Path) -> None:
    for folder in ("MNIST", "FashionMNIST", "KMNIST"):
        raw = root / folder / "raw"
        raw.mkdir(parents=True)
        for part in ("train", "t10k"):
            for name, data in (
                (f"{part}-images-idx3-ubyte", pixels(40, 28, 28)),
                (f"{part}-labels-idx1-ubyte", np.array(LABELS)),
            ):
                (raw / name).write_bytes(idx(data))
                (raw / f"{name}.gz").write_bytes(gzip.compress(idx(data)))


def write_cifar(root: Path) -> None:
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        batch = {"data": pixels(40, 3072), "labels": LABELS}
        (folder / name).write_bytes(pickle.dumps(batch))
    names = {"label_names": [f"thing {i}" for i in range(10)]}
    (folder / "batches.meta").write_bytes(pickle.dumps(names))


def write_cifar100(root: Path) -> None:
    folder = root / "cifar-100-python"
    folder.mkdir()
    labels = list(range(100)) * 4
    for name in ("train", "test"):
        batch = {"data": pixels(400, 3072), "fine_labels": labels}
        (folder / name).write_bytes(pickle.dumps(batch))
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": [str(i) for i in range(100)]}))


def write_svhn(root: Path) -> None:
    for part in ("train", "test"):
        # Labels are 1..10 in the file, and 10 stands for the digit 0.
        labels = np.array([label or 10 for label in LABELS])[:, None]
        images = pixels(40, 32, 32, 3).transpose(1, 2, 3, 0)
        savemat(root / f"{part}_32x32.mat", {"X": images, "y": labels})


def write_dtd(root: Path) -> None:
    base = root / "dtd/dtd"
    (base / "labels").mkdir(parents=True)
    for start, part in ((0, "train"), (10, "val"), (20, "test")):
        lines = []
        for label, name in enumerate(("banded", "woven")):
            (base / "images" / name).mkdir(parents=True, exist_ok=True)
            for number in range(start, start + 8):
                picture(label, number).save(base / "images" / name / f"{number}.png")
                lines.append(f"{name}/{number}.png")
        (base / "labels" / f"{part}1.txt").write_text("\n".join(lines))


def write_food(root: Path) -> None:
    base = root / "food-101"
    (base / "meta").mkdir(parents=True)
    for start, part in ((0, "train"), (10, "test")):
        listed: dict[str, list[str]] = {}
        for label, name in enumerate(("pie", "soup")):
            (base / "images" / name).mkdir(parents=True, exist_ok=True)
            listed[name] = [f"{name}/{number}" for number in range(start, start + 8)]
            for number in range(start, start + 8):
                picture(label, number).save(base / "images" / name / f"{number}.jpg")
        (base / "meta" / f"{part}.json").write_text(json.dumps(listed))


def write_eurosat(root: Path) -> None:
    for label, name in enumerate(("Forest", "River")):
        (root / "eurosat/2750" / name).mkdir(parents=True)
        for number in range(8):
            picture(label, number).save(root / "eurosat/2750" / name / f"{number}.jpg")


def write_gtsrb(root: Path) -> None:
    base = root / "gtsrb"
    test = base / "GTSRB/Final_Test/Images"
    test.mkdir(parents=True)
    lines = ["Filename;ClassId"]
    for label in range(2):
        (base / f"GTSRB/Training/{label:05d}").mkdir(parents=True)
        for number in range(8):
            picture(label, number).save(base / f"GTSRB/Training/{label:05d}/{number}.ppm")
            picture(label, number).save(test / f"{label}{number}.ppm")
            lines.append(f"{label}{number}.ppm;{label}")
    (base / "GT-final_test.csv").write_text("\n".join(lines))


CASES: dict[str, tuple[Callable[[Path], None], tuple[int, int, int], tuple[int, int, int]]] = {
    "mnist": (write_mnist, (1, 28, 28), (30, 10, 40)),
    "fashion-mnist": (write_mnist, (1, 28, 28), (30, 10, 40)),
    "kmnist": (write_mnist, (1, 28, 28), (30, 10, 40)),
    "cifar10": (write_cifar, (3, 32, 32), (150, 50, 40)),
    "cifar100": (write_cifar100, (3, 32, 32), (300, 100, 400)),
    "svhn": (write_svhn, (3, 32, 32), (30, 10, 40)),
    "dtd": (write_dtd, (3, 8, 8), (16, 16, 16)),
    "food101": (write_food, (3, 8, 8), (12, 4, 16)),
    "eurosat": (write_eurosat, (3, 8, 8), (9, 3, 4)),
    "gtsrb": (write_gtsrb, (3, 8, 8), (12, 4, 16)),
}


@pytest.mark.parametrize("name", CASES)
def test_tiny_copies(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, shape, counts = CASES[name]
    write(tmp_path)
    # The copies hold other bytes than the originals whose checksums torchvision knows.
    for module in ("cifar", "svhn"):
        target = f"torchvision.datasets.{module}.check_integrity"
        monkeypatch.setattr(target, lambda path, *_: Path(path).is_file())
    task = load_task(TaskSpec(task=name, validation=0.25), data_dir=tmp_path)
    assert task.shape == shape
    assert (len(task.train), len(task.validation), len(task.test)) == counts
    if task.train.origin == task.test.origin:
        assert not set(task.train.ids) & set(task.test.ids)
    check_pixels(name, task)


def check_pixels(name: str, task: Task) -> None:
    """Sets of arrays begin with the first random image; the others hold ``picture``s."""
    (batch,) = task.test.batches(batch_size=1000)
    found = (batch.images * 255).round().numpy().astype(np.uint8)
    channels, height, width = task.shape
    if name in ("eurosat", "food101"):
        return  # JPEG is lossy; that a label belongs to its image is shown by the others
    if name in ("dtd", "gtsrb"):
        assert np.array_equal(
            found[:, :, 0, 0], np.repeat(batch.labels.numpy()[:, None], 3, axis=1)
        )
        return
    if name.startswith("cifar"):
        expected = pixels(len(task.test), 3072).reshape(-1, channels, height, width)
    elif name == "svhn":
        expected = pixels(40, 32, 32, 3).transpose(0, 3, 1, 2)
    else:
        expected = pixels(40, 28, 28)[:, None]
    assert np.array_equal(found, expected)
    assert batch.labels.tolist() == (list(range(100)) * 4 if name == "cifar100" else LABELS)


@pytest.mark.parametrize("name", TORCH_SETS)
def test_every_set_is_what_torchvision_offers(name: str) -> None:
    """Each entry names a public class, and its arguments are ones that the class takes."""
    entry = TORCH_SETS[name]
    kind = getattr(torchvision.datasets, entry.dataset)
    assert name == name.lower()
    known = {p for base in kind.__mro__ for p in inspect.signature(base.__init__).parameters}
    for part in (entry.train, entry.validation, entry.test):
        if part is not None:
            assert {*part, "download"} <= known
    parts = [p for p in (entry.train, entry.validation, entry.test) if p is not None]
    assert len({str(p) for p in parts}) == len(parts)


@pytest.mark.parametrize("name", TORCH_SETS)
def test_without_files_or_network_it_says_what_to_do(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"torchvision's {TORCH_SETS[name].dataset}") as caught:
        load_task(TaskSpec(task=name), data_dir=tmp_path)
    assert str(tmp_path / TORCH_SETS[name].folder) in str(caught.value.hint)
    assert "--data-dir" in str(caught.value.hint)


@pytest.mark.parametrize("name", TORCH_SETS)
def test_a_set_is_read_through_its_entry(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every registered set goes from a stand-in of its class to a task, parts kept apart."""
    entry = TORCH_SETS[name]
    asked: list[dict[str, Any]] = []

    class StandIn:
        classes = ("cat", "dog")

        def __init__(self, root: Path, download: bool = False, **arguments: Any) -> None:
            asked.append(arguments)
            labels = np.arange(40) % 2
            shape = (3, 8, 8) if entry.channels_first else (8, 8, 3)
            self.data = pixels(40, *shape)
            if entry.labels is not None:
                setattr(self, entry.labels, labels)

        def __len__(self) -> int:
            return 40

        def __getitem__(self, index: int) -> tuple[Any, int]:
            return picture(index % 2, index), index % 2

    monkeypatch.setattr(torchvision.datasets, entry.dataset, StandIn)
    task = load_task(TaskSpec(task=name), data_dir=tmp_path)
    assert task.classes == ("cat", "dog")
    assert task.shape == (3, 8, 8)
    expected = [p for p in (entry.train, entry.validation, entry.test) if p is not None]
    assert asked == [dict(part) for part in expected]


@pytest.mark.parametrize(
    ("labels", "count", "message"),
    [
        (np.arange(40) % 2 + 0.5, 40, "labels of type float64, not whole numbers"),
        ([str(i % 2) for i in range(40)], 40, "labels of type <U1, not whole numbers"),
        (np.full(40, 2**63, dtype=np.uint64), 40, "not whole numbers"),
        (np.arange(39) % 2, 40, r"40 images and labels of shape \(39,\)"),
        (np.arange(40) % 3, 40, "label 2, but classes are 0-1"),
    ],
)
def test_labels_that_do_not_fit_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labels: Any, count: int, message: str
) -> None:
    class StandIn:
        classes = ("cat", "dog")

        def __init__(self, **_: Any) -> None:
            self.data, self.targets = pixels(count, 8, 8, 3), labels

    monkeypatch.setattr(torchvision.datasets, "CIFAR10", StandIn)
    with pytest.raises(DataError, match=message) as caught:
        load_task(TaskSpec(task="cifar10"), data_dir=tmp_path)
    assert caught.value.hint


@pytest.mark.parametrize("label", [1.5, "1", None])
def test_a_label_of_one_image_that_is_no_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, label: Any
) -> None:
    class StandIn(list[tuple[Any, Any]]):
        classes = ("cat", "dog")

        def __init__(self, **_: Any) -> None:
            super().__init__((picture(i % 2, i), label if i == 7 else i % 2) for i in range(40))

    monkeypatch.setattr(torchvision.datasets, "RenderedSST2", StandIn)
    with pytest.raises(DataError, match="RenderedSST2 train, image 7: labels of type"):
        load_task(TaskSpec(task="rendered-sst2"), data_dir=tmp_path)


def test_photographs_of_a_set_are_upright() -> None:
    """Read by torchvision or by path: turned as a viewer turns them."""
    turned = Image.Exif()
    turned[0x0112] = 6
    buffer = io.BytesIO()
    upright = picture(0, 0)
    upright.rotate(90, expand=True).save(buffer, "PNG", exif=turned)
    stored = Image.open(io.BytesIO(buffer.getvalue()))
    source = IndexedSource("set", [(stored, 0), (None, 1)], np.array([0, 1]))
    good, bad = source.loaders(np.array([0, 1]))
    assert np.array_equal(good(), np.array(upright))
    with pytest.raises(DataError, match="set, image 1: not a readable image"):
        bad()


def test_every_task_is_listed_and_visited() -> None:
    assert set(LOADERS) == {"digits", *TORCH_SETS}
    assert set(FOLDER_LOADERS) == {"imagefolder", "parquet"}
    assert list_tasks() == sorted([*LOADERS, "imagefolder:DIR", "parquet:DIR"])
    here = Path(__file__).parent
    for name in FOLDER_LOADERS:
        assert (here / f"test_{name}.py").is_file()
