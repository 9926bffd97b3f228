"""``imagefolder:DIR``: one folder per class, below train/, val/ and test/ or directly in DIR."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from dwlt.data import names
from dwlt.data.folders import Layout, check_below, read_layout
from dwlt.data.index import FolderIndex
from dwlt.data.request import CACHE, Request, find_folder
from dwlt.data.source import Dataset, FileSource
from dwlt.data.walk import FolderContents, Identity, walk
from dwlt.errors import DataError

EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
)
# Kinds of images that are counted and not read: a set that grew by them would be another set.
_OTHERS = frozenset(
    {".avif", ".heic", ".heif", ".jfif", ".jpe", ".jp2", ".j2k", ".jxl", ".tga", ".pbm", ".pnm"}
    | {".ico", ".dds", ".exr", ".psd", ".dng"}
)


def load(request: Request) -> Dataset:
    """Read the folder's tree; images are opened later.

    Classes are the sorted names of the training part's folders; a name written in NFC and in NFD
    is one. Images lie at any depth below their class, linked folders included. Names that begin
    with a dot are passed over. What is found and not used is counted in the notes.

    Raises:
        DataError: no class folders, a class without images, a class of another part that the
            training part does not know, or a tree that can be read in more than one way.
    """
    root = find_folder(request.argument, request.data_dir)
    index = FolderIndex(request.data_dir / CACHE, root)
    known = index.read()
    if known is not None:
        return known
    began = time.time()
    found = walk(root, EXTENSIONS, _OTHERS)
    layout = read_layout(found)
    _refuse_lost_classes(found, layout)
    notes = [*layout.notes, *found.notes("image")]
    owners: dict[Identity, Path] = {}
    parts = {
        part: _part(found, folder, layout, owners, notes) for part, folder in layout.parts.items()
    }
    classes = names.distinct(parts["train"])
    sources = {
        part: _source(layout.parts[part], images, classes, strict=part == "train")
        for part, images in parts.items()
    }
    dataset = Dataset(
        classes,
        sources["train"],
        validation=sources.get("validation"),
        test=sources.get("test"),
        notes=tuple(notes),
    )
    index.write(found, began, dataset)
    return dataset


def _part(
    found: FolderContents,
    folder: Path,
    layout: Layout,
    owners: dict[Identity, Path],
    notes: list[str],
) -> dict[str, list[Path]]:
    """The images of each class folder of one part, sorted by path."""
    depth = len(folder.parts)
    images: dict[str, list[Path]] = {
        path.name: [] for path in sorted(found.folders) if path.parent == folder
    }
    for path in found.files:
        below = path.parts[depth:]
        if len(below) > 1 and path.parts[:depth] == folder.parts:
            images[below[0]].append(path)
    for name in images:
        images[name] = _once(found, folder / name, images[name], owners, notes)
        images[name].sort()
        _check_text(folder / name)
    one_name: dict[str, list[str]] = {}
    for name in images:
        one_name.setdefault(names.key(name), []).append(name)
    notes += [
        f"{len(same)} folders {folder.name}/{same[0]} are one class (NFC and NFD of one name)"
        for same in one_name.values()
        if len(same) > 1
    ]
    notes += check_below(folder, images, flat=layout.flat)
    return images


def _once(
    found: FolderContents,
    owner: Path,
    images: list[Path],
    owners: dict[Identity, Path],
    notes: list[str],
) -> list[Path]:
    """The images without those of folders that this class reads already through another path.

    Raises:
        DataError: another class or part reads that folder.
    """
    kept: dict[Identity, Path] = {}
    again: set[Path] = set()
    # Where no link leads through comes first, and then the order of names.
    whole = found.root.resolve()
    for folder in sorted(
        {path.parent for path in images},
        key=lambda one: (one.resolve() != whole / one.relative_to(found.root), one),
    ):
        identity = found.folders[folder]
        other = owners.setdefault(identity, owner)
        if other != owner:
            raise DataError(
                f"{folder}: is the same folder on disk as one below {other}, so that its images "
                "would count twice, with two labels or in two parts",
                hint="remove one of the links",
            )
        if kept.setdefault(identity, folder) != folder:
            again.add(folder)
    if not again:
        return images
    notes.append(
        f"links to folders that are read already: {len(again)} left out "
        f"({names.some(sorted(str(one.relative_to(found.root)) for one in again), 3)})"
    )
    return [path for path in images if path.parent not in again]


def _source(
    root: Path, images: dict[str, list[Path]], classes: tuple[str, ...], *, strict: bool
) -> FileSource:
    """All images of one part, by class and then by path."""
    labels_of = {names.key(name): label for label, name in enumerate(classes)}
    unknown = next((name for name in images if names.key(name) not in labels_of), None)
    if unknown is not None:
        raise DataError(
            f"{root / unknown}: the training images have no class {unknown!r}",
            hint="add training images of that class, or remove the folder",
        )
    sorted_by_label: dict[int, list[Path]] = {label: [] for label in range(len(classes))}
    for name, found in images.items():
        if strict and not found:
            raise DataError(
                f"{root / name}: no image in this class folder",
                hint=f"add images ({', '.join(sorted(EXTENSIONS))}) or remove the folder",
            )
        sorted_by_label[labels_of[names.key(name)]] += found
    paths = [path for found in sorted_by_label.values() for path in found]
    labels = np.repeat(
        np.arange(len(classes), dtype=np.int64), [len(one) for one in sorted_by_label.values()]
    )
    if not paths:
        raise DataError(f"{root}: no images", hint="add images or remove the folder")
    return FileSource(paths, labels)


def _refuse_lost_classes(found: FolderContents, layout: Layout) -> None:
    """Refuse links that lead nowhere where class or part folders are: a class would be gone.

    A link with an ending was rather a file; it is counted in the notes.
    """
    places = {found.root, *layout.parts.values()}
    for path in sorted(found.broken):
        if path.parent in places and not path.suffix:
            raise DataError(
                f"{path}: is a link that leads nowhere", hint="mend the link or remove it"
            )


def _check_text(folder: Path) -> None:
    try:
        folder.name.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"{str(folder)!a}: the name of this class is not UTF-8", hint="rename the folder"
        ) from error
