"""How long the commands that compute nothing take to answer: `python -m benchmarks.startup`.

Compares `dwlt --help` and `dwlt runs` with the interpreter alone (`python -c pass`) in the same
run; prints medians, spread and ratios.
"""

from __future__ import annotations

import platform
import statistics
import subprocess
import sys
import time

REPEATS = 15
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "dwlt --help": [sys.executable, "-m", "dwlt", "--help"],
    "dwlt runs": [sys.executable, "-m", "dwlt", "runs"],
}


def measure() -> dict[str, list[float]]:
    """Seconds per command, the commands taking turns so that a busy moment hits all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(REPEATS):
        for name, command in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run(command, capture_output=True, check=True)
            seconds[name].append(time.perf_counter() - start)
    return seconds


def main() -> None:
    """Print the table."""
    seconds = measure()
    base = statistics.median(seconds["python -c pass"])
    print(f"{platform.platform()}, Python {platform.python_version()}, {REPEATS} runs each")
    for name, times in seconds.items():
        median = statistics.median(times)
        print(f"{name:16} median {median:.3f} s, max {max(times):.3f} s, x{median / base:.1f}")


if __name__ == "__main__":
    main()
