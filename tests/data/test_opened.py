"""Tasks that a command has open: loaded once, and what is to be said of them said once."""

from __future__ import annotations

from pathlib import Path

from dwlt.data.opened import open_data
from dwlt.events import Event, Message
from dwlt.runs.context import Context
from dwlt.spec import TaskSpec

from .make import write_folder


def test_what_is_left_out_is_said_once(tmp_path: Path) -> None:
    write_folder(tmp_path / "set", ["bus", "train"], 12)
    (tmp_path / "set/bus/a.avif").write_bytes(b"an image")
    said: list[Event] = []
    context = Context(
        runs=tmp_path / "runs",
        data_dir=tmp_path,
        device="cpu",
        workers=0,
        threads=None,
        observe=said.append,
        stop=lambda: False,
    )
    spec = TaskSpec(task="imagefolder:set")
    task = open_data(spec, context)
    assert open_data(spec, context) is task
    texts = [
        "train/ is taken for a class: images lie directly in it, and beside it is bus",
        "images of kinds that are not read: 1 left out (bus/a.avif)",
    ]
    assert said == [Message(f"imagefolder:set: {text}") for text in texts]
    # Notes on the protocol are for the report alone.
    assert task.readings == tuple(texts)
    assert task.notes[2].startswith("no test part: a quarter of each class is held out")
