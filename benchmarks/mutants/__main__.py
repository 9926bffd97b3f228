"""``python -m benchmarks.mutants``: change the sources on a copy, and see whether tests fail.

Outcomes go to a log, one JSON line each; what the log has is not done again, so a run goes on where
it was stopped. Lines of files that have changed since are dropped. Ends with 1 if a named mutant
has survived.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.mutants.automatic import files_of, mutants
from benchmarks.mutants.bench import ROOT, Bench

HERE = Path(__file__).parent
LOG = ROOT / "benchmarks" / "results" / "mutants.jsonl"


@dataclass(frozen=True)
class Job:
    """One change, and the tests that have to notice it.

    Attributes:
        group: "protocol", or a group of ``modules.toml``.
        file: what is changed, relative to the root.
        text: its content after the change; None where nothing changes.
        tests: what has to notice, quick tests first.
    """

    group: str
    name: str
    file: str
    text: Callable[[], str | None]
    tests: tuple[str, ...]

    @property
    def source(self) -> str:
        """Digest of the file as it was: an outcome is about this."""
        return hashlib.blake2b((ROOT / self.file).read_bytes(), digest_size=8).hexdigest()


def named() -> Iterator[Job]:
    """The mutants of ``protocol.toml``.

    Raises:
        ValueError: a mutant's text is not there exactly once: the source has moved on.
    """
    table = tomllib.loads((HERE / "protocol.toml").read_text(encoding="utf-8"))
    for entry in table["mutant"]:
        text = (ROOT / entry["file"]).read_text(encoding="utf-8")
        for change in (entry, *entry.get("more", [])):
            if text.count(change["old"]) != 1:
                raise ValueError(
                    f"{entry['name']!r}: {entry['file']} has not one {change['old']!r}"
                )
            text = text.replace(change["old"], change["new"])
        tests = tuple(entry.get("tests", table["tests"]))
        yield Job("protocol", entry["name"], entry["file"], partial(str, text), tests)


def automatic(groups: Iterable[str], seed: int) -> list[Job]:
    """The automatic mutants in a seeded order that takes from all groups in turn."""
    table = tomllib.loads((HERE / "modules.toml").read_text(encoding="utf-8"))
    of_file = {file: group for group in table["group"] for file in files_of(group["files"])}
    by_group: dict[str, list[Job]] = {}
    for file, group in sorted(of_file.items()):
        if group["name"] in groups:
            by_group.setdefault(group["name"], []).extend(
                Job(group["name"], one.name, file, one.text, tuple(group["tests"]))
                for one in mutants(file)
            )
    for name, jobs in by_group.items():
        random.Random(f"{seed} {name}").shuffle(jobs)
    longest = max((len(jobs) for jobs in by_group.values()), default=0)
    return [jobs[i] for i in range(longest) for jobs in by_group.values() if i < len(jobs)]


def read(log: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Outcomes by source and name."""
    if not log.exists():
        return {}
    lines = map(json.loads, log.read_text(encoding="utf-8").splitlines())
    return {(line["source"], line["name"]): line for line in lines}


def run(
    jobs: list[Job], log: Path, seconds: float, timeout: float, *, again: bool = False
) -> list[dict[str, Any]]:
    """Do what the log lacks until the time is up; the outcomes of all that is done by then.

    Args:
        again: do instead what the log has as survived: tests may notice it by now.
    """
    known, end = read(log), time.monotonic() + seconds
    survivors = {line["name"] for line in known.values() if line["outcome"] == "survived"}
    done: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        clean: dict[tuple[str, ...], bool] = {}
        for job in jobs:
            found = known.get((job.source, job.name))
            if again and job.name not in survivors:
                continue
            if found is not None and not (again and found["outcome"] == "survived"):
                done.append(found)
                continue
            if time.monotonic() > end:
                continue
            if job.tests not in clean:
                # Tests that fail without a change would kill every mutant.
                outcome, _ = bench.run(job.tests, 4 * timeout)
                clean[job.tests] = outcome == "passed"
                if outcome != "passed":
                    print(bench.log.read_text(errors="replace")[-2000:], file=sys.stderr)
                    print(f"{' '.join(job.tests)}: {outcome} unchanged", file=sys.stderr)
            if not clean[job.tests]:
                continue
            text = job.text()
            if text is None:
                continue
            done.append(_try(bench, job, text, timeout))
            with log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(done[-1], sort_keys=True) + "\n")
            print(f"{done[-1]['outcome']:9} {job.group}: {job.name}", flush=True)
    return done


def _try(bench: Bench, job: Job, text: str, timeout: float) -> dict[str, Any]:
    path = bench.folder / job.file
    before = path.read_text(encoding="utf-8")
    try:
        path.write_text(text, encoding="utf-8")
        outcome, spent = bench.run(job.tests, timeout)
    finally:
        path.write_text(before, encoding="utf-8")
    said = {"passed": "survived", "failed": "killed"}.get(outcome, outcome)
    values = {"group": job.group, "name": job.name, "source": job.source}
    return {**values, "change": _change(before, text), "outcome": said, "cpu": round(spent, 1)}


def _change(before: str, after: str) -> str:
    """The first line that differs, as it was and as it is."""
    pairs = zip(before.splitlines(), after.splitlines(), strict=False)
    old, new = next((pair for pair in pairs if pair[0] != pair[1]), ("", ""))
    return f"{old.strip()} -> {new.strip()}"


def report(done: list[dict[str, Any]], jobs: list[Job]) -> None:
    """A table by group, and the survivors."""
    total = Counter(job.group for job in jobs)
    print("\n| group | mutants | run | killed | survived |\n|---|---|---|---|---|")
    for group, count in total.items():
        mine = [one for one in done if one["group"] == group]
        alive = sum(one["outcome"] == "survived" for one in mine)
        print(f"| {group} | {count} | {len(mine)} | {len(mine) - alive} | {alive} |")
    for one in done:
        if one["outcome"] == "survived":
            print(f"- {one['name']}: `{one['change']}`")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutants", description=__doc__)
    table = tomllib.loads((HERE / "modules.toml").read_text(encoding="utf-8"))
    known = tuple(dict.fromkeys(["protocol", *(group["name"] for group in table["group"])]))
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"of {', '.join(known)}")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so long")
    parser.add_argument("--sample", type=int, help="of the automatic mutants, the first so many")
    parser.add_argument("--seed", type=int, default=0, help="of the order of automatic mutants")
    parser.add_argument("--part", default="1/1", help="2/4: the second of four processes")
    parser.add_argument("--timeout", type=float, default=300.0, help="seconds for one mutant")
    parser.add_argument("--log", type=Path, default=LOG)
    parser.add_argument("--again", action="store_true", help="only the survivors of the log, anew")
    parser.add_argument("--report", action="store_true", help="only what the log says")
    options = parser.parse_args()
    groups = options.groups or known
    if unknown := set(groups) - set(known):
        parser.error(f"no group {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    jobs = list(named()) if "protocol" in groups else []
    jobs += automatic(groups, options.seed)[: options.sample]
    part, parts = (int(number) for number in options.part.split("/"))
    jobs = jobs[part - 1 :: parts]
    seconds = 0.0 if options.report else options.seconds
    done = run(jobs, options.log, seconds, options.timeout, again=options.again)
    report(done, jobs)
    return int(any(x["outcome"] == "survived" and x["group"] == "protocol" for x in done))


if __name__ == "__main__":
    sys.exit(main())
