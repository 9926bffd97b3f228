"""Images per second and core, from files to what a network sees: ``make bench-data``.

One process and one thread, processor time, three ways over the same JPEGs of 500x375 in one run:
decoding alone; ``torchvision.datasets.ImageFolder`` with ``RandomResizedCrop``,
``RandomHorizontalFlip`` and ``ToTensor``; and dwlt's ``random-resized-crop`` at 224 pixels. They
take turns, and what is told is the median of the rounds.

Writes ``benchmarks/results/data.json`` and prints the table of ``benchmarks/README.md``.
"""

from __future__ import annotations

import argparse
import io
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import torch
import torchvision
from PIL import Image

from dwlt.data import imagefolder, index, load_task
from dwlt.data.pixels import crop_of, decode, decode_crop
from dwlt.data.request import Request
from dwlt.results.files import cpu_name, to_json
from dwlt.spec import TaskSpec

OUT = Path(__file__).parent / "results" / "data.json"
SIZE = 224


def texture(rng: np.random.Generator, height: int, width: int) -> Image.Image:
    """Noise at several scales: about as many bytes to a pixel as photographs have."""
    total = np.zeros((height, width, 3))
    for scale in (1, 2, 4, 16, 64, 200):
        small = rng.normal(size=(height // scale + 2, width // scale + 2, 3)).astype(np.float32)
        planes = [Image.fromarray(small[..., c]).resize((width, height), 2) for c in range(3)]
        total += np.stack([np.asarray(plane) for plane in planes], -1) * scale**0.35
    total = (total - total.min()) / (total.max() - total.min()) * 255
    return Image.fromarray(total.astype(np.uint8))


def write_images(root: Path, count: int) -> None:
    """``count`` JPEGs of 500x375 in two classes of a training part and a test part."""
    rng = np.random.default_rng(0)
    for part, share in (("train", count), ("test", 4)):
        for label in ("a", "b"):
            folder = root / part / label
            folder.mkdir(parents=True)
            for number in range(share // 2):
                texture(rng, 375, 500).save(folder / f"{number}.jpg", quality=90)


def ways(root: Path) -> dict[str, Callable[[], int]]:
    """Each way over all training images, giving their number."""
    from torchvision import datasets, transforms

    paths = sorted((root / "train").rglob("*.jpg"))
    change = transforms.Compose(
        [
            transforms.RandomResizedCrop(SIZE),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
        ]
    )
    theirs = datasets.ImageFolder(str(root / "train"), change)
    loader = torch.utils.data.DataLoader(theirs, batch_size=64, shuffle=True)
    spec = TaskSpec(
        task=f"imagefolder:{root}", size=SIZE, augment="random-resized-crop", validation=2
    )
    split = load_task(spec, data_dir=root, workers=0, limit_resident_bytes=0).train

    def decoding() -> int:
        for path in paths:
            Image.open(io.BytesIO(path.read_bytes())).load()
        return len(paths)

    def torchvisions() -> int:
        return sum(len(images) for images, _ in loader)

    def ours() -> int:
        batches = split.train_batches(batch_size=64, seed=0, epoch=0, augment="random-resized-crop")
        return sum(len(batch.images) for batch in batches)

    return {"decode": decoding, "torchvision": torchvisions, "dwlt": ours}


def rates(root: Path, rounds: int) -> dict[str, list[float]]:
    """Images per second of processor time, one number for each round."""
    torch.set_num_threads(1)
    all_ways = ways(root)
    found: dict[str, list[float]] = {name: [] for name in all_ways}
    for number in range(rounds + 1):
        for name, run in all_ways.items():
            began = time.process_time()
            count = run()
            if number:  # the first round warms up
                found[name].append(count / (time.process_time() - began))
    return found


def reduced_decoding() -> dict[str, float]:
    """Large JPEGs: how far a crop decoded at half size or less lies from that of the whole, in
    levels of 255, and how much faster it is."""
    rng = np.random.default_rng(1)
    buffer = io.BytesIO()
    texture(rng, 1500, 2000).save(buffer, "JPEG", quality=90)
    data = buffer.getvalue()

    def choose(height: int, width: int) -> tuple[int, int, int, int, bool]:
        return 100, 200, 1200, 1300, False

    began = time.process_time()
    fast = decode_crop(data, "here", choose, SIZE)
    middle = time.process_time()
    slow = crop_of(decode(data, "here"), choose, SIZE)
    end = time.process_time()
    off = np.abs(fast.astype(int) - slow.astype(int))
    return {
        "mean_levels": round(float(off.mean()), 3),
        "most_levels": float(off.max()),
        "speedup": round((end - middle) / (middle - began), 2),
    }


def listing(files: int) -> dict[str, float]:
    """Seconds per million files to open a folder of empty image files, first and second time.

    Folders of 1000 files; nothing is extrapolated but the unit.
    """
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "set"
        for number in range(files):
            folder = root / f"c{number // 1000}"
            if number % 1000 == 0:
                folder.mkdir(parents=True)
            (folder / f"{number}.jpg").touch()
        time.sleep(index.SETTLED + 1)  # folders that were changed just now get no index
        seconds = []
        for _ in range(2):
            began = time.process_time()
            assert len(imagefolder.load(Request(str(root), Path(name))).train) == files
            seconds.append(time.process_time() - began)
    first, second = (round(one / files * 1e6, 2) for one in seconds)
    return {"files": files, "first": first, "second": second}


def rows(found: dict[str, Any]) -> Iterator[str]:
    yield "| one core, 500x375 to 224, quality 90 | images/s | to torchvision |"
    yield "|---|---|---|"
    base = found["images_per_second"]["torchvision"]
    for name, rate in found["images_per_second"].items():
        yield f"| {name} | {rate:,.0f} | {rate / base:.2f}x |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--files", type=int, default=200_000)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write_images(root, arguments.images)
        each = rates(root, arguments.rounds)
    found = {
        "command": "make bench-data",
        "cpu": cpu_name(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "images": arguments.images,
        "images_per_second": {name: round(statistics.median(one), 1) for name, one in each.items()},
        "listing": listing(arguments.files),
        "reduced_decoding": reduced_decoding(),
        "rounds": {name: [round(rate, 1) for rate in one] for name, one in each.items()},
        "versions": {
            "pillow": PIL.__version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
        },
    }
    arguments.out.write_bytes(to_json(found))
    print("\n".join(rows(found)))
    print(found["reduced_decoding"], found["listing"])


if __name__ == "__main__":
    main()
