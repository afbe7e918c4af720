"""The service as systemd starts it: a process of its own with a real notify socket."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge.journal_query import JournalReader

DEMO = '[camera]\nsource = "demo"\n[microphone]\nsource = "none"\n[journal]\nbatch_seconds = 0.5\n'

PATIENCE = 60.0
"""Seconds that a busy machine is given for what takes a moment."""


class Service:
    """A service that runs in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run = folder / "run"
        self.run.mkdir()
        self.config = folder / "config.toml"
        self.journal = folder / "state" / "journal.db"
        self.said: list[str] = []
        self._link = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._link.bind(str(folder / "notify"))
        self._link.setblocking(False)
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[3]),
            "NOTIFY_SOCKET": str(folder / "notify"),
            "WATCHDOG_USEC": "4000000",
            "RUNTIME_DIRECTORY": str(self.run),
            "STATE_DIRECTORY": str(folder / "state"),
        }
        self.process: subprocess.Popen[str] | None = None

    def start(self, config: str, *command: str, **options: Any) -> None:
        self.config.write_text(config)
        program = command or ("-m", "edge")
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, *program, "service", "--config", str(self.config)],
                env=self.environment,
                text=True,
                cwd=self.folder,
                **{"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, **options},
            )

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    @property
    def status(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.run / "status.json").read_text())
        return document

    @property
    def events(self) -> list[tuple[str, str]]:
        with JournalReader(self.journal) as reader:
            return [(event.kind, event.detail) for event in reader.events()]

    @property
    def observations(self) -> int:
        with contextlib.closing(sqlite3.connect(self.journal)) as connection:
            count: int = connection.execute("SELECT count(*) FROM observation").fetchone()[0]
        return count

    def listen(self) -> list[str]:
        """All that it has told systemd so far."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.said.append(self._link.recv(4096).decode())
        return self.said

    def until(self, is_so: Callable[[], bool]) -> None:
        limit = time.monotonic() + PATIENCE
        while True:
            self.listen()  # a socket holds few messages
            with contextlib.suppress(OSError, ValueError, KeyError, sqlite3.Error):
                if is_so():
                    return
            assert self.process is not None and self.process.poll() is None, self.log
            assert time.monotonic() < limit, (self.listen()[-3:], self.log)
            time.sleep(0.05)

    def wait_ready(self) -> None:
        self.until(lambda: any(said.startswith("READY=1") for said in self.listen()))

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.send(number)
        assert self.process is not None
        return self.process.wait(timeout=PATIENCE)

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._link.close()
