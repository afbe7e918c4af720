"""The text loop: lines in, observations out to the sinks, in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edge.observation import Observation, TextLine
from edge.pipeline.sinks import Sink
from edge.pipeline.text import TextPipeline
from edge.pipeline.threaded import ThreadedLoop
from edge.sources.text import TextSource


class TextLoop(ThreadedLoop[TextLine]):
    """Runs the text pipeline on a source, in its own thread.

    A line and its text are forgotten once it is read: sinks see observations, which hold none of it.

    Parameters
    ----------
    source
        Open; closed when the loop ends.
    pipeline
        From lines to observations.
    sinks
        Each is given every observation, in the loop's thread.
    show
        Given every observation and the text that it is about, where somebody asked for that.
    after_line
        Called after each line, in the loop's thread, and from `wait`: for what has to happen in time.
    """

    source: TextSource

    def __init__(
        self,
        source: TextSource,
        pipeline: TextPipeline,
        sinks: Sequence[Sink],
        *,
        show: Callable[[Observation, str], None] | None = None,
        after_line: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(source, sinks, kind="text", in_time=after_line)
        self.pipeline = pipeline
        self._show = show

    def _take(self, item: TextLine) -> None:
        for reading in self.pipeline.read(item):
            self._give(reading.observation)
            if self._show is not None:
                self._show(reading.observation, reading.text)
            if self._stopping:  # a line may have thousands of parts
                break
