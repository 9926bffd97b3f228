"""MLflow: a run for each training, in the experiment "dwlt"."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from mlflow.tracking import MlflowClient

EXPERIMENT = "dwlt"
_PLACE = "MLFLOW_TRACKING_URI"


class Tracker:
    """Logs to the server or store of ``MLFLOW_TRACKING_URI``, else to a database in the folder.

    Args:
        folder: of the store where no other is named.
    """

    def __init__(self, folder: Path) -> None:
        self._client = MlflowClient(os.environ.get(_PLACE) or _own_store(folder))
        self._run: str | None = None

    def begin(self, name: str) -> None:
        """A new run; a training that goes on after a stop is another one of the same name."""
        self._finish("KILLED")
        found = self._client.get_experiment_by_name(EXPERIMENT)
        number = found.experiment_id if found else self._client.create_experiment(EXPERIMENT)
        self._run = self._client.create_run(number, run_name=name).info.run_id

    def log(self, epoch: int, values: Mapping[str, float]) -> None:
        """Metrics at the epoch's number."""
        assert self._run is not None
        for key, value in values.items():
            self._client.log_metric(self._run, key, value, step=epoch)

    def end(self, summary: str) -> None:
        """The summary as a tag."""
        assert self._run is not None
        self._client.set_tag(self._run, "summary", summary)
        self._finish("FINISHED")

    def close(self) -> None:
        """A run that was begun and has not ended counts as killed."""
        self._finish("KILLED")

    def _finish(self, status: str) -> None:
        if self._run is not None:
            self._client.set_terminated(self._run, status)
            self._run = None


def _own_store(folder: Path) -> str:
    """A store of plain files: the database that MLflow prefers needs more packages."""
    folder.mkdir(parents=True, exist_ok=True)
    # MLflow refuses its own file store unless it is told that this is meant.
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    return folder.resolve().as_uri()
