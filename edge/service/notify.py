"""What systemd is told: ready, alive, stopping, and how it goes (sd_notify(3)).

Outside a unit of Type=notify, where $NOTIFY_SOCKET is not set, nothing is sent and no socket is opened.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping

_log = logging.getLogger(__name__)


class Notifier:
    """Sends datagrams to the service manager that started this process.

    Parameters
    ----------
    environment
        Of the process: $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID are read.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self._told_failure = False
        self.watchdog_seconds = _watchdog_seconds(environment) if self._address else None
        """Seconds without `alive` after which systemd kills the process; None: it does not."""

    def ready(self, status: str) -> None:
        """The service has begun to do what it is for."""
        self._send(f"READY=1\nSTATUS={_line(status)}")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send(f"STATUS={_line(text)}")

    def alive(self) -> None:
        """All goes on as it should; to be called well within every `watchdog_seconds`."""
        self._send("WATCHDOG=1")

    def stopping(self, status: str) -> None:
        """The service ends by itself or as it was asked to."""
        self._send(f"STOPPING=1\nSTATUS={_line(status)}")

    def wait_longer(self, seconds: float) -> None:
        """The start (or the end) takes longer than the unit's limit: so many seconds more from now on."""
        self._send(f"EXTEND_TIMEOUT_USEC={round(seconds * 1_000_000)}")

    def _send(self, message: str) -> None:
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as link:
                # Never to wait for a service manager that does not read.
                link.setblocking(False)
                link.sendto(message.encode(), self._address)
        except OSError as error:
            if not self._told_failure:
                _log.warning("systemd cannot be told at $NOTIFY_SOCKET: %s", error)
                self._told_failure = True


def _address(name: str) -> str | None:
    if name.startswith("/"):
        return name
    if name.startswith("@"):  # Linux's abstract names
        return "\0" + name[1:]
    if name:
        _log.warning("$NOTIFY_SOCKET is '%s'; only unix sockets are known, so systemd is told nothing", name)
    return None


def _watchdog_seconds(environment: Mapping[str, str]) -> float | None:
    microseconds, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not microseconds.isdecimal() or int(microseconds) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(microseconds) / 1_000_000


def _line(text: str) -> str:
    return " ".join(text.split())
