"""How the service goes: a line for systemd, and the status file's document."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from edge.service.setup import Setup
from edge.service.status import remove_status, write_status
from edge.service.worker import Worker

_RATES = {"frames": "frames a second", "sound_seconds": "s of sound a second", "lines": "lines a second"}
"""The figure of each kind of loop that says how fast it goes."""

_log = logging.getLogger(__name__)


class Report:
    """Writes the status file.

    Parameters
    ----------
    folder
        Where it lies; None writes none.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._began = time.time()
        self._last: dict[str, tuple[float, float]] = {}
        self._rates: dict[str, float] = {}
        self._is_told = False

    def write(self, now: float, doing: str, reason: str | None, workers: Sequence[Worker], setup: Setup) -> str:
        """Write the file; the line for systemd."""
        journal, heat, config = setup.journal, setup.heat, setup.config
        for worker in workers:
            self._measure(worker, now)
        document = {
            "affect_edge": version("affect-edge"),
            "pid": os.getpid(),
            "began": self._began,
            "written": time.time(),
            "doing": doing,
            "reason": reason,
            "closed": all(worker.closed for worker in workers),
            "loops": {worker.job.kind: self._loop(worker) for worker in workers},
            "journal": None
            if journal is None
            else {"path": str(journal.path), "written": journal.written, "dropped": journal.dropped}
            | {"error": journal.last_error},
            "heat": {"celsius": heat.temperature, "every": heat.pace.every, "reason": heat.pace.reason},
            "pause_file": str(setup.pause.path) if setup.pause.path else None,
            "config": str(config.file) if config.file else None,
        }
        if self._folder is not None:
            try:
                write_status(self._folder, document)
            except OSError as error:
                if not self._is_told:
                    _log.warning("%s: the status cannot be written: %s", self._folder, error.strerror or error)
                    self._is_told = True
        return line(document)

    def remove(self) -> None:
        """The service ends."""
        if self._folder is not None:
            remove_status(self._folder)

    def _measure(self, worker: Worker, now: float) -> None:
        kind = worker.job.kind
        figures = worker.run.figures if worker.run is not None else {}
        count = next((figures[name] for name in _RATES if name in figures), 0.0)
        before, since = self._last.get(kind, (0.0, now))
        # A new run counts from nothing.
        if now > since:
            self._rates[kind] = max(count - before if count >= before else count, 0.0) / (now - since)
        self._last[kind] = (count, now)

    def _loop(self, worker: Worker) -> dict[str, Any]:
        run = worker.run
        return {
            "state": worker.state,
            "spec": worker.job.spec,
            "source": run.name if run is not None else None,
            "rate": round(self._rates.get(worker.job.kind, 0.0), 2),
            "restarts": worker.restarts,
            "error": worker.error,
            "figures": run.figures if run is not None else {},
        }


def line(document: dict[str, Any]) -> str:
    """The document in one line."""
    if document["doing"] != "sensing":
        return f"{document['doing']}: {document['reason']}"
    parts = []
    for kind, loop in document["loops"].items():
        if loop["state"] == "running":
            unit = next((unit for name, unit in _RATES.items() if name in loop["figures"]), "")
            parts.append(f"{kind} {loop['rate']:.1f} {unit}")
        else:
            parts.append(f"{kind} {loop['state']}{': ' + loop['error'] if loop['error'] else ''}")
    journal = document["journal"]
    if journal is not None:
        parts.append(f"journal: {journal['error']}" if journal["error"] else f"{journal['written']} records")
    if heat := document["heat"]["reason"]:
        parts.append(f"one frame of {document['heat']['every']}: {heat}")
    return "; ".join(parts)
