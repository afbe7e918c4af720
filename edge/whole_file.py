"""Small files that are there whole or not at all."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Put a file in the place of what was there; a reader sees the old one or the new one.

    A symbolic link is replaced, never followed.

    Parameters
    ----------
    path
        In a folder that exists.
    text
        Written in UTF-8.
    mode
        Whatever the umask is.

    Raises
    ------
    OSError
        It cannot be written; nothing is left behind then.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(file.fileno(), mode)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
