"""``imagefolder:DIR``: one folder per class, below train/, val/ and test/ or directly in DIR."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dwlt.data.request import Request, find_folder
from dwlt.data.source import Dataset, FileSource
from dwlt.errors import DataError

EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
)
TRAIN = ("train", "training")
VALIDATION = ("val", "valid", "validation", "dev")
TEST = ("test", "testing")


def load(request: Request) -> Dataset:
    """Read the folder's tree; images are opened later.

    Classes are the sorted names of the training part's folders. Images lie at any depth below
    their class. Names that begin with a dot are passed over.

    Raises:
        DataError: no class folders, a class without images, or a class of another part that the
            training part does not know.
    """
    root = find_folder(request.argument, request.data_dir)
    folders = {folder.name.lower(): folder for folder in _folders(root)}
    train = _pick(folders, TRAIN)
    if train is None:
        if stray := next((folders[name] for name in (*VALIDATION, *TEST) if name in folders), None):
            raise DataError(
                f"{root}: there is {stray.name}/ but no train/",
                hint="add the training images as train/CLASS/image files",
            )
        classes = _classes(root)
        return Dataset(classes, _part(root, classes, strict=True))
    classes = _classes(train)
    return Dataset(
        classes,
        _part(train, classes, strict=True),
        validation=_other(_pick(folders, VALIDATION), classes),
        test=_other(_pick(folders, TEST), classes),
    )


def _folders(root: Path) -> list[Path]:
    return sorted(one for one in root.iterdir() if one.is_dir() and not one.name.startswith("."))


def _pick(folders: dict[str, Path], names: tuple[str, ...]) -> Path | None:
    return next((folders[name] for name in names if name in folders), None)


def _classes(root: Path) -> tuple[str, ...]:
    names = tuple(folder.name for folder in _folders(root))
    if not names:
        raise DataError(
            f"{root}: no class folders", hint="put each class's images into a folder of its name"
        )
    return names


def _other(root: Path | None, classes: tuple[str, ...]) -> FileSource | None:
    return None if root is None else _part(root, classes, strict=False)


def _part(root: Path, classes: tuple[str, ...], *, strict: bool) -> FileSource:
    """All images of one part, by class and then by path."""
    unknown = [name for name in _classes(root) if name not in classes]
    if unknown:
        raise DataError(
            f"{root / unknown[0]}: the training images have no class {unknown[0]!r}",
            hint="add training images of that class, or remove the folder",
        )
    paths: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = _images(root / name)
        if strict and not found:
            raise DataError(
                f"{root / name}: no image in this class folder",
                hint=f"add images ({', '.join(sorted(EXTENSIONS))}) or remove the folder",
            )
        paths += found
        labels += [label] * len(found)
    if not paths:
        raise DataError(f"{root}: no images", hint="add images or remove the folder")
    return FileSource(paths, np.array(labels, dtype=np.int64))


def _images(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in EXTENSIONS
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )
