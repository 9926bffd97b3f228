"""``dwlt presets``"""

from __future__ import annotations

import click

from dwlt.cli.options import json_option
from dwlt.cli.streams import echo_toml


@click.command()
@click.argument("name", required=False)
@click.option("--source", is_flag=True, help="The file itself, with its comments.")
@json_option
def command(name: str | None, source: bool, as_json: bool) -> None:
    """List the presets, or show one with every value spelled out.

    The files of the paper's presets say behind each value where it is from. A preset that extends
    another holds only what differs.

    \b
    Examples:
      dwlt presets
      dwlt presets digits
      dwlt presets paper-svhn --source
    """
    import tomli_w

    from dwlt.cli.show import Show, emit_json
    from dwlt.spec import describe, load_experiment, preset_text, presets

    if source:
        if name is None or as_json:
            raise click.UsageError("--source needs the name of a preset, and no --json")
        echo_toml(preset_text(name))
        return
    if name is not None:
        experiment = load_experiment(name)
        values = experiment.model_dump(mode="json", exclude_none=True)
        if as_json:
            emit_json(values)
        else:
            echo_toml(tomli_w.dumps(values))
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
