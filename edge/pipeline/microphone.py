"""The microphone loop: sound in, observations out to the sinks, in a thread of its own beside the camera's loop."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge.errors import AffectEdgeError
from edge.pipeline.camera import CameraLoop
from edge.pipeline.sinks import Sink
from edge.pipeline.speech import Hop, SpeechPipeline
from edge.sources.sound import AudioSource

_log = logging.getLogger(__name__)

_WAIT_SECONDS = 0.2
"""Between two looks at whether somebody wants to stop: `stop` takes no lock, to be safe in a signal handler."""

_CLOSE_SECONDS = 2.0
"""That the thread is given to end; a read that hangs in the sound system is left behind."""


@dataclass
class MicrophoneFigures:
    """What a loop has done."""

    blocks: int = 0
    """Blocks of sound that were heard."""
    sound_seconds: float = 0.0
    """Of sound in them."""
    observations: int = 0
    """Observations that were made."""
    seconds: float = 0.0
    """Since the loop began."""


class MicrophoneLoop:
    """Runs the speech pipeline on a source, in its own thread.

    Nothing is queued here: a microphone's source keeps a bounded ring of what was not read yet, and counts what it had
    to drop.

    Parameters
    ----------
    source
        Open; closed when the loop ends.
    pipeline
        From blocks of sound to observations.
    sinks
        Each is given every observation, in the loop's thread.
    after_block
        Called after each block, in the loop's thread, and from `wait`, for a dead microphone gives no blocks: for what
        has to happen in time.
    """

    def __init__(
        self,
        source: AudioSource,
        pipeline: SpeechPipeline,
        sinks: Sequence[Sink],
        *,
        after_block: Callable[[], None] | None = None,
    ) -> None:
        self.figures = MicrophoneFigures()
        self.error: BaseException | None = None
        """What ended the loop before its time."""
        self.on_failure: Callable[[BaseException], None] | None = None
        """Called in the loop's thread when something ended it before its time; set it before `start`."""
        self.source = source
        self.pipeline = pipeline
        self._sinks = sinks
        self._after_block = after_block
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="microphone", daemon=True)

    @property
    def ended(self) -> bool:
        """Whether it has come to its end, or to a failure."""
        return not self._thread.is_alive()

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def wait(self, *, duration: float | None = None) -> None:
        """Until the source ends, `duration` seconds are over or `stop` is called; signals are handled meanwhile."""
        end = None if duration is None else time.monotonic() + duration
        while self._thread.is_alive() and not self._stopping:
            left = _WAIT_SECONDS if end is None else min(_WAIT_SECONDS, end - time.monotonic())
            if left <= 0:
                break
            self._thread.join(left)
            if self._after_block is not None:
                self._after_block()

    def stop(self) -> None:
        """End the loop after the present block; safe in a signal handler."""
        self._stopping = True

    def close(self) -> None:
        """End the loop, wait for its thread and let go of the source."""
        self._stopping = True
        # Mostly the next block comes at once.
        if self._thread.is_alive():
            self._thread.join(_WAIT_SECONDS)
        self.source.close()  # ends a read that waits for a microphone or a pipe
        if self._thread.is_alive():
            self._thread.join(_CLOSE_SECONDS)
            if self._thread.is_alive():
                _log.warning("%s: does not answer; left behind", self.source.name)

    def _run(self) -> None:
        began = time.monotonic()
        try:
            while not self._stopping and (block := self.source.read()) is not None:
                self._give(self.pipeline.hear(block))
                self.figures.blocks += 1
                self.figures.sound_seconds += len(block.samples) / block.rate
                self.figures.seconds = time.monotonic() - began
                if self._after_block is not None:
                    self._after_block()
            self._give(self.pipeline.finish())
        except BaseException as error:  # whatever it is, the main thread has to hear of it
            self.error = error
        finally:
            self.source.close()
            if self.error is not None and self.on_failure is not None:
                self.on_failure(self.error)

    def _give(self, hops: list[Hop]) -> None:
        for hop in hops:
            if hop.observation is not None:
                self.figures.observations += 1
                for sink in self._sinks:
                    sink(hop.observation)


def run_together(camera: CameraLoop | None, microphone: MicrophoneLoop | None, *, duration: float | None = None) -> int:
    """Run both loops, or the one there is: the camera's in this thread, the microphone's in its own.

    They end when both were stopped, when `duration` seconds are over, or when the camera's source ends; a sound file
    that is not at its end then is read on. One that fails is told in the log and does not end the other.

    Returns
    -------
    How many failed.

    Raises
    ------
    AffectEdgeError
        The only loop failed, or the last one that was left.
    """
    began = time.monotonic()
    failures = 0

    def left() -> float | None:
        return None if duration is None else duration - (time.monotonic() - began)

    if microphone is None:
        if camera is not None:
            camera.run(duration=duration)
        return 0

    def microphone_failed(error: BaseException) -> None:
        if camera is None or failures:  # nothing is left to go on: raised below
            return
        if isinstance(error, AffectEdgeError):
            _log.error("%s; the camera goes on", error)
        else:  # the reader of the output went away, or a mistake in the program: raised below
            camera.stop()

    microphone.on_failure = microphone_failed
    microphone.start()
    try:
        if camera is not None:
            try:
                camera.run(duration=duration)
            except AffectEdgeError as error:
                if microphone.ended:
                    raise
                failures += 1
                _log.error("%s; the microphone goes on", error)
        if camera is None or failures or not microphone.source.live:
            microphone.wait(duration=left())
    finally:
        microphone.close()
    if microphone.error is not None:
        if camera is None or failures or not isinstance(microphone.error, AffectEdgeError):
            raise microphone.error
        failures += 1
    return failures
