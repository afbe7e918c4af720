"""What `affect-edge doctor` says about text: the model, and whether the source can be read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from edge.diagnosis import Check
from edge.errors import AffectEdgeError

if TYPE_CHECKING:
    from edge.config import Config


def check_text_model(config: Config) -> Iterator[Check]:
    """The model that the configuration names, where it names a source."""
    from edge.inference.catalog import find_model
    from edge.recognizers.text_emotion import TextRecognizer

    if config.text.source == "none":
        return
    try:
        recognizer = TextRecognizer(find_model("text-emotion", config.text.model))
    except AffectEdgeError as error:
        yield Check("models", "text", "fail", str(error))
        return
    manifest, settings = recognizer.manifest, recognizer.manifest.text_input.text
    detail = f"{manifest.name} {manifest.version} reads {settings.length} tokens at once, {len(settings.words)} words"
    yield Check("models", "text", "ok", detail)


def check_text_source(config: Config) -> Iterator[Check]:
    """Whether the source is there and may be read. It is not opened: who waits to write into a pipe would go on."""
    from edge.sources.text import path_of

    spec = config.text.source
    if spec == "none":
        return
    if spec == "-":
        yield Check("text", "source", "info", "text comes from standard input, says the configuration")
        return
    name, follow = path_of(spec)
    path = Path(name)
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        yield _missing(path, follow=follow)
        return
    except (OSError, ValueError) as error:
        detail = f"{path}: cannot be looked at: {getattr(error, 'strerror', None) or error}"
        yield Check("text", "source", "fail", detail, "set text.source")
        return
    if stat.S_ISDIR(mode) or stat.S_ISBLK(mode) or stat.S_ISSOCK(mode):
        yield Check("text", "source", "fail", f"{path} is neither a file nor a pipe", "set text.source")
    elif not os.access(path, os.R_OK):
        yield Check("text", "source", "fail", f"{path}: no permission to read it", f"sudo setfacl -m u:$USER:r {path}")
    else:
        yield Check("text", "source", "ok", f"{path}: {_kind(mode, follow=follow)}")


def _missing(path: Path, *, follow: bool) -> Check:
    if follow and path.parent.is_dir():
        return Check("text", "source", "info", f"{path} is not there yet; it is waited for")
    if follow:
        mend = f"mkdir -p {path.parent}, or set text.source"
        return Check("text", "source", "warn", f"{path} is not there yet, nor is its folder; both are waited for", mend)
    return Check("text", "source", "fail", f"there is no {path}", f"mkfifo {path}, or set text.source")


def _kind(mode: int, *, follow: bool) -> str:
    if stat.S_ISFIFO(mode):
        return "a pipe, whose writers may come and go"
    return "a file, of which what is added is read" if follow else "read to its end"
