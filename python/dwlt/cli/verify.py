"""``dwlt verify``"""

from __future__ import annotations

import click

from dwlt.cli.engines import EngineOptions, on_engine
from dwlt.cli.options import Settings, sharing, working
from dwlt.cli.search import SearchOptions, downstream_options, searching


@click.command()
@sharing(*downstream_options(only=True))
@click.option(
    "--frontier/--grid",
    "frontier",
    default=None,
    help="Verify what `dwlt frontier` decided, or the sparsest double win of the full grid with "
    "its neighbours. Default: as grid.strategy says; without one, the frontier where `dwlt "
    "frontier` has been run.",
)
@click.option("--prefilter", is_flag=True, help="Run PGD-20 before AutoAttack; labelled so.")
@searching
@on_engine
@working
def command(
    settings: Settings,
    frontier: bool | None,
    prefilter: bool,
    search: SearchOptions,
    engine: EngineOptions,
) -> None:
    """AutoAttack on what the verdict rests on, and on nothing else.

    Attacks the chosen checkpoints of the dense network and of the tickets at the frontier, puts
    the outcomes image by image in the place of the RA that the transfers measured, and judges
    again by the same rule. Both verdicts are shown side by side. Each attack is an evaluation
    under runs/evaluate: it resumes where it was killed, and is skipped when it is done.

    AutoAttack's targeted APGD needs four classes; with fewer it is left out, and the attack is
    called by its parts.

    \b
    Examples:
      dwlt verify
      dwlt verify --frontier --config mine.toml
      dwlt verify --config study-digits --pretrain-regime fast --fraction 0.1
    """
    from dwlt.cli.frontiers import show_verified, verified_values
    from dwlt.cli.session import session
    from dwlt.cli.show import emit_json
    from dwlt.grid.verify import require_verifiable, uses_frontier, verify
    from dwlt.grid.walk import Policy

    experiment = search.experiment(settings, verify__prefilter=prefilter or None)
    with (
        engine.opened() as opened,
        session(settings, experiment) as (context, show),
    ):
        if frontier is None:
            frontier = uses_frontier(experiment, context.runs)
        found = verify(experiment, context, Policy(engine=opened), frontier=frontier)
    if settings.as_json:
        emit_json([verified_values(one) for one in found])
        return
    require_verifiable(found)
    show_verified(show, found)
