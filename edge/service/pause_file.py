"""The file that asks the service to pause: whoever may write it can, by `touch`, a script, or `affect-edge pause`.

Its first line may say when the pause ends: 2026-11-01T18:00 (local time, or with an offset), or seconds since 1970;
empty is without an end. `affect-edge` adds two lines: who asked, and the end by the boot's steady clock, so that a
pause of half an hour lasts half an hour when the clock on the wall is set meanwhile.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from edge.clock import EARLIEST
from edge.errors import AffectEdgeError
from edge.whole_file import write_whole

FILE_NAME = "pause"
"""In the service's runtime folder."""

_MOST_BYTES = 4096
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class PauseError(AffectEdgeError):
    """A pause file that cannot be written or removed."""


@dataclass(frozen=True, slots=True)
class Request:
    """A pause that somebody asked for."""

    by: str = "file"
    """Who asked: 'command', 'button', 'signal', or 'file', which can be anybody."""
    until: datetime | None = None
    """With an offset."""
    steady: tuple[float, str] | None = None
    """The end in seconds of the steady clock of the boot of that id; decides alone while that boot lasts."""
    problem: str | None = None
    """Why the file was not understood; it asks for a pause without an end then."""

    def is_over(self, *, wall: float, steady: float, boot: str) -> bool:
        """Whether its end has passed, by seconds since 1970 and seconds of the steady clock."""
        if self.steady is not None and self.steady[1] == boot:
            return steady >= self.steady[0]
        return self.until is not None and wall >= self.until.timestamp()

    def reason(self, wall: float) -> str:
        """In words, such as 'paused by command until 14:30'."""
        if self.problem is not None:
            return f"paused by {self.by} without an end: {self.problem}"
        if self.until is None:
            return f"paused by {self.by}"
        end = self.until.astimezone()
        near = abs(end.timestamp() - wall) < 86_400
        return f"paused by {self.by} until {end:%H:%M}" if near else f"paused by {self.by} until {end:%Y-%m-%d %H:%M}"

    def as_text(self) -> str:
        """What stands in the file."""
        lines = ["" if self.until is None else self.until.isoformat(timespec="seconds"), self.by]
        if self.steady is not None:
            lines.append(f"{self.steady[0]:.3f} {self.steady[1]}")
        return "\n".join(lines) + "\n"


def boot_id() -> str:
    """The kernel's name for this boot; empty where it gives none."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def make_request(seconds: float | None, by: str, *, wall: float, steady: float) -> Request:
    """A pause from now on for so many seconds, or without an end.

    Raises
    ------
    ValueError
        The seconds are not above 0, or reach beyond the year 9999.
    """
    if seconds is None:
        return Request(by)
    if not seconds > 0:
        raise ValueError(f"a pause lasts longer than {seconds:g} s")
    try:
        until = datetime.fromtimestamp(wall, timezone.utc) + timedelta(seconds=seconds)
    except OverflowError:
        raise ValueError("a pause of so long has no end that can be written; leave its length out") from None
    return Request(by, until, (steady + seconds, boot_id()))


def write_request(path: Path, request: Request) -> None:
    """Put a request in place of what was there, whole or not at all, readable by all.

    Raises
    ------
    PauseError
        The path is a symbolic link or a folder, or cannot be written.
    """
    if path.is_symlink():
        raise PauseError(f"{path}: a symbolic link, which is not written to; remove it")
    try:
        write_whole(path, request.as_text())
    except OSError as error:
        raise PauseError(_explained(path, "written", error)) from None


def withdraw(path: Path) -> bool:
    """Remove a request; False if there was none.

    Raises
    ------
    PauseError
        It cannot be removed.
    """
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise PauseError(_explained(path, "removed", error)) from None
    return True


def read_request(path: Path) -> Request | None:
    """What a file asks for; None where there is none.

    Whatever is there and cannot be understood (a folder, a link, a file that cannot be read, another text) is a pause
    without an end: somebody wanted one.
    """
    # Not through a link, and without waiting for somebody to write if it is a pipe.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        handle = os.open(path, flags)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        reason = "a symbolic link" if error.errno == errno.ELOOP else error.strerror or str(error)
        return Request(problem=f"{path} cannot be read: {reason}")
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return Request(problem=f"{path} is not a file")
        text = os.read(handle, _MOST_BYTES).decode(errors="replace")
    except OSError as error:
        return Request(problem=f"{path} cannot be read: {error.strerror or error}")
    finally:
        os.close(handle)
    return parse_request(text, path)


def parse_request(text: str, path: Path) -> Request:
    """What the text of a file asks for; `path` is what a problem names."""
    first, by, steady, *_ = [*(line.strip() for line in text.splitlines()), "", "", ""]
    by = by if by in ("command", "button", "signal") else "file"
    if not first:
        return Request(by)
    try:
        until = _moment(first)
    except (ValueError, OverflowError, OSError):
        shown = ascii(first if len(first) <= 40 else first[:37] + "...")
        return Request(by, problem=f"{path}: {shown} is not an end; write such as 2026-11-01T18:00, or nothing")
    seconds, _, boot = steady.partition(" ")
    with suppress(ValueError):
        if boot:
            return Request(by, until, (float(seconds), boot))
    return Request(by, until)


def _moment(text: str) -> datetime:
    """Raises ValueError, OverflowError, OSError."""
    try:
        seconds = float(text)
    except ValueError:
        # Python 3.10 does not know the Z of UTC.
        return datetime.fromisoformat(text[:-1] + "+00:00" if text[-1] in "zZ" else text).astimezone()
    if seconds < EARLIEST:  # such as 30, meant for minutes: it would be over long ago
        raise ValueError(text)
    return datetime.fromtimestamp(seconds, timezone.utc)


def _explained(path: Path, what: str, error: OSError) -> str:
    if isinstance(error, PermissionError):
        return f"{path}: this user may not have it {what}; try it with sudo, or as the user that runs the service"
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return f"{path}: cannot be {what}: there is no such folder; does the service run? (`affect-edge status`)"
    return f"{path}: cannot be {what}: {error.strerror or error}"
