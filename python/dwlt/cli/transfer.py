"""``dwlt transfer``"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dwlt.cli.engines import EngineOptions, on_engine
from dwlt.cli.options import Settings, dry_run_option, grid_options, sharing, working
from dwlt.cli.search import SearchOptions, downstream_options, searching

if TYPE_CHECKING:
    from dwlt.runs.context import Context
    from dwlt.spec import Experiment, TransferRegime


@click.command()
@click.option("--adv", is_flag=True, help="Fine-tune adversarially (default: on clean images).")
@sharing(*downstream_options(only=False))
@click.option(
    "--rounds",
    metavar="R,R,...|all|spread",
    help="Which tickets. Round 0, the dense network, is always among them. Default: the config's.",
)
@click.option(
    "--seeds",
    metavar="N",
    type=click.IntRange(1, 1000),
    help="Runs per ticket. Default: the config's.",
)
@searching
@sharing(*grid_options, dry_run_option)
@on_engine
@working
def command(
    settings: Settings,
    adv: bool,
    rounds: str | None,
    seeds: int | None,
    search: SearchOptions,
    keep_going: bool,
    retry_failed: bool,
    dry_run: bool,
    engine: EngineOptions,
) -> None:
    """Fine-tune tickets and the dense network on the downstream task.

    Run it once without --adv and once with it: a double win needs both. Earlier stages that are
    missing are run first. A config with a [grid] has all its cells under that regime done, which
    the options narrow down; `dwlt run` does both regimes.

    Several processes may work on one runs folder: each cell is done by one of them.

    \b
    Examples:
      dwlt transfer
      dwlt transfer --adv --rounds 0,6,10 --seeds 3
      dwlt transfer --adv --to cifar10 --fraction 0.1
    """
    from dwlt.cli import costs
    from dwlt.cli.session import session
    from dwlt.cli.show import emit_json
    from dwlt.grid import walk as grid
    from dwlt.runs.plan import Plan
    from dwlt.spec import at_rounds

    which = _rounds(rounds)
    experiment = search.experiment(
        settings,
        transfer__rounds=which,
        transfer__seeds=seeds,
    )
    if isinstance(which, tuple):
        experiment = at_rounds(experiment, which)
    regime: TransferRegime = "adversarial" if adv else "standard"
    _require_cells(experiment, regime)

    def plan_of(context: Context) -> Plan:
        return Plan.of(experiment, context.runs, [regime], full_searches=False)

    if dry_run:
        costs.dry_run(settings, experiment, plan_of)
        return
    with (
        engine.opened() as opened,
        session(settings, experiment) as (context, show),
    ):
        plan = plan_of(context)
        grid.walk(plan, context, grid.Policy(keep_going, retry_failed, opened), asked=False)
        cells = grid.cells(plan)
    if settings.as_json:
        emit_json([{"folder": str(folder), "result": result.values()} for folder, result in cells])
        return
    from dwlt.cli.cells import accuracy
    from dwlt.units import sparsity_text

    show.table(
        f"{'adversarial' if adv else 'standard'} transfer to {experiment.downstream.task}",
        ["round", "sparsity", "seed", "test SA", "test RA", "n", "best epochs", "run"],
        [
            [
                str(result.round),
                sparsity_text(result.kept, result.total),
                str(result.seed),
                accuracy(result.accuracy("sa")),
                accuracy(result.accuracy("ra")),
                str(result.best_sa.test.sa.n),
                ", ".join(str(best.epoch) for best in (result.best_sa, result.best_ra) if best),
                folder.name,
            ]
            for folder, result in cells
        ],
    )


def _require_cells(experiment: Experiment, regime: TransferRegime) -> None:
    """Refuse to do nothing, where a grid and the options that narrow it leave nothing to do."""
    from dwlt.spec import variants

    found = variants(experiment)
    if not found:
        raise click.UsageError(
            "the grid transfers nothing of what the options name: see its control_fractions"
        )
    if not any(one.regime == regime for one in found):
        other = "without --adv" if regime == "adversarial" else "with --adv"
        raise click.UsageError(f"the grid has no {regime} transfer; run this {other}")


def _rounds(text: str | None) -> str | tuple[int, ...] | None:
    if text is None or text in ("all", "spread"):
        return text
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdigit() for part in parts):
        raise click.BadParameter(
            f"{text!r} is not a list of rounds; write 0,6,10 or all or spread",
            param_hint="'--rounds'",
        )
    return tuple(int(part) for part in parts)
