"""The JSON Schema of every result file: ``python -m dwlt.results.schema`` writes ``docs/schema``.

The schema says what this version writes. Older files lack some keys and are read all the same.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from dwlt.results.read import MODELS

FOLDER = Path("docs/schema")


def schemas() -> dict[str, str]:
    """Text of each schema file by its name, such as ``transfer.json``."""
    return {f"{stage}.json": _schema(stage) for stage in MODELS}


def _schema(stage: str) -> str:
    value = MODELS[stage].model_json_schema(mode="serialization", by_alias=True)
    value["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(value, indent=1, sort_keys=True) + "\n"


def main(folder: Path = FOLDER) -> None:
    """Write the files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in schemas().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
