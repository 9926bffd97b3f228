"""The image-classification sets that torchvision knows by name.

Only torchvision's public interface is used: the arrays that small sets expose, or, for sets of
files, a ``loader`` that returns the path, so that labels are had without decoding an image.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
from numpy.typing import NDArray

from dwlt.data.request import Request
from dwlt.data.source import (
    ArraySource,
    Dataset,
    FileSource,
    ImageSource,
    IndexedSource,
    check_labels,
)
from dwlt.errors import DataError

_ANEW = "remove the set's folder, so that it is downloaded anew"
_FAILURES = (OSError, RuntimeError, URLError, ValueError, EOFError, zipfile.BadZipFile)


@dataclass(frozen=True)
class TorchSet:
    """How to ask torchvision for one set.

    Attributes:
        dataset: the class's name in ``torchvision.datasets``.
        folder: what torchvision looks for below the data folder.
        train, validation, test: constructor arguments of each part; None: there is no such part.
        labels: the attribute with the labels where ``data`` holds all pixels; None for sets of
            image files.
        channels_first: ``data`` is (n, C, H, W).
    """

    dataset: str
    folder: str
    train: Mapping[str, Any] = field(default_factory=dict)
    validation: Mapping[str, Any] | None = None
    test: Mapping[str, Any] | None = None
    labels: str | None = None
    channels_first: bool = False

    def load(self, request: Request) -> Dataset:
        """Read the set from the data folder, downloading it there if it is not present.

        Raises:
            DataError: it is neither there nor can be downloaded, or its labels are impossible.
        """
        # On use: importing torchvision takes longer than reading the digits.
        from torchvision import datasets

        kind = getattr(datasets, self.dataset)
        parts: dict[str, ImageSource] = {}
        classes: tuple[str, ...] = ()
        for part in ("train", "validation", "test"):
            arguments = getattr(self, part)
            if arguments is None:
                continue
            opened = self._open(kind, arguments, request.data_dir)
            source = self._source(opened, f"{self.dataset} {part}")
            classes = classes or _classes(opened, source)
            check_labels(source.labels, classes, source.where)
            parts[part] = source
        return Dataset(classes, parts["train"], parts.get("validation"), parts.get("test"))

    def _open(self, kind: Any, arguments: Mapping[str, Any], root: Path) -> Any:
        arguments = dict(arguments)
        if self.labels is None and "loader" in inspect.signature(kind).parameters:
            arguments["loader"] = Path
        try:
            return kind(root=root, download=False, **arguments)
        except _FAILURES as error:
            absent = error
        try:
            root.mkdir(parents=True, exist_ok=True)
            # Progress goes to stderr: stdout may be carrying a command's data.
            with contextlib.redirect_stdout(sys.stderr):
                return kind(root=root, download=True, **arguments)
        except _FAILURES as error:
            raise DataError(
                f"torchvision's {self.dataset} is not in {root} ({absent}) and cannot be "
                f"downloaded ({error})",
                hint=f"check the network and run again, or put its files at {root / self.folder} "
                "as torchvision lays them out; --data-dir chooses another folder",
            ) from error

    def _source(self, opened: Any, name: str) -> ImageSource:
        if self.labels is not None:
            pixels = np.asarray(opened.data)
            if self.channels_first:
                pixels = pixels.transpose(0, 2, 3, 1)
            if pixels.dtype != np.uint8:
                raise DataError(f"{name}: pixels of type {pixels.dtype}, not uint8", hint=_ANEW)
            return ArraySource(name, pixels, _as_integers(getattr(opened, self.labels), name))
        images: list[Any] = []
        labels = np.empty(len(opened), dtype=np.int64)
        for index in range(len(opened)):
            try:
                image, label = opened[index]
            except Exception as error:  # as in `pixels.decode`
                raise DataError(
                    f"{name}, image {index}: not a readable image ({error})", hint=_ANEW
                ) from error
            labels[index] = _as_integers(label, f"{name}, image {index}")
            images.append(image)
        if all(isinstance(image, os.PathLike) for image in images):
            return FileSource(images, labels)
        return IndexedSource(name, opened, labels)


def _as_integers(labels: Any, name: str) -> NDArray[np.int64]:
    """Labels as int64, refusing what a conversion would round or cut off.

    Raises:
        DataError: they are no whole numbers.
    """
    given = np.asarray(labels)
    if given.dtype.kind not in "iub" or (given.size and int(given.max()) > np.iinfo(np.int64).max):
        raise DataError(f"{name}: labels of type {given.dtype}, not whole numbers", hint=_ANEW)
    return given.astype(np.int64)


def _classes(opened: Any, source: ImageSource) -> tuple[str, ...]:
    """Published names, or numbers; some sets give several names to a class."""
    names = getattr(opened, "classes", None) or getattr(opened, "categories", None)
    if names is None:
        return tuple(str(label) for label in range(int(source.labels.max()) + 1))
    return tuple(name if isinstance(name, str) else ", ".join(name) for name in names)


_FLAG: dict[str, Any] = {"train": {"train": True}, "test": {"train": False}}
_SPLIT: dict[str, Any] = {"train": {"split": "train"}, "test": {"split": "test"}}
_THREE: dict[str, Any] = {**_SPLIT, "validation": {"split": "val"}}

TORCH_SETS: dict[str, TorchSet] = {
    "caltech101": TorchSet("Caltech101", "caltech101"),
    "caltech256": TorchSet("Caltech256", "caltech256"),
    "cifar10": TorchSet("CIFAR10", "cifar-10-batches-py", **_FLAG, labels="targets"),
    "cifar100": TorchSet("CIFAR100", "cifar-100-python", **_FLAG, labels="targets"),
    "country211": TorchSet("Country211", "country211", **_SPLIT, validation={"split": "valid"}),
    "dtd": TorchSet("DTD", "dtd", **_THREE),
    "emnist-balanced": TorchSet(
        "EMNIST",
        "EMNIST/raw",
        {"split": "balanced", "train": True},
        test={"split": "balanced", "train": False},
        labels="targets",
    ),
    "eurosat": TorchSet("EuroSAT", "eurosat"),
    "fashion-mnist": TorchSet("FashionMNIST", "FashionMNIST/raw", **_FLAG, labels="targets"),
    "fgvc-aircraft": TorchSet("FGVCAircraft", "fgvc-aircraft-2013b", **_THREE),
    "flowers102": TorchSet("Flowers102", "flowers-102", **_THREE),
    "food101": TorchSet("Food101", "food-101", **_SPLIT),
    "gtsrb": TorchSet("GTSRB", "gtsrb", **_SPLIT),
    "imagenette": TorchSet("Imagenette", "imagenette2", {"split": "train"}, test={"split": "val"}),
    "kmnist": TorchSet("KMNIST", "KMNIST/raw", **_FLAG, labels="targets"),
    "mnist": TorchSet("MNIST", "MNIST/raw", **_FLAG, labels="targets"),
    "pets": TorchSet(
        "OxfordIIITPet", "oxford-iiit-pet", {"split": "trainval"}, test={"split": "test"}
    ),
    "rendered-sst2": TorchSet("RenderedSST2", "rendered-sst2", **_THREE),
    "semeion": TorchSet("SEMEION", "semeion.data", labels="labels"),
    "stanford-cars": TorchSet("StanfordCars", "stanford_cars", **_SPLIT),
    "stl10": TorchSet("STL10", "stl10_binary", **_SPLIT, labels="labels", channels_first=True),
    "sun397": TorchSet("SUN397", "SUN397"),
    "svhn": TorchSet("SVHN", "train_32x32.mat", **_SPLIT, labels="labels", channels_first=True),
    "usps": TorchSet("USPS", "usps.bz2", **_FLAG, labels="targets"),
}
