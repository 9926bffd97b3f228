"""Tasks: images of named classes, split into train, validation and test.

``load_task`` turns a ``TaskSpec`` into a ``Task`` whose splits yield batches with pixels in
[0, 1]. Everything random is a function of seeds and sample ids.
"""

from dwlt.data.augment import AUGMENTS
from dwlt.data.corrupted import CorruptedFolder
from dwlt.data.load import RESIDENT_BYTES, class_names, load_task
from dwlt.data.registry import list_tasks
from dwlt.data.types import Batch, Split, Task

__all__ = [
    "AUGMENTS",
    "RESIDENT_BYTES",
    "Batch",
    "CorruptedFolder",
    "Split",
    "Task",
    "class_names",
    "list_tasks",
    "load_task",
]
