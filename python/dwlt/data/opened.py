"""The tasks that one command has open, so that stages which follow each other decode once."""

from __future__ import annotations

from dwlt.data.load import load_task
from dwlt.data.types import Task
from dwlt.events import Message
from dwlt.runs.context import Context
from dwlt.spec import TaskSpec

OPEN_TASKS = 2
"""How many are kept: the source task and a downstream one."""


def open_data(data: TaskSpec, context: Context) -> Task:
    """Load a task, or take the one that the run before has opened.

    What is to be said of the user's own files is told to ``context`` as they are loaded.

    Raises:
        DataError: the images cannot be found, read or split as asked.
    """
    opened: dict[TaskSpec, Task] = context.memo.setdefault("tasks", {})
    task = opened.pop(data, None)
    if task is None:
        task = load_task(data, data_dir=context.data_dir, workers=context.workers)
        for note in task.readings:
            context.observe(Message(f"{data.task}: {note}"))
    while len(opened) >= OPEN_TASKS:
        del opened[next(iter(opened))]
    opened[data] = task
    return task
