"""``dwlt runs matrix`` and ``watch``: how far a config's experiment has come."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from dwlt.cli.options import F, config_options, json_option, runs_option, sharing
from dwlt.cli.streams import echo

if TYPE_CHECKING:
    from dwlt.runs.plan import Matrix


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


@click.command("matrix", short_help="How far a config's experiment is, and the time left.")
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
    from dwlt.grid.matrix import so_far
    from dwlt.runs.plan import State, matrix
    from dwlt.spec import load_experiment

    experiment = load_experiment(config, changes, {} if seed is None else {"seed": seed})
    plan, ended = so_far(experiment, runs)
    found = matrix(plan)
    strategy = "full" if experiment.grid is None else experiment.grid.strategy
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


@click.command("watch", short_help="Follow a config's experiment while other processes work on it.")
@click.option(
    "--every",
    metavar="SECONDS",
    type=click.FloatRange(min=0.1),
    default=10.0,
    show_default=True,
    help="How often to look.",
)
@sharing(*config_options)
@below_group
def watch(
    every: float,
    config: str | None,
    changes: tuple[str, ...],
    seed: int | None,
    runs: Path,
    as_json: bool,
) -> int:
    """Follow a config's experiment: a line whenever something was done, begun or failed.

    Ends when all is done, with exit code 1 if something failed; or when nobody has been at work
    for a minute. Looks only, and takes no lock. With --json each line is an object.
    """
    from dwlt.grid.matrix import so_far
    from dwlt.runs.plan import State, matrix
    from dwlt.spec import load_experiment

    experiment = load_experiment(config, changes, {} if seed is None else {"seed": seed})
    last, idle = "", 0.0
    while True:
        plan, ended = so_far(experiment, runs)
        found = matrix(plan)
        line = json.dumps(found.values(), sort_keys=True) if as_json else progress(found)
        if line != last:
            echo(line)
        if ended and not found.left:
            return 1 if found.failed else 0
        idle = 0.0 if found.workers else idle + every
        if idle >= IDLE:
            left = f"transfers left to do: {found.totals[State.TODO]}"
            echo(f"nobody is at work on it; {left}: `dwlt run` goes on", err=True)
            return 1
        last = line
        time.sleep(every)


IDLE = 60.0
"""Seconds without anybody at work after which ``watch`` ends: no two jobs are so far apart."""


def progress(found: Matrix) -> str:
    """How far an experiment is, in a line."""
    from dwlt.cli.cells import duration
    from dwlt.runs.plan import State

    totals = found.totals
    done = sum(state is State.DONE for _, state in found.pretrainings)
    rounds = sum(done_ for _, done_, _, _ in found.searches)
    words = [
        f"{done} of {len(found.pretrainings)} pre-trainings",
        f"{rounds} of {sum(of for _, _, of, _ in found.searches)} rounds",
        f"{totals[State.DONE]} of {totals.total()} transfers done",
    ]
    words += [f"{totals[s]} {s.value}" for s in (State.RUNNING, State.FAILED) if totals[s]]
    text = f"{', '.join(words)}; {found.workers} at work"
    if found.seconds_left and found.left:
        text += f"; about {duration(found.seconds_left)} left"
    return text


def cell_text(count: Mapping[Any, int] | None) -> str:
    """``2/3``, with "…" for running ones and "!" for failed ones; "" where there is no cell."""
    if count is None:
        return ""
    from dwlt.runs.state import State

    marks = "…" * bool(count[State.RUNNING]) + "!" * bool(count[State.FAILED])
    return f"{count[State.DONE]}/{sum(count.values())}{marks}"
