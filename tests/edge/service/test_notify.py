"""What systemd is told, on a real socket."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.service.notify import Notifier


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
        link.bind(str(tmp_path / "notify"))
        link.settimeout(10)
        yield link


def notifier(manager: socket.socket, **more: str) -> Notifier:
    return Notifier({"NOTIFY_SOCKET": manager.getsockname(), **more})


def test_each_message_is_one_datagram(manager: socket.socket) -> None:
    told = notifier(manager)
    told.ready("camera 15.0\nframes")
    told.alive()
    told.status("well")
    told.wait_longer(2.5)
    told.stopping("told to")
    assert [manager.recv(1000) for _ in range(5)] == [
        b"READY=1\nSTATUS=camera 15.0 frames",
        b"WATCHDOG=1",
        b"STATUS=well",
        b"EXTEND_TIMEOUT_USEC=2500000",
        b"STOPPING=1\nSTATUS=told to",
    ]


def test_an_abstract_socket(tmp_path: Path) -> None:
    name = f"\0affect-edge-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
        link.bind(name)
        link.settimeout(10)
        Notifier({"NOTIFY_SOCKET": "@" + name[1:]}).alive()
        assert link.recv(100) == b"WATCHDOG=1"


def test_no_socket_is_opened_unless_systemd_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    told = Notifier({"WATCHDOG_USEC": "3000000"})
    told.ready("x")
    told.alive()
    assert told.watchdog_seconds is None


def test_a_manager_that_is_gone_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    told = Notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")})
    told.alive()
    told.alive()
    assert len(caplog.records) == 1


def test_a_manager_that_does_not_read_is_not_waited_for(manager: socket.socket) -> None:
    told = notifier(manager)
    for _ in range(5000):  # more than a socket's buffer holds
        told.status("x" * 100)


def test_another_kind_of_socket_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        Notifier({"NOTIFY_SOCKET": "vsock:2:1234"}).alive()
    assert "vsock" in caplog.text


@pytest.mark.parametrize(
    ("more", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_how_long_the_watchdog_waits(manager: socket.socket, more: dict[str, str], seconds: float | None) -> None:
    assert notifier(manager, **more).watchdog_seconds == seconds
