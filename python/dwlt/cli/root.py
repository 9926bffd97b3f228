"""The ``dwlt`` group. A command's file is imported only when that command is used."""

from __future__ import annotations

import importlib
import keyword
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import click

from dwlt.cli.disk import full_disk
from dwlt.cli.streams import echo, fill_descriptors, guarded
from dwlt.errors import DwltError, nearest

COMMANDS = {
    "pretrain": "Train the whole network on the source task.",
    "prune": "Find tickets: rounds of training, pruning and rewinding.",
    "transfer": "Fine-tune tickets and the dense network on the downstream task.",
    "run": "Do all of that, for every combination of a config's grid.",
    "frontier": "Find the extreme sparsity with as few transfers as possible.",
    "evaluate": "Score a model file: SA and RA with n and interval.",
    "verify": "AutoAttack on what the verdict rests on.",
    "report": "The double-win table, figures and one HTML page.",
    "export": "Write a network for the Hugging Face hub.",
    "mask": "Make, look at, compare, apply and convert mask files.",
    "runs": "List, show and verify runs.",
    "import": "Make a model file of a published checkpoint.",
    "presets": "List the presets, or show one with every value.",
    "doctor": "Say what is installed, which device there is, and whether dwlt can write.",
}


TRACEBACK = "DWLT_TRACEBACK"
"""Set to anything, an unforeseen fault is shown with its way through the code."""


def module_of(name: str) -> str:
    """The module of a command: its name, with a line below where Python keeps that for itself."""
    return f"dwlt.cli.{name}_" if keyword.iskeyword(name) else f"dwlt.cli.{name}"


class LazyGroup(click.Group):
    """Knows its commands by name and help line; loads a command's module on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(module_of(cmd_name)).command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in COMMANDS:
            near = nearest(name, COMMANDS)
            hint = "" if near is None else f" Did you mean {near!r}?"
            ctx.fail(f"No such command {name!r}.{hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            # Not stdout, which never raises: a pipe that was named as an output. Click would end
            # the process here without a word.
            raise DwltError(
                f"{error.filename or 'an output'}: the reader of the pipe left"
            ) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # From the table above, so that --help imports none of the commands.
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Start with:
  dwlt prune --rounds 20
  dwlt transfer
  dwlt transfer --adv
  dwlt report
Every command resumes by being run again.""",
)
@click.version_option(package_name="dwlt", prog_name="dwlt")
def group() -> None:
    """Find double-win lottery tickets: sparse subnetworks of a (robustly) pre-trained network
    that, moved to a new task, keep both its standard and its robust accuracy."""


def main() -> None:
    """Run the command line; map dwlt's errors to messages and exit codes."""
    fill_descriptors()
    # PyTorch's OpenMP threads wait by spinning. Where another process wants the core, that made
    # small networks five times slower (51 s against 11 s on two busy cores), so they spin briefly.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    code = run(sys.argv[1:])
    # All data are out. What others print while the process ends (atexit) is none of it.
    sys.stdout = sys.stderr
    sys.exit(code)


def run(args: list[str]) -> int:
    """Run one command; returns its exit code: 0, 1 failure, 2 user's mistake, 130 stopped."""
    with guarded() as streams:
        code = _run(args)
        if (lost := streams.lost) is not None:
            echo(f"dwlt: stdout: {lost.strerror}", err=True)
            echo("  -> results are saved; run the same command again to see them", err=True)
            code = code or 1
        return code


def _run(args: list[str]) -> int:
    try:
        # ``obj``: what --devices has to start again, once for each of them.
        result: Any = group.main(args=args, prog_name="dwlt", standalone_mode=False, obj=args)
    except DwltError as error:
        _tell(str(error), error.hint or full_disk(error))
        return error.exit_code
    except click.ClickException as error:
        error.show(file=sys.stderr)
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        _tell("stopped; run the same command again to continue")
        return 130
    except OSError as error:
        name = _name(error.filename) or "the system"
        _tell(f"{name}: {error.strerror or error}", full_disk(error))
        return 1
    except MemoryError:
        _tell("out of memory", "ask for less at a time: a smaller batch_size, fewer images")
        return 1
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        where = traceback.extract_tb(error.__traceback__)[-1]
        _tell(
            f"a fault in dwlt: {type(error).__name__}: {str(error).strip() or 'no message'} "
            f"({Path(where.filename).name}, line {where.lineno})",
            f"please report it; with {TRACEBACK}=1 the same command shows the whole way there",
        )
        return 1
    return result if isinstance(result, int) else 0


def _tell(text: str, hint: str | None = None) -> None:
    echo(f"dwlt: {text}", err=True)
    if hint:
        echo(f"  -> {hint}", err=True)


def _name(path: Any) -> str:
    """A file as an error of the system names it: text, bytes, or a number."""
    return os.fsdecode(path) if isinstance(path, (str, bytes)) else str(path or "")
