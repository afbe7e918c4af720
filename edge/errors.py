"""The errors that a user can meet, each told in one line that names the thing and the mend."""

from __future__ import annotations

from typing import ClassVar


class AffectEdgeError(Exception):
    """Something the user can mend; `affect-edge` prints it in one line and exits with `exit_code`."""

    exit_code: ClassVar[int] = 1


class ConfigError(AffectEdgeError):
    """A configuration that cannot be used. 78 is sysexits' EX_CONFIG: systemd units stop restarting on it."""

    exit_code = 78


class ModelError(AffectEdgeError):
    """A model or manifest that is missing, damaged, or made for another task."""


class SourceError(AffectEdgeError):
    """A camera, video, image or stream that cannot be opened or read."""


class JournalError(AffectEdgeError):
    """A journal that cannot be opened, read or written."""


class BoardError(AffectEdgeError):
    """A board that cannot be reached over ssh, or that cannot do there what is asked."""


class DataError(AffectEdgeError):
    """A data set that is not what its format promises."""


class MissingDependencyError(AffectEdgeError):
    """An optional part is used whose package is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package '{package}': install it with  pip install 'affect-edge[{extra}]'"
        )
