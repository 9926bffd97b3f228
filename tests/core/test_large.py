"""More weights than 32 bits count, from a file, under a cap on memory."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest

TOTAL = 2**32 + 2**28 + 77
PLACES = [5, 2**31 - 1, 2**32 - 1, 2**32, 2**32 + 12_345, TOTAL - 1]

SELECT = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (3 << 29, 3 << 29))
import dwlt
masks = dwlt.prune_checkpoint(sys.argv[1], keep=int(sys.argv[3]), only=["w"])
masks.save(sys.argv[2])
print(masks.kept, masks.total)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the cap on memory is Linux's")
def test_beyond_32_bits(tmp_path: Path) -> None:
    # A sparse file: 9 GB to whoever reads it, a few pages on disk. Its weights are +0.0 but for
    # some of -1.5 (0xbfc0), so that the mask is known without a second implementation.
    weights, mask = tmp_path / "w.safetensors", tmp_path / "mask"
    header = json.dumps(
        {"w": {"dtype": "BF16", "shape": [TOTAL], "data_offsets": [0, 2 * TOTAL]}}
    ).encode()
    start = 8 + len(header)
    with weights.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        for place in PLACES:
            file.seek(start + 2 * place)
            file.write(b"\xc0\xbf")
    for ties in (0, 3):
        keep = len(PLACES) + ties
        command = [sys.executable, "-c", SELECT, str(weights), str(mask), str(keep)]
        told = subprocess.run(command, check=True, capture_output=True, text=True)
        assert told.stdout == f"{keep} {TOTAL}\n"
        # Of the zeros the first are kept: 0, 1, 2.
        expected = sorted({*PLACES, *range(ties)})
        assert kept_places(mask) == expected


def kept_places(mask: Path) -> list[int]:
    places = []
    with mask.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        file.seek(length, 1)
        at = 0
        while piece := file.read(1 << 24):
            if piece.strip(b"\0"):
                found = (i for i, byte in enumerate(piece) if byte)
                for i in found:
                    places += [(at + i) * 8 + bit for bit in range(8) if piece[i] >> bit & 1]
            at += len(piece)
    return places
