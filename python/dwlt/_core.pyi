"""The Rust core: masks, exact selection, mask files, digests and the run ledger.

Errors are the classes of ``dwlt.errors``; a message names tensor, file or step. The GIL is
released while the core works: do not write to an array that a call is still reading.

A call that takes long looks for signals 20 times a second. What a handler raises (Ctrl-C:
``KeyboardInterrupt``) ends the call as itself, and nothing of its output is left.

Files are written to a sibling first, brought to the disk and renamed: they are there whole or not
at all, with the rights that the umask gives. Through a symbolic link the file that it leads to is
written. A terminal, another character device or a pipe gets the bytes; a folder, socket or disk is
refused (``DwltError``).
"""

from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from typing import Any, Literal, Protocol, TypeAlias, TypedDict, final

import numpy as np
import torch
from numpy.typing import NDArray
from typing_extensions import Buffer

_Path: TypeAlias = str | PathLike[str]

class _Meta(TypedDict, total=False):
    round: int
    weights: str | None
    parent: str | None

class _Holder(TypedDict):
    pid: int
    host: str
    since: str

class _Checked(TypedDict):
    state: Literal["open", "uncommitted", "committed", "damaged"]
    files: dict[str, tuple[int, str]]
    problems: list[str]

@final
class MaskSet:
    """A network's masks by parameter name: one bit per prunable weight, 1 = kept. Immutable.

    Two sets are equal when names, shapes and bits are; their order is for tables alone.
    """

    @staticmethod
    def from_bools(masks: Mapping[str, NDArray[np.bool_]]) -> MaskSet:
        """Masks from boolean arrays of the parameters' shapes, True = kept.

        Raises:
            MaskError: an array is not boolean.
        """

    @staticmethod
    def dense(shapes: Mapping[str, Sequence[int]]) -> MaskSet:
        """Masks that keep everything."""

    @staticmethod
    def load(path: _Path) -> MaskSet:
        """Read a mask file; its masks are sorted by name.

        Raises:
            FormatError: the file cannot be read, or breaks a rule of the format.
        """

    def save(
        self,
        path: _Path,
        *,
        round: int = 0,
        weights: str | None = None,
        parent: str | None = None,
    ) -> None:
        """Write a mask file, atomically. The same masks and arguments give the same bytes.

        Args:
            path: the file.
            round: 0 is the dense network, r is after r prunings.
            weights: digest of the dense weights that the masks belong to, if known.
            parent: digest of the previous round's masks, if there was one.

        Raises:
            MaskError: ``weights`` or ``parent`` is not a digest.
            DwltError: the file cannot be written.
        """

    @property
    def kept(self) -> int:
        """Number of weights kept."""

    @property
    def total(self) -> int:
        """Number of weights."""

    @property
    def density(self) -> float:
        """Share of the weights kept, ``kept / total``; 1 where there are none."""

    @property
    def sparsity(self) -> float:
        """Share of the weights removed, ``1 - density``."""

    @property
    def names(self) -> list[str]:
        """Names of the tensors, in the set's order."""

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each tensor by name."""

    @property
    def digest(self) -> str:
        """Names the set: ``b3:`` and 64 hexadecimal digits, from names, shapes and bits."""

    @property
    def meta(self) -> _Meta:
        """What the file said of the masks' origin. Empty for masks that are not from a file."""

    def layers(self) -> list[tuple[str, int, int]]:
        """(name, kept, total) of each tensor, in the set's order."""

    def is_subset(self, other: MaskSet) -> bool:
        """Whether every weight kept here is kept in ``other`` too.

        Raises:
            MaskError: names or shapes differ.
        """

    def check_lineage(self, parent: MaskSet) -> None:
        """Refuse a set that keeps a weight which ``parent`` had removed.

        Raises:
            MaskError: names tensor and flat index of the first such weight; or names or shapes
                differ.
        """

    def overlap(self, other: MaskSet) -> Overlap:
        """What two sets have in common, all tensors together.

        Raises:
            MaskError: names or shapes differ.
        """

    def overlaps(self, other: MaskSet) -> dict[str, Overlap]:
        """What two sets have in common, by name of the tensor.

        Raises:
            MaskError: names or shapes differ.
        """

    def to_torch(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> dict[str, torch.Tensor]:
        """The masks as tensors by name, boolean unless ``dtype`` says otherwise (1 = kept)."""

    def __and__(self, other: MaskSet, /) -> MaskSet: ...
    def __or__(self, other: MaskSet, /) -> MaskSet: ...
    def __sub__(self, other: MaskSet, /) -> MaskSet: ...
    def __xor__(self, other: MaskSet, /) -> MaskSet: ...
    def __getitem__(self, name: str, /) -> NDArray[np.bool_]:
        """A tensor's mask as a new boolean array of its shape, True = kept.

        Raises:
            MaskError: there is no such mask.
        """

    def unpack_into(self, name: str, out: NDArray[Any], one: int) -> None:
        """Write ``one`` for each kept weight of a tensor and 0 for each other.

        Args:
            name: the tensor.
            out: a flat, contiguous array of as many unsigned integers.
            one: the bits of the number that stands for kept.

        Raises:
            MaskError: there is no such mask, or ``out`` or ``one`` does not fit.
        """

    def __contains__(self, name: str, /) -> bool: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    __hash__: None  # type: ignore[assignment]

class _Fetch(Protocol):
    """Weights that are not in memory."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    def fetch(self, start: int, count: int, /) -> Buffer | NDArray[Any]:
        """``count`` bytes from the weight at flat index ``start`` on."""

@final
class Progress:
    """Grows while a function works that was given it; another thread may read it meanwhile."""

    @property
    def bytes(self) -> int:
        """Bytes of weights that are done."""

@final
class Overlap:
    """What two masks have in common, as counts of weights."""

    @property
    def both(self) -> int:
        """Kept in both."""

    @property
    def left(self) -> int:
        """Kept in the left one."""

    @property
    def right(self) -> int:
        """Kept in the right one."""

    @property
    def total(self) -> int:
        """All weights."""

    @property
    def iou(self) -> float | None:
        """Intersection over union; None where neither keeps anything."""

    @property
    def lift(self) -> float | None:
        """The intersection relative to that of random masks with these counts: 1 is chance.

        None where either keeps nothing.
        """

    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    __hash__: None  # type: ignore[assignment]

@final
class Ledger:
    """What is done in a run folder and what comes next. Holds the folder until closed."""

    @staticmethod
    def open(folder: _Path, header_json: str, plan: Sequence[tuple[str, str]]) -> Ledger:
        """Take a run folder, which is made if need be.

        An unfinished last line of the journal and unfinished files are removed. A step that
        ``finish`` was killed in after its marker file was written is journalled ("heal") if every
        file is what ``finish`` had prepared. A marker file that nothing vouches for does not make
        its step done: it is for the caller to prove its files and ``commit``, or to do the step
        again.

        Args:
            folder: the run folder.
            header_json: what the run is, a JSON object; later openings must bring the same.
            plan: the steps in order, each with the file, relative to the folder, that is written
                last and means that the step is done.

        Raises:
            BusyError: another process holds the folder; the message says who and since when.
            LedgerError: the journal is damaged or of another run, or a done step's marker file
                is gone.
        """

    def next(self) -> str | None:
        """The first step of the plan that is not done; None when all are."""

    def done(self, step: str) -> bool:
        """Whether a step is done.

        Raises:
            LedgerError: the plan has no such step.
        """

    def finish(self, step: str, files: Sequence[str], result: Buffer) -> None:
        """Write a step's marker file and journal the step as done.

        Before the file is written, the journal notes ("prepare") what all files of the step must
        be; so a kill at any point leaves a step to do again, or one that ``open`` heals.

        Args:
            step: the plan's word for it.
            files: the step's other files, relative to the folder; they must be there.
            result: the content of the marker file.

        Raises:
            LedgerError: the plan has no such step, it is done already, or a path leads out of
                the folder.
            DwltError: a file cannot be read, or the marker file or the journal not be written.
        """

    def commit(self, step: str, files: Sequence[str]) -> None:
        """Journal a step whose marker file is there as done.

        With size and digest of each file and of the marker file. For a step that is done already,
        files can be added that the journal does not have.

        Raises:
            LedgerError: the plan has no such step, it is done already with all these files, or a
                path leads out of the folder.
            DwltError: a file cannot be read, or the journal cannot be written.
        """

    def note(self, note_json: str) -> None:
        """Journal a remark: a JSON object whose "event" is a word of the caller's own.

        Raises:
            LedgerError: it is not such an object.
        """

    def close(self) -> None:
        """Let go of the folder. Closing twice is fine; anything else then raises LedgerError."""

    @staticmethod
    def holder(folder: _Path) -> _Holder | None:
        """Who holds a run folder; None when nobody does."""

    @staticmethod
    def read(folder: _Path) -> list[str]:
        """The records of a run's journal in order, each as one line of JSON.

        Every record has "event" (the ledger's own are open, prepare, commit, heal,
        recover), "seq" and
        "time". No journal is an empty one, and an unfinished last line is left out.

        Raises:
            LedgerError: the journal is damaged.
        """

    @staticmethod
    def check(
        folder: _Path, plan: Sequence[tuple[str, str]], *, digests: bool = False
    ) -> dict[str, _Checked]:
        """Compare steps with what is in a run folder. Takes no lock and changes nothing.

        Cheap: the journal is read once and the files' sizes are looked up, unless ``digests`` asks
        for their content. While another process finishes a step, the step may look uncommitted
        for a moment; open the ledger before acting on that.

        Args:
            folder: the run folder; one that does not exist has done nothing.
            plan: the steps, as for ``open``.
            digests: read every file and compare its digest too.

        Returns:
            For each step, in the plan's order: "state", "files" and "problems".

            "state" is "open" (neither committed nor its marker file there), "uncommitted" (the
            marker file is there, the journal does not say that the step is done), "committed"
            (every journalled file is there with its size, and digest if asked), or "damaged"
            (committed, but a file is missing or differs).

            "files" are the size and digest of each file that the journal has for the step, by
            path; of an uncommitted step those that ``finish`` had prepared, if it had.

            "problems" says what is wrong with these files, one line each.

        Raises:
            LedgerError: the journal is damaged.
        """

    @staticmethod
    def verify(folder: _Path, *, result: str = "result.json") -> list[str]:
        """Read a run's journal and every file it vouches for.

        Args:
            folder: the run folder.
            result: the name of files that no run may have, in its folder or below, without a
                commit that vouches for them.

        Returns:
            What is wrong, one line each, empty where nothing is: a journal that is missing,
            damaged or cut short, a committed file that is missing or differs, a result that was
            never committed (and what differs of the files prepared with it).
        """

def select_magnitude(
    tensors: Sequence[tuple[str, NDArray[Any] | _Fetch, str]],
    *,
    keep: int | Sequence[int],
    within: MaskSet | None = None,
    scope: Literal["global", "tensor"] | str = "global",
) -> MaskSet:
    """Keep exactly ``keep`` weights, those of largest magnitude.

    Equal magnitudes are kept in the order (tensor, flat index); -0.0 equals 0.0; infinities are
    largest; tensors of different types are compared by value.

    Args:
        tensors: name, C-contiguous array (not copied) and element type of each: float64,
            float32, float16 or bfloat16, or as safetensors spells them. bfloat16 comes as the
            uint16 array of its bits. Weights that are not in memory come as an object with
            ``shape`` and ``fetch``, which is called from several threads for a chunk at a time.
        keep: number of weights to keep, in all or of each tensor.
        within: only weights kept here compete; the others are not looked at.
        scope: "tensor" gives each tensor its proportional share of ``keep``.

    Raises:
        MaskError: a weight is NaN, ``keep`` exceeds the weights that compete, or a tensor fits
            neither its type nor ``within``.
    """

def select_random(
    shapes: Sequence[tuple[str, Sequence[int]]],
    *,
    keep: int | Sequence[int],
    seed: int,
    within: MaskSet | None = None,
    scope: Literal["global", "tensor"] | str = "global",
) -> MaskSet:
    """Keep exactly ``keep`` weights at random.

    The draw for a weight is a function of the seed, its tensor's name and its flat index. The other
    arguments are those of ``select_magnitude``, and so are the errors.
    """

def lamp_scores(
    tensors: Sequence[tuple[str, NDArray[Any] | _Fetch, str]], *, within: MaskSet | None = None
) -> list[NDArray[np.float64]]:
    """LAMP scores of weights (Lee et al. 2021), one array per tensor, flat.

    A weight's square over the sum of the squares of its tensor's weights that are no smaller; of
    equal weights the earlier one counts as larger.

    Args:
        tensors: as for ``select_magnitude``.
        within: only weights kept here count; others score 0.

    Raises:
        MaskError: a weight that counts is NaN; shapes or ``within`` do not fit.
    """

def select_structured(
    tensors: Sequence[tuple[str, NDArray[Any] | _Fetch, str]],
    *,
    pattern: str,
    within: MaskSet | None = None,
) -> MaskSet:
    """Keep the weights of largest magnitude that a pattern such as "2:4" allows.

    Of every 4 consecutive inputs of one output (columns of a matrix; input channels of a
    convolution, at one place of its kernel) at most 2 are kept, equal ones in the order of their
    index. A last group that is smaller keeps at most 2 as well.

    Args:
        tensors: as for ``select_magnitude``.
        pattern: "n:m", 1 <= n < m <= 64.
        within: only weights kept here compete, so that a group may keep fewer.

    Raises:
        MaskError: a competing weight is NaN; the pattern is none; shapes do not fit.
    """

def checkpoint_tensors(path: _Path) -> list[tuple[str, str, list[int]]]:
    """(name, safetensors type, shape) of a checkpoint's tensors, sorted by name.

    Args:
        path: a safetensors file, an index (``*.safetensors.index.json``), or a folder with an
            index or else safetensors files.

    Raises:
        FormatError: a file cannot be read or is damaged, or index and files disagree.
    """

def select_checkpoint(
    path: _Path,
    names: Sequence[str],
    *,
    keep: int | Sequence[int] | None = None,
    within: MaskSet | None = None,
    scope: Literal["global", "tensor"] | str = "global",
    progress: Progress | None = None,
    criterion: Literal["magnitude", "lamp"] | str = "magnitude",
    pattern: str | None = None,
) -> MaskSet:
    """As ``select_magnitude``, for tensors of a checkpoint, which are read in pieces.

    Args:
        path: as for ``checkpoint_tensors``.
        names: the tensors, in the order that breaks ties.
        keep: number of weights to keep, in all or of each tensor; None with a pattern.
        within: only weights kept here compete.
        scope: "tensor" gives each tensor its proportional share of ``keep``.
        progress: grows by the bytes of the weights that were looked at.
        criterion: "lamp" compares the scores of ``lamp_scores``, at 8 bytes of memory per weight.
        pattern: instead of ``keep``: as in ``select_structured``.

    Raises:
        FormatError: as ``checkpoint_tensors``.
        MaskError: as ``select_magnitude``, or there is no such tensor.
    """

def pack_to_file(
    weights: _Path, masks: MaskSet, out: _Path, *, progress: Progress | None = None
) -> None:
    """Write the checkpoint ``weights`` to ``out`` packed: of each masked tensor its bits and its
    kept values, as docs/mask-format.md says.

    Args:
        weights, masks, progress: as for ``apply_to_file``.
        out: as for ``apply_to_file``; the index gets ".dense" behind its name.

    Raises:
        FormatError, MaskError, BusyError, DwltError: as ``apply_to_file``; or a tensor has the name
            of a part.
    """

def unpack_to_file(packed_file: _Path, out: _Path, *, progress: Progress | None = None) -> None:
    """Write the dense checkpoint behind a packed one: the bytes that ``apply_to_file`` had written.

    Args:
        packed_file: what ``pack_to_file`` wrote, a file or a folder.
        out: as for ``apply_to_file``.
        progress: grows by the bytes of the packed tensors.

    Raises:
        FormatError: it is not packed, or says what cannot be.
        MaskError, BusyError, DwltError: as ``apply_to_file``.
    """

def apply_to_file(
    weights: _Path, masks: MaskSet, out: _Path, *, progress: Progress | None = None
) -> None:
    """Write the checkpoint ``weights`` to ``out`` with every masked weight +0.0.

    It is read in pieces; headers, types and all other bytes stay as they are.

    Args:
        weights: a safetensors file; or an index or a folder, as for ``checkpoint_tensors``.
        masks: the masks.
        out: a file; or a new or empty folder, for files of the same names and the index. A
            folder that a killed call left unfinished may be given again.
        progress: grows by the bytes of the tensors written.

    Raises:
        FormatError: ``weights`` cannot be read, or is damaged.
        MaskError: a masked tensor is missing, or has another shape; or ``out`` is not empty.
        BusyError: another process writes to the folder ``out``.
        DwltError: ``out`` cannot be written.
    """

def count_to_remove(remaining: int, rate: float) -> int:
    """Number of weights that ``rate`` removes from ``remaining``: ``round(rate * remaining)``.

    Raises:
        MaskError: ``rate`` is not in [0, 1].
    """

def digest_tensors(
    tensors: Sequence[tuple[str, str, Sequence[int], Buffer | NDArray[Any]]],
) -> str:
    """Digest of tensors given as (name, safetensors type, shape, contiguous bytes), in any order.

    Raises:
        MaskError: a name occurs twice, or the bytes do not fill the shape.
    """

def digest_file(path: _Path, *, progress: Progress | None = None) -> str:
    """Digest of a checkpoint's tensors, read in pieces; see ``digest_tensors``.

    It depends neither on the tensors' order, nor on how they are spread over files, nor on
    metadata.

    Args:
        path: as for ``checkpoint_tensors``.
        progress: grows by the bytes read.

    Raises:
        FormatError: the file cannot be read, or is damaged.
    """

def sniff_file(start: bytes) -> str | None:
    """What a file is that is not the one it should be, in words that follow its path.

    Told apart are downloads that failed, Git LFS pointers, archives and other formats; None for
    all else.

    Args:
        start: the file's first 512 bytes, or all where it is shorter.
    """

def dtype_bits(dtype: str) -> int | None:
    """Bits of one element of a safetensors type such as "F32"; None for a type not known."""

def write_atomic(path: _Path, content: Buffer) -> None:
    """Write a file whole or not at all, as the module says.

    Raises:
        DwltError: the file cannot be written.
    """

def run_id(stage: str, values_json: str, starts: Mapping[str, str]) -> str:
    """The id of a run: eight hexadecimal digits.

    Args:
        stage: the stage's word.
        values_json: a JSON object of the settings that differ from the defaults.
        starts: digests of what the run starts from, by what they are.

    Raises:
        LedgerError: ``values_json`` is not a JSON object.
    """
