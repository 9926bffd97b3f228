"""``dwlt presets``"""

from __future__ import annotations

import click

from dwlt.cli.options import json_option


@click.command()
@click.argument("name", required=False)
@json_option
def command(name: str | None, as_json: bool) -> None:
    """List the presets, or show one with every value spelled out.

    \b
    Examples:
      dwlt presets
      dwlt presets digits
    """
    import tomli_w

    from dwlt.cli.show import Show, emit_json
    from dwlt.spec import describe, load_experiment, presets

    if name is not None:
        experiment = load_experiment(name)
        values = experiment.model_dump(mode="json", exclude_none=True)
        if as_json:
            emit_json(values)
        else:
            click.echo(tomli_w.dumps(values), nl=False)
        return
    listed = {preset: load_experiment(preset) for preset in presets()}
    if as_json:
        emit_json({preset: dict(describe(value)) for preset, value in listed.items()})
        return
    Show().table(
        "",
        ["preset", "what it is"],
        [[preset, value.description] for preset, value in listed.items()],
        left=2,
    )
