"""Standard streams that take every line: whatever their encoding, closed, full, or broken.

Work that took hours must not be lost because a line about it cannot be printed. So while a command
runs, ``sys.stdout`` and ``sys.stderr`` are text streams whose writes never fail: what an encoding
lacks is spelled in ASCII, and the first fault of a stream is kept for the end instead of raised.
"""

from __future__ import annotations

import codecs
import ctypes
import errno
import io
import os
import select
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from typing import Any, TextIO

PLAIN, ESCAPED = "dwlt-plain", "dwlt-escaped"
"""Names of error handlers for ``str.encode`` and streams: spelled for people, and for programs."""

WIDE = 10_000
"""Width of a pipe: nothing is left out for want of room."""

SPELLED = {
    "─": "-",
    "━": "=",
    "–": "-",
    "—": "-",
    "…": "...",
    "→": "->",
    "✓": "v",
    "✗": "x",
    "±": "+-",
    "×": "x",
    "−": "-",
    "≥": ">=",
    "≤": "<=",
    "‘": "'",
    "’": "'",
    "“": '"',
    "”": '"',
    "\N{NO-BREAK SPACE}": " ",
}
"""How signs that dwlt prints are written where the encoding lacks them."""

CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) != "\t"}
"""Signs that move a terminal's cursor or colour it have no business in a name."""


def _spell(fault: UnicodeError) -> tuple[str, int]:
    """Replace what cannot be encoded: known signs in ASCII, others by an escape."""
    if not isinstance(fault, UnicodeEncodeError):
        raise fault
    found = fault.object[fault.start : fault.end]
    return "".join(SPELLED.get(sign) or escape(sign) for sign in found), fault.end


def escape(sign: str) -> str:
    """``\\xff`` for a byte of a file name that is no text, else ``\\u00e9`` or ``\\U0001f600``."""
    code = ord(sign)
    if 0xDC80 <= code <= 0xDCFF:  # as Python keeps undecodable bytes of file names
        return f"\\x{code - 0xDC00:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _escape(fault: UnicodeError) -> tuple[str, int]:
    """Replace what cannot be encoded by escapes alone, so that no value becomes another one."""
    if not isinstance(fault, UnicodeEncodeError):
        raise fault
    return "".join(map(escape, fault.object[fault.start : fault.end])), fault.end


codecs.register_error(PLAIN, _spell)
codecs.register_error(ESCAPED, _escape)


def printable(text: str, stream: TextIO) -> str:
    """The text as ``stream`` will show it, so that its width is known; without control signs."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.translate(CONTROL).encode(encoding, PLAIN).decode(encoding)


class Raw(io.RawIOBase):
    """Bytes to a stream of the process; never raises. The first fault ends the writing.

    Args:
        target: what to write to, unbuffered where that can be had; None: nothing is there.
    """

    def __init__(self, target: Any) -> None:
        super().__init__()
        self._target = target
        self.fault: OSError | None = None

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        with suppress(ValueError, AttributeError, OSError):
            return bool(self._target.isatty())
        return False

    def fileno(self) -> int:
        if self._target is None:
            raise io.UnsupportedOperation("fileno")
        return int(self._target.fileno())

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        size, done = len(view), 0
        while self._target is not None and self.fault is None and done < size:
            try:
                written = self._target.write(view[done:])
                if written is None:  # a pipe that its reader has made non-blocking is full
                    select.select([], [self._target], [])
                else:
                    done += written
            except OSError as fault:
                self.fault = fault
            except ValueError:
                self.fault = OSError(errno.EBADF, os.strerror(errno.EBADF))
        return size


@dataclass
class Streams:
    """The two output streams of a command, and what became of stdout."""

    out: TextIO
    err: TextIO
    _raw: Raw | None

    @property
    def lost(self) -> OSError | None:
        """Why data did not reach stdout: a full disk and the like.

        A reader that has left (``dwlt runs | head``) is no fault: that is its right.
        """
        self.out.flush()
        fault = None if self._raw is None else self._raw.fault
        return None if fault is None or fault.errno == errno.EPIPE else fault


@contextmanager
def guarded() -> Iterator[Streams]:
    """Make stdout and stderr take every line while a command runs."""
    old = (sys.stdout, sys.stderr)
    (stdout, fault_of), (stderr, _) = _wrapped(old[0]), _wrapped(old[1])
    sys.stdout, sys.stderr = stdout, stderr
    try:
        yield Streams(stdout, stderr, fault_of)
    finally:
        sys.stdout, sys.stderr = old
        for stream in (stdout, stderr):
            stream.flush()


def echo(text: str, *, err: bool = False, end: str = "\n") -> None:
    """A line, to stdout for data and to stderr for talk."""
    print(text, file=sys.stderr if err else sys.stdout, end=end)


def echo_toml(text: str) -> None:
    """A TOML document to stdout. What the encoding lacks becomes an escape that TOML knows."""
    encoding = sys.stdout.encoding or "utf-8"
    echo(text.encode(encoding, ESCAPED).decode(encoding), end="")


def room() -> int:
    """Columns that a table on stdout may take without being broken."""
    if sys.stdout is None or not sys.stdout.isatty():
        return WIDE
    # COLUMNS, or the terminal's own width; 80 where it has none, as under a serial line.
    return shutil.get_terminal_size().columns


def on_terminal(stream: TextIO | None) -> bool:
    """Whether lines on this stream can be written over, as a progress display does."""
    if os.environ.get("TERM", "").lower() in ("dumb", "unknown"):
        return False
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


@contextmanager
def others_to_stderr() -> Iterator[None]:
    """Send to stderr what other code prints: stdout is for dwlt's data alone."""
    with _descriptors_to_stderr(), redirect_stdout(sys.stderr):
        yield


@contextmanager
def _descriptors_to_stderr() -> Iterator[None]:
    """The same below Python, for what child processes and C code print."""
    out, err = _descriptor(sys.stdout), _descriptor(sys.stderr)
    if out is None or err is None:
        yield
        return
    sys.stdout.flush()
    kept = os.dup(out)
    os.dup2(err, out)
    try:
        yield
    finally:
        # C code has a buffer of its own, which would be written at exit, after the data.
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).fflush(None)
        os.dup2(kept, out)
        os.close(kept)


def _descriptor(stream: TextIO) -> int | None:
    """What the stream writes to; None where that is no file of the system, as in tests."""
    try:
        return stream.fileno()
    except (OSError, ValueError, AttributeError):
        return None


def fill_descriptors() -> None:
    """Put something harmless where descriptors 0, 1 and 2 were closed.

    Else the next file that is opened gets that number, and whatever a library writes to its
    "stderr" lands in a model file.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            # The lowest free number is taken, which is this one.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def _wrapped(stream: TextIO | None) -> tuple[TextIO, Raw | None]:
    """A stream as above around another one, and where its faults are kept.

    Streams without bytes below them (``io.StringIO``) take all text and stay as they are.
    """
    if stream is None or stream.closed:
        raw = Raw(None)
        return io.TextIOWrapper(io.BufferedWriter(raw), encoding="utf-8", errors=PLAIN), raw
    buffer = getattr(stream, "buffer", None)
    if buffer is None:
        return stream, None
    with suppress(OSError, ValueError):
        stream.flush()
    # The unbuffered end: what is left in somebody's buffer would fail once more at exit.
    raw = Raw(getattr(buffer, "raw", buffer))
    lines = raw.isatty() or stream is sys.stderr
    text = io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding or "utf-8",
        errors=PLAIN,
        line_buffering=lines,
        write_through=lines,
    )
    return text, raw
