"""Several loops at once: which decides when all end, and what becomes of the others when one fails."""

from __future__ import annotations

import logging
import threading
import time
from functools import partial
from typing import Any

from edge.errors import AffectEdgeError
from edge.pipeline.camera import CameraLoop
from edge.pipeline.threaded import ThreadedLoop

_CAMERA = "camera"

_log = logging.getLogger(__name__)


def run_together(camera: CameraLoop | None, *others: ThreadedLoop[Any] | None, duration: float | None = None) -> int:
    """Run the loops that there are: the camera's in this thread, each of the others in its own.

    They end when all were stopped, when `duration` seconds are over, or when the source of the first of them ends;
    others whose source has an end of its own, such as a sound file, are then read on to it. One that fails is told in
    the log and does not end the others.

    Returns
    -------
    How many failed.

    Raises
    ------
    AffectEdgeError
        The only loop failed, or the last one that was left.
    """
    began = time.monotonic()
    loops = [loop for loop in others if loop is not None]
    company = _Company(camera, loops)

    def left() -> float | None:
        return None if duration is None else duration - (time.monotonic() - began)

    try:
        for loop in loops:
            loop.start()
        is_decided = camera is not None and _run_camera(camera, company, duration)
        for loop in loops:
            if not is_decided:
                loop.wait(duration=left())
                is_decided = loop.error is None
        for loop in loops:
            if loop.source.live:
                loop.stop()
        for loop in loops:
            loop.wait(duration=left())
    finally:
        for loop in loops:
            loop.close()
    if company.error is not None:
        raise company.error
    return company.failures


def _run_camera(camera: CameraLoop, company: _Company, duration: float | None) -> bool:
    """Whether it came to its end; False when it failed and others go on."""
    try:
        camera.run(duration=duration)
    except AffectEdgeError as error:
        company.leave(_CAMERA, error)
        return False
    company.leave(_CAMERA, None)
    return True


class _Company:
    """Which loops still run, and what ended the others."""

    def __init__(self, camera: CameraLoop | None, loops: list[ThreadedLoop[Any]]) -> None:
        self.failures = 0
        self.error: BaseException | None = None
        """To be raised: of the last one that was left, or one that is no failure of a source."""
        self._camera = camera
        self._loops = loops
        self._lock = threading.Lock()
        self._running = [*([_CAMERA] if camera else []), *(loop.kind for loop in loops)]
        for loop in loops:
            loop.on_end = partial(self.leave, loop.kind)

    def leave(self, kind: str, error: BaseException | None) -> None:
        """One has come to its end, or failed."""
        with self._lock:
            self._running.remove(kind)
            if error is None:
                return
            if isinstance(error, AffectEdgeError) and self._running:
                self.failures += 1
                names = " and ".join(f"the {name}" for name in self._running)
                _log.error("%s; %s %s on", error, names, "goes" if len(self._running) == 1 else "go")
                return
            # Nothing is left to go on; or the reader of the output went away, or a mistake in the program.
            self.error = self.error or error
            if self._camera is not None:
                self._camera.stop()
            for loop in self._loops:
                loop.stop()
