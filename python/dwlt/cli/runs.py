"""``dwlt runs``: what is on disk. Reads small files only, and never imports torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from dwlt.cli.options import json_option, runs_option
from dwlt.cli.runs_plan import below_group, matrix_, watch
from dwlt.cli.streams import echo
from dwlt.errors import DwltError, UserError
from dwlt.runs import layout
from dwlt.runs.done import check_steps
from dwlt.runs.folder import asked_rounds, read_spec


@click.group(invoke_without_command=True)
@runs_option
@json_option
@click.pass_context
def command(ctx: click.Context, runs: Path, as_json: bool) -> None:
    """List, show and verify runs. Alone, it lists them.

    \b
    Examples:
      dwlt runs
      dwlt runs show 0a1b2c3d
      dwlt runs verify
      dwlt runs matrix --config study-digits
      dwlt runs watch --config study-digits
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_, runs=runs, as_json=as_json)


command.add_command(matrix_)
command.add_command(watch)


@command.command("list")
@below_group
def list_(runs: Path, as_json: bool) -> None:
    """Every run with its state: done, running (by whom), unfinished."""
    from dwlt.cli.show import Show, emit_json

    found = [
        describe(folder) for stage in layout.STAGES for folder in layout.run_folders(runs, stage)
    ]
    if as_json:
        emit_json(found)
        return
    if not found:
        echo(f"no runs in {runs}; start with `dwlt prune --rounds 20`", err=True)
        return
    Show().table(
        "",
        ["run", "state", "what", "finished"],
        [[f"{r['stage']}/{r['run']}", r["state"], r["what"], r["finished"] or "-"] for r in found],
        left=4,
        optional=("finished",),
    )


@command.command()
@click.argument("run")
@below_group
def show(run: str, runs: Path, as_json: bool) -> None:
    """Show one run: its settings, journal and results. RUN is an id or a folder."""
    from dwlt import _core
    from dwlt.cli.show import emit_json

    folder = find(runs, run)
    journal = [json.loads(line) for line in _core.Ledger.read(str(folder))]
    if as_json:
        more = {"folder": str(folder), "journal": journal, "logs": logs_of(journal)}
        emit_json({**describe(folder), **more})
        return
    info = describe(folder)
    echo(f"{folder}\nstate: {info['state']}\nwhat:  {info['what']}")
    for log in logs_of(journal):
        echo(f"log:   {runs / log}")
    echo("")
    spec = folder / layout.SPEC
    if spec.exists():
        echo(f"--- {layout.SPEC}\n{spec.read_text(encoding='utf-8').rstrip()}\n")
    echo(f"--- {layout.JOURNAL}")
    for entry in journal:
        echo(f"{json.dumps(entry, sort_keys=True)}")


def logs_of(journal: list[dict[str, Any]]) -> list[str]:
    """What the jobs of an engine that worked on a run have printed, the last one at the end."""
    logs = (entry.get("log") for entry in journal if entry.get("event") == "engine")
    return list(dict.fromkeys(str(log) for log in logs if log is not None))


@command.command()
@click.argument("run", required=False)
@below_group
def verify(run: str | None, runs: Path, as_json: bool) -> int:
    """Read every file again and compare it with the journal's digest.

    A result that was never journalled, a missing file and settings that are not the run's fail too.
    """
    from dwlt.cli.show import emit_json
    from dwlt.runs.verify import verify_run

    folders = (
        [find(runs, run)]
        if run
        else [folder for stage in layout.STAGES for folder in layout.run_folders(runs, stage)]
    )
    problems = {str(folder): verify_run(folder) for folder in folders}
    bad = {folder: faults for folder, faults in problems.items() if faults}
    if as_json:
        emit_json({"runs": len(folders), "problems": bad})
    else:
        for folder, faults in bad.items():
            for fault in faults:
                echo(f"{folder}: {fault}")
        echo(f"{len(folders)} runs read, {len(bad)} with problems", err=True)
    return 1 if bad else 0


def find(runs: Path, run: str) -> Path:
    """The folder of a run given by id, by name, or by path.

    Raises:
        UserError: none or several fit.
    """
    if (Path(run) / layout.JOURNAL).is_file():
        return Path(run)
    fits = [
        folder
        for stage in layout.STAGES
        for folder in layout.run_folders(runs, stage)
        if run in (folder.name, layout.id_of(folder), f"{stage}/{folder.name}")
    ]
    if len(fits) != 1:
        what = "no run is" if not fits else f"{len(fits)} runs are"
        raise UserError(f"{what} called {run!r} in {runs}", hint="see `dwlt runs` for their names")
    return fits[0]


def describe(folder: Path) -> dict[str, Any]:
    """One run in a few words, from its small files. Damage is a state, not an error."""
    from dwlt import _core

    stage = folder.parent.name
    from dwlt.runs.state import failure

    try:
        spec = read_spec(folder)
        steps = layout.steps(stage)
        if stage == "prune":
            # A prune run is done when the last round that was asked for is there.
            steps = layout.steps(stage, asked_rounds(folder) or int(spec.get("rounds", 0)))
        checked = check_steps(folder, steps)
        holder = _core.Ledger.holder(str(folder))
    except DwltError as error:
        return _row(folder, "damaged", str(error), None)
    if damage := [problem for one in checked for problem in one.problems if one.committed]:
        return _row(folder, "damaged", damage[0], None)
    done = [one for one in checked if one.result is not None]
    state, finished = "unfinished", None
    if len(done) == len(checked):
        state, finished = "done", (done[-1].result or {}).get("finished")
    elif (fault := failure(folder)) is not None:
        state = f"failed: {fault}"
    if holder is not None:
        state = f"running (pid {holder['pid']} on {holder['host']})"
    words = [str(spec.get("data", {}).get("task", "?"))]
    train = spec.get("train", {})
    words.append(str(train.get("regime", "-")))
    if stage == "prune":
        words.append(f"{max(0, len(done) - 1)} rounds")
    if stage == "transfer":
        words += [f"round {spec.get('round')}", f"seed {spec.get('seed')}"]
        fraction = spec.get("data", {}).get("fraction", 1.0)
        words += [f"fraction {fraction:g}"] if fraction != 1.0 else []
    return _row(folder, state, ", ".join(words), finished)


def _row(folder: Path, state: str, what: str, finished: str | None) -> dict[str, Any]:
    return {
        "stage": folder.parent.name,
        "run": folder.name,
        "id": layout.id_of(folder),
        "state": state,
        "what": what,
        "finished": finished,
    }
