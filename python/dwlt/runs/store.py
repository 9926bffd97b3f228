"""A run folder that this process holds: its spec, its journal, its files, and what heals it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import tomli_w
from pydantic import ValidationError

from dwlt import _core
from dwlt.errors import DataError, DwltError, InterruptError, LedgerError
from dwlt.results import MODELS, RunResult
from dwlt.results.base import explain
from dwlt.results.estimate import Estimate
from dwlt.results.files import environment, read_result, to_json
from dwlt.results.run import FORMAT_NAME, VERSION
from dwlt.runs import layout
from dwlt.runs.done import Checked, Steps, StepState, check_steps, contradictions, files_of
from dwlt.runs.estimates import recall
from dwlt.runs.folder import read_settings
from dwlt.spec import StageSpec, identity_values


def run_id(stage: str, spec: StageSpec, starts: Mapping[str, str]) -> str:
    """The id8 of a run: digest of its non-default values and of what it starts from."""
    values = json.dumps(identity_values(spec), sort_keys=True, separators=(",", ":"))
    return _core.run_id(stage, values, dict(starts))


class Run:
    """A run folder, held by this process until closed.

    Use as a context manager. Opening removes what a killed process left half written, and heals:
    ``spec.toml`` is written where it is missing or damaged; a step whose result was written and
    not committed is committed if its files are proven, and otherwise loses its result, so that it
    is done again.

    Args:
        folder: made if need be.
        spec: the run's settings.
        starts: digests of what it starts from, by what they are.
        steps: the steps in order, each with its result file.

    Attributes:
        healed: what opening had to mend, in words for the user.

    Raises:
        BusyError: another process holds the folder.
        LedgerError: the folder belongs to another spec, its journal is damaged, or a committed
            file is gone or not what it was.
    """

    def __init__(
        self, folder: Path, spec: StageSpec, starts: Mapping[str, str], steps: Steps
    ) -> None:
        self.folder = folder
        self.spec = spec
        self.starts = dict(starts)
        self.id = layout.id_of(folder)
        self.healed: list[str] = []
        self._steps = list(steps)
        self._opened = time.monotonic()
        self._trained = self._waited = 0.0
        folder.mkdir(parents=True, exist_ok=True)
        header = {"id": self.id, "starts": self.starts}
        self.ledger = _core.Ledger.open(str(folder), json.dumps(header), self._steps)
        try:
            self._keep_spec()
            for checked in check_steps(folder, self._steps):
                self._heal(checked)
        except BaseException:
            self.ledger.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, InterruptError):
            # Read by `dwlt run` and `dwlt runs`. Steps that are done stay done.
            text = str(error).strip() or type(error).__name__
            # On a full disk even the note fails, and must not hide why.
            with suppress(DwltError, OSError):
                self.note("failed", error=text.splitlines()[0])
        self.ledger.close()

    def write(self, name: str, content: bytes) -> None:
        """Write a file of this run atomically: temporary sibling, fsync, rename."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        _core.write_atomic(str(path), content)

    def note(self, event: str, **values: Any) -> None:
        """Journal a remark."""
        self.ledger.note(json.dumps({"event": event, **values}))

    def begin(self, images: str, device: str) -> None:
        """Note where work goes on, and tie the run to its images.

        Args:
            images: the fingerprint of the task's images.
            device: in words; with versions it tells where a resumed run's numbers come from.

        Raises:
            DataError: the images are not those that the run began with.
        """
        self.bind("images", images)
        self.note("work", environment=environment(device))

    def trained(self, seconds: float, waited: float) -> None:
        """Count the time of an epoch, and how much of it steps waited for images."""
        self._trained += seconds
        self._waited += waited

    def bind(self, what: str, digest: str) -> None:
        """Tie the run to something it uses; a later session must find the same.

        Raises:
            DataError: it was tied to another digest before.
        """
        for record in _core.Ledger.read(str(self.folder)):
            entry = json.loads(record)
            if entry.get("event") == "bind" and entry.get("what") == what:
                if entry["digest"] != digest:
                    raise DataError(
                        f"the {what} of run {self.folder.name} have changed since it began",
                        hint=f"put the old {what} back, or remove {self.folder} and start over",
                    )
                return
        self.note("bind", what=what, digest=digest)

    def finish(
        self, step: str, values: Mapping[str, Any], *, files: Sequence[str] = (), device: str
    ) -> RunResult:
        """Write a step's result, the last of its files, and journal the step as done.

        The journal first notes what all files are to be, so that a kill in between is healed.

        Args:
            step: the plan's word for it.
            values: what this stage found; identity, environment and times are added.
            files: the step's other files, relative to the run folder, journalled by digest.
            device: what the numbers were computed on, in words.

        Returns:
            The whole result, as its file holds it.

        Raises:
            LedgerError: the result contradicts itself (nothing is written), or a file is missing.
        """
        stage = self.folder.parent.name
        waiting = round(min(1.0, self._waited / self._trained), 4) if self._trained else None
        estimate = self._estimate(stage, values, device)
        complete = {
            "format": FORMAT_NAME,
            "version": VERSION,
            "stage": stage,
            "id": self.id,
            "name": self.spec.name,
            "spec": spec_values(self.spec),
            "starts": self.starts,
            "environment": environment(device),
            "seconds": round(time.monotonic() - self._opened, 3),
            "finished": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            **({} if waiting is None else {"waiting": waiting}),
            **({} if estimate is None else {"estimate": estimate}),
            **values,
        }
        try:
            result = MODELS[stage].model_validate(complete)
        except ValidationError as error:
            raise LedgerError(
                f"the result of {step} contradicts itself: {explain(error)}"
            ) from error
        self.ledger.finish(step, list(files), to_json(result.values()))
        self._opened = time.monotonic()
        self._trained = self._waited = 0.0
        return result

    def _estimate(self, stage: str, values: Mapping[str, Any], device: str) -> Estimate | None:
        """What a dry run said of this step. Rounds that do not train were not estimated."""
        if stage == "prune" and values.get("search") is None:
            return None
        return recall(self.folder.parent.parent, stage, self.spec, device)

    def _keep_spec(self) -> None:
        there = (self.folder / layout.SPEC).exists()
        if there and spec_is_intact(self.folder, self.spec, self.starts):
            return
        self.write(layout.SPEC, tomli_w.dumps(spec_values(self.spec)).encode())
        if there:
            self.healed.append(
                f"{self.folder / layout.SPEC} did not hold this run's settings any more; "
                "it was written anew"
            )

    def _heal(self, checked: Checked) -> None:
        """Commit a step that was left without a commit, if its files are proven; else undo it."""
        if checked.state is StepState.DAMAGED:
            raise damaged(self.folder, checked)
        if checked.state is not StepState.UNPROVEN:
            return
        marker = self.folder / checked.marker
        problems = list(checked.problems) or self._commit_if_proven(checked)
        if not problems:
            self.healed.append(f"{marker} was not journalled; its files are proven, and it is now")
            return
        if checked.committed:
            raise damaged(self.folder, checked, problems)
        marker.unlink()
        self.note("redo", step=checked.step, why=problems[0])
        self.healed.append(f"{problems[0]}; {checked.step} was not journalled and is done again")

    def _commit_if_proven(self, checked: Checked) -> list[str]:
        if checked.journalled and not checked.committed:
            # Opening the ledger has compared them by content, and would have healed the step.
            return [f"{self.folder / checked.marker}: a file beside it is not what it was"]
        try:
            result = read_result(self.folder / checked.marker)
        except LedgerError as error:
            return [str(error)]
        assert result is not None  # it was there under this lock
        try:
            problems = contradictions(self.folder, checked.step, result)
            files = files_of(self.folder, checked.step, result)
        except (KeyError, TypeError, ValueError) as error:
            return [f"{self.folder / checked.marker} lacks or garbles a value: {error}"]
        if not problems:
            own = result.get("weights_file")
            more = [own] if own and own.startswith(f"{checked.step}/") else []
            self.ledger.commit(checked.step, [*files, *more])
        return problems


def spec_is_intact(folder: Path, spec: StageSpec, starts: Mapping[str, str]) -> bool:
    """Whether a run folder's ``spec.toml`` is there and holds the settings that name the run.

    What is only a label (the run's name, the number of rounds) may differ.

    Raises:
        LedgerError: the file is there and cannot be read.
    """
    try:
        if (folder / layout.SPEC).read_bytes() == tomli_w.dumps(spec_values(spec)).encode():
            return True
        written = read_settings(folder, type(spec))
    except (FileNotFoundError, ValueError):
        return False
    except OSError as error:
        raise LedgerError(
            f"{folder / layout.SPEC} cannot be read: {error}", hint="make the run folder readable"
        ) from error
    stage = folder.parent.name
    return run_id(stage, written, starts) == run_id(stage, spec, starts)


def damaged(folder: Path, checked: Checked, problems: Sequence[str] = ()) -> LedgerError:
    """What is raised for a step that the journal says is done and whose files say otherwise."""
    first = [*problems, *checked.problems][0]
    return LedgerError(
        f"{first} ({checked.step} of this run was finished)",
        hint=f"put the file back as it was, or remove {folder} to compute the run again",
    )


def spec_values(spec: StageSpec) -> dict[str, Any]:
    """A spec as plain values, every setting spelled out, None left out (TOML has no null)."""
    values: dict[str, Any] = spec.model_dump(mode="json", exclude_none=True)
    return values
