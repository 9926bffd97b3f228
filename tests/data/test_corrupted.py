"""Folders of corrupted images: the right block of each file, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dwlt.data import CorruptedFolder
from dwlt.errors import DataError

LABELS = np.array([0, 1, 2, 0, 1, 2])


def write(root: Path, labels: Any = LABELS, count: int = 6) -> None:
    """Image i at severity s of corruption k has all pixels ``100 k + 10 s + i``."""
    np.save(root / "labels.npy", labels)
    for k, name in enumerate(("blur", "noise")):
        levels = [100 * k + 10 * s + i for s in range(5) for i in range(count)]
        np.save(
            root / f"{name}.npy", np.array(levels, np.uint8).repeat(4 * 4 * 3).reshape(-1, 4, 4, 3)
        )


def folder(root: Path, **options: Any) -> CorruptedFolder:
    return CorruptedFolder(root, **{"classes": 3, "shape": (3, 4, 4), "limit": None, **options})


def refuse(root: Path, message: str) -> None:
    with pytest.raises(DataError, match=message):
        folder(root)


@pytest.mark.parametrize("repeated", [False, True])
def test_each_severity_is_its_block(tmp_path: Path, repeated: bool) -> None:
    write(tmp_path, np.tile(LABELS, 5) if repeated else LABELS)
    found = folder(tmp_path)
    assert found.names == ["blur", "noise"]
    for k, name in enumerate(found.names):
        for severity in range(1, 6):
            images = found.images(name, severity)
            batch = images.take(np.arange(len(images)))
            levels = (batch.images[:, 0, 0, 0] * 255).round().tolist()
            assert levels == [100 * k + 10 * (severity - 1) + i for i in range(6)]
            assert batch.labels.tolist() == LABELS.tolist()


def test_a_limit_takes_the_same_images_of_each_file(tmp_path: Path) -> None:
    labels = np.array([0, 0, 1, 1, 2, 2])
    write(tmp_path, labels)
    found = folder(tmp_path, limit=3)
    batches = [found.images(n, s).take(np.arange(3)) for n in found.names for s in (1, 5)]
    assert len({tuple(batch.ids.tolist()) for batch in batches}) == 1
    for start, batch in zip((0, 40, 100, 140), batches, strict=True):
        # One of each class, and each image under its own label.
        assert batch.labels.tolist() == [0, 1, 2]
        ids = batch.ids.numpy()
        assert labels[ids].tolist() == [0, 1, 2]
        levels = (batch.images[:, 0, 0, 0] * 255).round().numpy()
        assert levels.tolist() == (start + ids).tolist()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (LABELS + 0.5, "labels of type float64, not whole numbers"),
        (LABELS.astype(str), "labels of type <U21, not whole numbers"),
        (np.array([0.0, np.nan] * 3), "not whole numbers"),
        (np.array([None, 1] * 3, dtype=object), "cannot be read as a numpy file"),
        (LABELS - 1, "does not hold labels of 3 classes"),
        (LABELS + 1, "does not hold labels of 3 classes"),
        (LABELS.reshape(2, 3), "does not hold labels of 3 classes"),
        (np.array(1), "does not hold labels of 3 classes"),
        (np.array([], dtype=np.int64), "does not hold labels of 3 classes"),
        (np.arange(30) % 3 * (np.arange(30) < 29), "30 labels that do not repeat 5 times"),
    ],
)
def test_what_is_no_label(tmp_path: Path, labels: Any, message: str) -> None:
    write(tmp_path, labels)
    refuse(tmp_path, message)


@pytest.mark.parametrize("count", [5, 7])
def test_labels_are_one_per_image(tmp_path: Path, count: int) -> None:
    write(tmp_path, count=count)
    with pytest.raises(DataError, match=r"blur\.npy holds uint8 of shape"):
        folder(tmp_path).images("blur", 1)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "._blur.npy").write_bytes(b"what macOS leaves behind")
    assert folder(tmp_path).names == ["blur", "noise"]
    whole = (tmp_path / "noise.npy").read_bytes()
    for data in (b"", whole[:60], whole[:-1]):
        (tmp_path / "noise.npy").write_bytes(data)
        with pytest.raises(DataError, match=r"noise\.npy cannot be read"):
            folder(tmp_path).images("noise", 1)
    (tmp_path / "noise.npy").unlink()
    (tmp_path / "noise.npy").symlink_to("nowhere")
    with pytest.raises(DataError, match=r"noise\.npy: is a link that leads nowhere"):
        folder(tmp_path).images("noise", 1)
