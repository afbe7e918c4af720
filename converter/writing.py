"""Files are written whole or not at all."""

from __future__ import annotations

from pathlib import Path

from edge.errors import ModelError


def write_whole(path: Path, content: bytes | str) -> Path:
    """Write a file under another name and put it into its place when it is whole; text as UTF-8.

    Returns
    -------
    `path`

    Raises
    ------
    ModelError
        The folder cannot be made or the file not be written; nothing of it stays behind.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content.encode() if isinstance(content, str) else content)
        partial.replace(path)
    except OSError as error:
        raise ModelError(f"{path}: cannot be written: {error.strerror}; free space or name another folder") from None
    finally:
        # A folder that is missing, or one that may not be written to, holds no part either.
        if partial.parent.is_dir():
            partial.unlink(missing_ok=True)
    return path
