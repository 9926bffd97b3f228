"""``dwlt runs``: what is on disk. Reads small files only, and never imports torch."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from dwlt.cli.options import F, config_options, json_option, runs_option, sharing
from dwlt.cli.streams import echo
from dwlt.errors import DwltError, UserError
from dwlt.runs import layout
from dwlt.runs.done import check_steps
from dwlt.runs.folder import asked_rounds, read_spec


def below_group(function: F) -> Callable[..., Any]:
    """Give a command of the group --runs and --json, which may also stand before its name."""

    @wraps(function)
    def inner(**arguments: Any) -> Any:
        ctx = click.get_current_context()
        above = ctx.parent
        for name in ("runs", "as_json"):
            own = ctx.get_parameter_source(name)
            if above is not None and own is not None and own is not ParameterSource.COMMANDLINE:
                arguments[name] = above.params.get(name, arguments[name])
        return function(**arguments)

    return sharing(runs_option, json_option)(inner)


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
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_, runs=runs, as_json=as_json)


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


@command.command("matrix", short_help="How far a config's experiment is, and the time left.")
@sharing(*config_options)
@below_group
def matrix_(
    config: str | None, changes: tuple[str, ...], seed: int | None, runs: Path, as_json: bool
) -> None:
    """How far a config's experiment is: done, running, failed, to do, and the time left.

    A line per search, task, fraction and transfer regime, a column per round. A cell says how
    many of its seeds are done; dots mark running ones, "!" failed ones. With strategy =
    "frontier" the cells are those that the searches have asked for so far.
    """
    from dwlt.cli.cells import duration
    from dwlt.cli.show import Show, emit_json
    from dwlt.runs.plan import Plan, State, matrix
    from dwlt.spec import load_experiment

    experiment = load_experiment(config, changes, {} if seed is None else {"seed": seed})
    strategy = "full" if experiment.grid is None else experiment.grid.strategy
    ended = True
    if strategy == "frontier":
        from dwlt.grid.matrix import of_frontiers

        plan, ended = of_frontiers(experiment, runs)
    else:
        plan = Plan.of(experiment, runs)
    found = matrix(plan)
    if as_json:
        emit_json(found.values() | {"strategy": strategy, "ended": ended})
        return
    show = Show()
    show.table(
        "",
        ["pre-training", "search", "rounds", "state"],
        [
            *([label, "", "", state.value] for label, state in found.pretrainings),
            *(
                [*label.split(" pre-training, ", 1), f"{done}/{of}", state.value]
                for label, done, of, state in found.searches
            ),
        ],
        left=2,
    )
    rounds = sorted({round_ for line in found.lines for round_ in line.counts})
    show.table(
        "",
        ["transfers, by round", *map(str, rounds)],
        [[line.label, *(cell_text(line.counts.get(r)) for r in rounds)] for line in found.lines],
    )
    totals = found.totals
    words = ", ".join(f"{totals[state]} {state.value}" for state in State)
    echo(f"\n{words}; {found.workers} at work", err=True)
    if found.seconds_left is not None and totals[State.DONE] < totals.total():
        least = "" if ended else "at least "
        echo(f"{least}about {duration(found.seconds_left)} left", err=True)
    if not ended:
        echo(
            "these are the transfers that the search for the extreme sparsity has asked for so "
            "far, and it has not ended",
            err=True,
        )


def cell_text(count: Mapping[Any, int] | None) -> str:
    """``2/3``, with "…" for running ones and "!" for failed ones; "" where there is no cell."""
    if count is None:
        return ""
    from dwlt.runs.state import State

    marks = "…" * bool(count[State.RUNNING]) + "!" * bool(count[State.FAILED])
    return f"{count[State.DONE]}/{sum(count.values())}{marks}"


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
