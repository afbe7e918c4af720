"""How long inferences take on a board: `bench` over the system's own ssh.

One connection carries the script, the models and the answers through standard input and output. Nothing is written on
the board, so there is nothing to clean up, and when the connection ends the script's next line ends it. Keys, jump
hosts and aliases are ssh's business and come from ~/.ssh/config; nothing is ever asked.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from converter import bench, board_script
from edge.errors import BoardError

_FORM = "ssh://user@host[:port][/path/of/python]"

_OPTIONS = (
    "-T",
    *("-o", "BatchMode=yes"),  # a question, such as for a password, is a failure
    *("-o", "ConnectTimeout=15"),
    # A board that has lost its power ends the wait after a minute.
    *("-o", "ServerAliveInterval=15"),
    *("-o", "ServerAliveCountMax=4"),
)

_NO_PYTHON = 99
"""What the remote shell is made to end with if Python fails: a shell's own codes for that differ, and ssh's 255 would
also stand for a Python that was killed."""


@dataclass(frozen=True)
class Board:
    """Where a board is and which Python to use there."""

    host: str
    """A name, an address, or an alias of ~/.ssh/config."""
    user: str | None = None
    port: int | None = None
    python: str = "python3"
    """A name on the board's PATH, or a path; '~/' is the user's home there."""

    def __str__(self) -> str:
        user = f"{self.user}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = f":{self.port}" if self.port else ""
        return f"ssh://{user}{host}{port}"


def parse(url: str) -> Board:
    """Read an address such as ssh://pi@raspberrypi.local/~/venv/bin/python.

    Raises
    ------
    BoardError
        It is no such address.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BoardError(f"{url}: is no address of a board: write {_FORM}") from None
    # A name that began with a hyphen would be an option to ssh.
    plain = re.compile(r"[\w.][\w.:%+-]*", re.ASCII)
    host, user = parts.hostname or "", unquote(parts.username) if parts.username else None
    if parts.scheme != "ssh" or not plain.fullmatch(host) or (user is not None and not plain.fullmatch(user)):
        raise BoardError(f"{url}: is no address of a board: write {_FORM}")
    if parts.password is not None or parts.query or parts.fragment:
        raise BoardError(f"{url}: passwords and options do not belong here: use a key (ssh-copy-id) and ~/.ssh/config")
    path = unquote(parts.path)
    python = path.removeprefix("/") if path.startswith("/~/") else path
    # The host's letters as they were written: an alias of ~/.ssh/config may have capitals, which urlsplit lowers.
    written = parts.netloc.rpartition("@")[2]
    host = written.partition(":")[0] if not written.startswith("[") else host
    return Board(host, user, port, python.rstrip("/") or "python3")


def measure(
    board: Board,
    files: Mapping[str, Path],
    *,
    effort: bench.Effort | None = None,
    progress: bool = True,
    ssh: Sequence[str] = ("ssh",),
) -> bench.Bench:
    """Time files on a board, with the first interpreter that its Python has.

    Parameters
    ----------
    files
        By the name that the answers are under; none to learn whether the board is there and what it has.
    ssh
        The program, and options to go first, such as ("ssh", "-F", "my_config").

    Raises
    ------
    BoardError
        There is no ssh here, the board cannot be reached or does not let us in, Python is not there, or the connection
        was lost; the message says what to do.
    ModelError
        A file cannot be read, or the board's Python has no interpreter.
    """
    if shutil.which(ssh[0]) is None:
        raise BoardError(f"{board}: needs the program '{ssh[0]}': install it with  apt install openssh-client")

    def explain(failure: bench.ScriptFailedError) -> Exception:
        return BoardError(f"{board}: {_reason(board, failure)}")

    return bench.run(_command(board, ssh), files, where=str(board), explain=explain, effort=effort, progress=progress)


def _command(board: Board, ssh: Sequence[str]) -> tuple[str, ...]:
    home = "~/" if board.python.startswith("~/") else ""  # outside the quotes, so that the shell there fills it in
    python = home + shlex.quote(board.python.removeprefix("~/"))
    return (
        *ssh,
        *_OPTIONS,
        *(("-p", str(board.port)) if board.port else ()),
        *(("-l", board.user) if board.user else ()),
        "--",
        board.host,
        f"{python} -c {shlex.quote(board_script.BOOTSTRAP)} || exit {_NO_PYTHON}",
    )


def _reason(board: Board, failure: bench.ScriptFailedError) -> str:
    said = failure.said
    by_hand = f"ssh {f'-p {board.port} ' if board.port else ''}{f'{board.user}@' if board.user else ''}{board.host}"
    if failure.code == bench.LOST and failure.began:
        return f"the connection was lost: {said}; is the board's power supply strong enough? try again"
    if failure.code == bench.LOST:
        return f"cannot be reached: {said}; {_mend(said, by_hand)}"
    if failure.began:
        return f"the measurement ended early: {said}; has the board enough memory? try fewer methods"
    if failure.code == _NO_PYTHON:
        name = PurePosixPath(board.python).name
        return (
            f"{board.python} does not run there: {said}; install it ({name} 3.7 or later), or name another one: "
            f"{board}/home/USER/venv/bin/python"
        )
    return f"the shell there ended with exit code {failure.code}: {said}; see whether  {by_hand} true  works"


def _mend(said: str, by_hand: str) -> str:
    if "Host key verification failed" in said or "REMOTE HOST IDENTIFICATION" in said:
        return f"its key is not known yet or has changed: connect once by hand with  {by_hand}  and compare it"
    if "Permission denied" in said:
        return f"let this machine's key in with  {by_hand.replace('ssh ', 'ssh-copy-id ', 1)}"
    if "Could not resolve" in said:
        return "check the name, or give its address in place of it"
    if "Connection refused" in said:
        return "is ssh switched on there (sudo systemctl enable --now ssh), at this port?"
    return f"see whether  {by_hand}  works"
