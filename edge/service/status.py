"""What the service says about itself in a small file, for `affect-edge status`, scripts and people.

The file lies in a folder in memory (a tmpfs), never on the card, and holds no observation.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from edge.errors import AffectEdgeError
from edge.whole_file import write_whole

FILE_NAME = "status.json"

_SYSTEM_FOLDER = Path("/run/affect-edge")
"""Where the systemd unit's RuntimeDirectory lies."""


class NoServiceError(AffectEdgeError):
    """No service runs, or it cannot be asked."""

    exit_code = 3
    """As `systemctl status` ends when a unit is not active."""


def runtime_folder(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The folder that a service of this process keeps its status in; None where there is none.

    $RUNTIME_DIRECTORY, which systemd sets, else affect-edge in $XDG_RUNTIME_DIR.
    """
    if systemd := environment.get("RUNTIME_DIRECTORY", "").split(":")[0]:
        return Path(systemd)
    user = Path(environment.get("XDG_RUNTIME_DIR", ""))
    return user / "affect-edge" if user.is_absolute() and user.is_dir() else None


def service_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where a service that runs keeps its status: the system's unit first, else one that this user has started.

    Raises
    ------
    NoServiceError
        There is none.
    """
    own = runtime_folder(environment)
    folders = [folder for folder in (_SYSTEM_FOLDER, own) if folder is not None]
    for folder in folders:
        with suppress(OSError):
            if (folder / FILE_NAME).exists():
                return folder
    raise NoServiceError(
        f"no service runs: no {FILE_NAME} in {' or '.join(map(str, folders))}; start it with "
        "`sudo systemctl start affect-edge` or `affect-edge service`"
    )


def write_status(folder: Path, document: Mapping[str, Any]) -> None:
    """Replace the file, whole or not at all; raises OSError."""
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    write_whole(folder / FILE_NAME, json.dumps(document) + "\n")


def remove_status(folder: Path) -> None:
    """The service ends."""
    with suppress(OSError):
        (folder / FILE_NAME).unlink()


def read_status(folder: Path) -> dict[str, Any]:
    """What `write_status` wrote.

    Raises
    ------
    NoServiceError
        There is no such file, it cannot be read, it is not what this program writes, or who wrote it is no more.
    """
    file = folder / FILE_NAME
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(document, dict):
            raise TypeError("no object")
    except FileNotFoundError:
        raise NoServiceError(f"no service runs: there is no {file}") from None
    except OSError as error:
        raise NoServiceError(f"{file}: cannot be read: {error.strerror or error}") from None
    except (ValueError, TypeError) as error:
        raise NoServiceError(f"{file}: not what affect-edge writes: {error}") from None
    pid = document.get("pid")
    if isinstance(pid, int) and not _is_alive(pid):
        raise NoServiceError(f"no service runs: the last one (pid {pid}) ended without a word")
    return document


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # it is there, and somebody else's
        pass
    return True
