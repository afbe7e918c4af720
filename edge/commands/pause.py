"""Have the service close camera, microphone and text, until `affect-edge resume` or for some time.

The devices are really closed, and the indicator goes off. The pause outlives a restart of the service. A service of the
system is paused with sudo; it can also be paused by its button, by SIGUSR1, and by any program that writes the file
that this command writes (see [pause] in the configuration).

exit codes:
  0  paused, or asked to    1  that could not be done    3  no service runs

examples:
  sudo affect-edge pause
  sudo affect-edge pause --for 30m
  sudo affect-edge pause --for 1h30m --wait     returns when the devices are closed
"""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path
from typing import Any

HELP = "have the service close camera and microphone, for a while or until resume"

WAIT_SECONDS = 60.0
"""That the service is given to close its devices: a network camera's read can hang for longer than 20."""

_LOOK_SECONDS = 0.2
_LENGTH = re.compile(r"(?:(\d{1,4})d)?(?:(\d{1,4})h)?(?:(\d{1,4})m)?(?:(\d{1,4})s)?", re.ASCII)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--for", dest="seconds", type=_length, metavar="TIME", help="such as 30m, 1h30m or 2d (default: until resume)"
    )
    parser.add_argument("--wait", action="store_true", help="return when the devices are closed")
    add_config_argument(parser)


def add_config_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="the service's configuration (TOML)")


def run(arguments: argparse.Namespace) -> int:
    from edge.service.pause_file import make_request, write_request

    folder, status, path = find_service(arguments.config)
    wall = time.time()
    request = make_request(arguments.seconds, "command", wall=wall, steady=time.monotonic())
    write_request(path, request)
    print(f"the service is asked to pause ({path}): {request.reason(wall)}")
    if arguments.wait:
        _wait(folder, status)
        print("camera, microphone and text are closed")
    return 0


def find_service(config_file: Path | None) -> tuple[Path, dict[str, Any], Path]:
    """The folder of the service that runs, what it says of itself, and its pause file.

    Raises
    ------
    NoServiceError
        None runs.
    ConfigError
        The configuration is broken, and where the service looks for its file is not known without it.
    PauseError
        The service runs with another configuration, and looks for another file.
    """
    from edge.config import load_config
    from edge.errors import ConfigError
    from edge.service.pause_file import FILE_NAME, PauseError
    from edge.service.status import read_status, service_folder

    folder = service_folder()
    status = read_status(folder)
    usual, told = folder / FILE_NAME, status.get("pause_file")
    try:
        path = load_config(config_file).pause.file or usual
    except ConfigError:
        # A configuration that somebody is at work on must not keep anybody from a pause.
        if told != str(usual):
            raise
        path = usual
    # What the service says is compared, never followed: whoever calls this may write where the service may not.
    if told is not None and told != str(path):
        raise PauseError(f"the service looks for {told}, not for {path}; name its configuration with --config")
    return folder, status, path


def _wait(folder: Path, before: dict[str, Any]) -> None:
    """Until the service says, later than `before`, that its devices are closed."""
    from edge.service.pause_file import PauseError
    from edge.service.status import read_status

    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        status = read_status(folder)
        if status.get("written") != before.get("written") and status.get("doing") == "paused" and status.get("closed"):
            return
        time.sleep(_LOOK_SECONDS)
    raise PauseError(
        f"after {WAIT_SECONDS:g} s the service does not say that its devices are closed; see `affect-edge status`"
    )


def _length(text: str) -> float:
    found = _LENGTH.fullmatch(text.strip().lower())
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 0, 0)
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if not total:
        raise argparse.ArgumentTypeError(f"'{text}' is not a time such as 30m, 1h30m or 2d")
    return float(total)
