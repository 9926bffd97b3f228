"""Selection, mask files and checkpoints against reading the weights once and against peers.

One process, one set of arrays for each size, two threads, medians. Ratios are of times taken in
the same run. Writes ``benchmarks/results/masks.json`` and prints the tables of
``benchmarks/README.md``::

    make bench-masks
    python -m benchmarks.masks --sizes 25.6 --no-peers --out look.json   # a quick look
    python -m benchmarks.masks --only memory --sizes 1000   # a part; the file's others stay

Where other work shares the cores, run parts of it ahead of that work (``chrt -f 10`` on Linux).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import prune

import dwlt
from dwlt import _core

OUT = Path(__file__).parent / "results" / "masks.json"
KEEP = 0.8
PEER_LIMIT = 250_000_000
"""Weights beyond which PyTorch's pruning does not fit in memory."""


def median(call: Callable[[], object], repeats: int) -> float:
    """Median of the seconds a call takes, after one that does not count."""
    call()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def once(call: Callable[[], object]) -> float:
    """Seconds of one call: for peers that take so long that a second changes nothing."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def normal(count: int, seed: int = 0) -> Tensor:
    """Normal weights as one tensor."""
    return torch.randn(count, generator=torch.Generator().manual_seed(seed))


def layers(weights: Tensor) -> dict[str, Tensor]:
    """A tensor cut into 50 of growing size, as a network has them; views, not copies."""
    ends = [len(weights) * (i + 1) ** 2 // 2500 for i in range(50)]
    pairs = zip([0, *ends], ends, strict=False)
    return {f"layer{i}.weight": weights[a:b] for i, (a, b) in enumerate(pairs)}


def bench_size(count: int, peers: bool, repeats: int) -> dict[str, Any]:
    """Times for float32 in memory; reading is a sum over all weights."""
    weights = normal(count)
    named = layers(weights)
    row: dict[str, Any] = {"weights": count, "dtype": "float32"}
    row["read_s"] = median(weights.sum, repeats)
    row["select_s"] = median(lambda: dwlt.prune_magnitude(named, sparsity=1 - KEEP), repeats)
    row["read_after_s"] = median(weights.sum, repeats)
    keep = round(count * 0.8**9)
    within = dwlt.prune_magnitude(named, keep=keep)
    row["round10_s"] = median(lambda: dwlt.prune_magnitude(named, rate=0.2, within=within), repeats)
    row["random_s"] = median(lambda: dwlt.prune_random(named, rate=0.2, seed=1), 3)
    if peers:
        kth = count - int(count * KEEP)
        row["kthvalue_s"] = once(lambda: weights.abs().kthvalue(kth))
        array = weights.abs().numpy()
        row["partition_s"] = once(lambda: np.partition(array, kth))
        del array
        if count <= PEER_LIMIT:
            row["torch_s"] = time_torch(named)
    row["ratio_to_read"] = row["select_s"] / min(row["read_s"], row["read_after_s"])
    row["ratio_round10"] = row["round10_s"] / row["select_s"]
    if "torch_s" in row:
        row["times_faster_than_torch"] = row["torch_s"] / row["select_s"]
    return row


def time_torch(named: dict[str, Tensor]) -> float:
    """Seconds of one ``torch.nn.utils.prune.global_unstructured`` on copies of the weights."""
    modules = []
    for tensor in named.values():
        module = nn.Module()
        module.weight = nn.Parameter(tensor.clone())
        modules.append((module, "weight"))
    return once(lambda: prune.global_unstructured(modules, prune.L1Unstructured, amount=1 - KEEP))


def bench_bf16(count: int, repeats: int) -> dict[str, Any]:
    """bfloat16 in memory; reading is a sum of the same bytes as 64-bit integers."""
    weights = normal(count).to(torch.bfloat16)
    raw = weights.view(torch.int64)
    named = {"w": weights}
    read = median(raw.sum, repeats)
    select = median(lambda: dwlt.prune_magnitude(named, sparsity=1 - KEEP), repeats)
    return {"weights": count, "read_s": read, "select_s": select, "ratio_to_read": select / read}


def hostile(count: int) -> dict[str, Tensor]:
    """Weights that other selections are slow on."""
    base = normal(count)
    scale = torch.logspace(-30, 30, 50)
    scaled = base.clone()
    for i, part in enumerate(layers(scaled).values()):
        part.mul_(scale[i])
    coin = torch.rand(count, generator=torch.Generator().manual_seed(1))
    return {
        "random normal": base,
        "sorted": torch.linspace(0, 4, count),
        "constant": torch.full((count,), 0.25),
        "two values": (coin < 0.5).float() + 0.5,
        "denormal": base * 1e-39,
        "wildly different scales": scaled,
        "99.9% zeros": torch.where(coin < 0.001, base, 0.0),
        "large ones at every 4096th place": base.index_fill(0, torch.arange(0, count, 4096), 1e9),
    }


def bench_hostile(count: int, repeats: int) -> dict[str, float]:
    """Seconds of one selection each."""
    seconds = {}
    for name, weights in hostile(count).items():
        select = partial(dwlt.prune_magnitude, layers(weights), sparsity=1 - KEEP)
        seconds[name] = median(select, repeats)
    return seconds


def bench_masks(count: int, folder: Path, repeats: int) -> dict[str, float]:
    """A mask file against plain writing (to the disk) and reading of as many bytes."""
    masks = dwlt.prune_magnitude({"w": normal(count)}, sparsity=1 - KEEP)
    content = os.urandom(count // 8)
    plain, path = folder / "plain", folder / "mask"

    def write() -> None:
        with plain.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    bools = masks["w"]
    result = {"weights": float(count), "write_s": median(write, repeats)}
    result["save_s"] = median(lambda: masks.save(path), repeats)
    result["read_s"] = median(plain.read_bytes, repeats)
    result["load_s"] = median(lambda: dwlt.MaskSet.load(path), repeats)
    result["file_bytes"] = float(path.stat().st_size)
    result["unpack_s"] = median(lambda: masks["w"], repeats)
    result["fill_bool_s"] = median(lambda: np.ones(count, np.bool_), repeats)
    result["pack_s"] = median(lambda: dwlt.MaskSet.from_bools({"w": bools}), repeats)
    result["digest_s"] = median(lambda: masks.digest, repeats)
    return result


def write_checkpoint(path: Path, count: int, dtype: str) -> None:
    """A safetensors file of normal weights, written in pieces."""
    width = {"F32": 4, "BF16": 2}[dtype]
    header = {"w": {"dtype": dtype, "shape": [count], "data_offsets": [0, count * width]}}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    rng = np.random.default_rng(0)
    piece = rng.standard_normal(1 << 24, np.float32)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for at in range(0, count, len(piece)):
            part = np.roll(piece, at // len(piece) * 7919)[: count - at]
            # Truncated, not rounded: it is only to be written fast.
            bits = part if dtype == "F32" else (part.view(np.uint32) >> 16).astype(np.uint16)
            bits.tofile(file)


PEAK_OF = """
def peak():
    # Not ru_maxrss: a child inherits its parent's.
    status = open("/proc/self/status").read()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024
"""

PEAK = """
import sys, dwlt
dwlt.prune_magnitude, dwlt.prune_checkpoint
before = peak()
masks = dwlt.prune_checkpoint(sys.argv[1], sparsity=0.2, only=["*"])
print(peak() - before, masks.total, masks.kept)
"""


def bench_file(path: Path, count: int, dtype: str, repeats: int) -> dict[str, Any]:
    """A page-cached file: reading it into one buffer, selecting, and the memory that takes."""
    write_checkpoint(path, count, dtype)
    buffer = bytearray(1 << 24)

    def read() -> None:
        with path.open("rb", buffering=0) as file:
            while file.readinto(buffer):
                pass

    row: dict[str, Any] = {"weights": count, "dtype": dtype, "bytes": path.stat().st_size}
    row["read_s"] = median(read, repeats)
    row["select_s"] = median(
        lambda: dwlt.prune_checkpoint(path, sparsity=1 - KEEP, only=["*"]), repeats
    )
    row["share_of_read_rate"] = row["read_s"] / row["select_s"]
    told = subprocess.run(
        [sys.executable, "-c", PEAK_OF + PEAK, str(path)],
        check=True,
        capture_output=True,
        text=True,
    )
    peak, total, kept = map(int, told.stdout.split())
    assert (total, kept) == (count, count - _core.count_to_remove(count, 1 - KEEP))
    row["extra_bytes"] = peak
    row["mask_bytes"] = count // 8
    path.unlink()
    return row


def extra_memory(count: int) -> dict[str, int]:
    """Bytes that a selection in memory takes beyond the weights, at its peak; masks included."""
    program = (
        "import torch, dwlt\n"
        f"weights = torch.randn({count})\n"
        "dwlt.prune_magnitude({'w': weights[:1000]}, rate=0.2)\n"
        "before = peak()\n"
        "dwlt.prune_magnitude({'w': weights}, rate=0.2)\n"
        "print(peak() - before)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", PEAK_OF + program], check=True, capture_output=True
    )
    allowed = count * 4 // 50 + (64 << 20)
    extra = int(told.stdout) - count // 8
    return {"weights": count, "beyond_weights_and_masks": extra, "allowed": allowed}


def machine() -> dict[str, Any]:
    """What the times were taken on."""
    model = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text().splitlines()
        model = next((s.split(":")[1].strip() for s in lines if s.startswith("model name")), model)
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


def ms(seconds: float | None) -> str:
    """Milliseconds for people."""
    return "-" if seconds is None else f"{seconds * 1e3:,.1f} ms"


def show(result: dict[str, Any]) -> str:
    """The tables of ``benchmarks/README.md``."""
    lines = [
        "| weights (f32, in memory) | read once | dwlt | to read | round 10 | random "
        "| kthvalue | numpy partition | torch prune |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in result["memory"]:
        torch_s = row.get("torch_s")
        faster = f" ({row['times_faster_than_torch']:.0f}x)" if torch_s else ""
        lines.append(
            f"| {row['weights'] / 1e6:,.1f}M | {ms(min(row['read_s'], row['read_after_s']))} "
            f"| {ms(row['select_s'])} | {row['ratio_to_read']:.2f}x | {ms(row['round10_s'])} "
            f"({row['ratio_round10']:.2f}x) | {ms(row['random_s'])} "
            f"| {ms(row.get('kthvalue_s'))} | {ms(row.get('partition_s'))} "
            f"| {ms(torch_s)}{faster} |"
        )
    row = result["bf16"]
    lines += [
        "",
        f"bf16, {row['weights'] / 1e6:.0f}M: {ms(row['select_s'])}, "
        f"{row['ratio_to_read']:.2f}x reading the same bytes.",
        "",
        "| file, page-cached | read | dwlt | share of the read rate | memory beyond the masks |",
        "|---|---|---|---|---|",
    ]
    for row in result["files"]:
        extra = max(0, row["extra_bytes"] - row["mask_bytes"])
        lines.append(
            f"| {row['weights'] / 1e6:,.0f}M {row['dtype']} | {ms(row['read_s'])} "
            f"| {ms(row['select_s'])} | {row['share_of_read_rate']:.2f} | {extra / 2**20:.0f} MiB |"
        )
    base = result["hostile"]["random normal"]
    lines += ["", "| weights (hostile) | dwlt | to random normal |", "|---|---|---|"]
    for name, seconds in result["hostile"].items():
        lines.append(f"| {name} | {ms(seconds)} | {seconds / base:.2f}x |")
    m = result["masks"]
    lines += [
        "",
        f"Masks of {m['weights'] / 1e6:.0f}M weights, {m['file_bytes'] / 1e6:.1f} MB: "
        f"save {ms(m['save_s'])} (writing as many bytes {ms(m['write_s'])}), "
        f"load {ms(m['load_s'])} (reading {ms(m['read_s'])}), digest {ms(m['digest_s'])}, "
        f"unpack {ms(m['unpack_s'])} (filling as many booleans {ms(m['fill_bool_s'])}), "
        f"pack {ms(m['pack_s'])}.",
    ]
    for row in result["extra_memory"]:
        lines.append(
            f"Memory beyond weights and masks at {row['weights'] / 1e6:.0f}M: "
            f"{row['beyond_weights_and_masks'] / 2**20:.0f} MiB "
            f"(allowed {row['allowed'] / 2**20:.0f} MiB)."
        )
    return "\n".join(lines)


PARTS = ("memory", "bf16", "hostile", "masks", "extra_memory", "files")


def run(part: str, asked: argparse.Namespace) -> Any:
    """What one part of the benchmark measures."""
    sizes = [round(float(text) * 1e6) for text in asked.sizes.split(",")]
    middle, repeats = 200_000_000 if 200_000_000 in sizes else sizes[0], asked.repeats
    if part == "memory":
        return [bench_size(n, not asked.no_peers, repeats if n < 5e8 else 3) for n in sizes]
    if part == "bf16":
        return bench_bf16(middle, repeats)
    if part == "hostile":
        return bench_hostile(middle, repeats)
    if part == "extra_memory":
        return [extra_memory(count) for count in sizes]
    with tempfile.TemporaryDirectory() as name:
        if part == "masks":
            return bench_masks(middle, Path(name), repeats)
        files = (text.split(":") for text in asked.files.split(",") if text)
        return [bench_file(Path(name) / "w", int(n) * 10**6, dtype, 3) for n, dtype in files]


def merged(old: Any, new: Any) -> Any:
    """Rows of the same weights and type are replaced, others stay."""
    if not isinstance(new, list):
        return new
    rows = {(row["weights"], row.get("dtype")): row for row in [*(old or []), *new]}
    return sorted(rows.values(), key=lambda row: row["weights"])


def main() -> None:
    """Run everything that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="25.6,200,1000", help="millions of weights")
    parser.add_argument("--files", default="200:F32,1000:F32,3000:BF16")
    parser.add_argument("--only", default=",".join(PARTS), help="parts: " + ", ".join(PARTS))
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    parts = asked.only.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    torch.set_num_threads(2)
    whole = set(parts) == set(PARTS) or not asked.out.exists()
    result: dict[str, Any] = {} if whole else json.loads(asked.out.read_text(encoding="utf-8"))
    result["machine"] = machine()
    for part in parts:
        load = os.getloadavg()[0]
        result[part] = merged(result.get(part), run(part, asked))
        result.setdefault("load_before", {})[part] = load
        print(f"done: {part}", file=sys.stderr)
    asked.out.parent.mkdir(exist_ok=True)
    asked.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if all(part in result for part in PARTS):
        print(show(result))


if __name__ == "__main__":
    main()
