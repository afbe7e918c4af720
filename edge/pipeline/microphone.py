"""The microphone loop: sound in, observations out to the sinks, in a thread of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge.observation import AudioBlock
from edge.pipeline.sinks import Sink
from edge.pipeline.speech import Hop, SpeechPipeline
from edge.pipeline.threaded import ThreadedLoop
from edge.sources.sound import AudioSource


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


class MicrophoneLoop(ThreadedLoop[AudioBlock]):
    """Runs the speech pipeline on a source, in its own thread.

    A microphone's source keeps a bounded ring of what was not read yet, and counts what it had to drop.

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

    source: AudioSource

    def __init__(
        self,
        source: AudioSource,
        pipeline: SpeechPipeline,
        sinks: Sequence[Sink],
        *,
        after_block: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(source, sinks, kind="microphone", in_time=after_block)
        self.pipeline = pipeline
        self.figures = MicrophoneFigures()

    def _take(self, item: AudioBlock) -> None:
        self._observe(self.pipeline.hear(item))
        self.figures.blocks += 1
        self.figures.sound_seconds += len(item.samples) / item.rate
        self.figures.seconds = time.monotonic() - self._began

    def _finish(self) -> None:
        self._observe(self.pipeline.finish())

    def _observe(self, hops: list[Hop]) -> None:
        for hop in hops:
            if hop.observation is not None:
                self.figures.observations += 1
                self._give(hop.observation)
