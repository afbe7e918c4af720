"""Sound on standard input: a WAV stream, as `arecord` writes it, or raw samples.

`arecord -t wav` ends after 2 GiB, which are 18 hours at 16 kHz; what is to run for longer takes raw samples:
`arecord -t raw -f S16_LE -r 16000 | affect-edge run --mic=-:s16le:16000:1`.
"""

from __future__ import annotations

import logging
import os
import select
import threading
import time
from typing import BinaryIO

from edge.errors import SourceError
from edge.observation import AudioBlock
from edge.sources.sound import BLOCK_SECONDS, RATES, AudioSource, SoundFigures
from edge.sources.sound_clock import SampleClock
from edge.sources.sound_samples import ENCODINGS, decode, full_scale, to_mono
from edge.sources.sound_wav import CHANNELS, WavFormat, read_wav_header

STALL_SECONDS = 3.0
"""Seconds without a byte after which a pipe counts as stalled."""

_POLL_MILLISECONDS = 200

_log = logging.getLogger(__name__)


class SoundPipeSource(AudioSource):
    """Sound from a binary stream that cannot go back; its times are those of arrival, and go on by the sound's length.

    Where it comes faster than it was spoken, its steady time runs ahead of `time.monotonic()`; its wall time does not.

    Parameters
    ----------
    stream
        Stays open: it belongs to who made it. Nothing else may read from it.
    raw
        How to read samples without a header; None expects a WAV header.
    name
        What to call it.

    Raises
    ------
    SourceError
        The stream is a terminal, is empty, is no WAV, ends within its header or before its first sample.
    """

    live = False

    def __init__(self, stream: BinaryIO, *, raw: WavFormat | None = None, name: str = "-") -> None:
        self.name = name
        self.figures = SoundFigures()
        self._closed = threading.Event()
        self._stream = stream
        self._descriptor = _descriptor(stream)
        if stream.isatty():
            raise SourceError(
                "standard input is a terminal: pipe a recording into it, such as  "
                "arecord -f S16_LE -r 16000 | affect-edge run --mic -"
            )
        self._left: int | None = None
        if raw is None:
            header = read_wav_header(self._read_exactly, _called(name))
            self._format = header.format
            self._left = header.size if header.is_size_known else None
        else:
            self._format = raw
        self.rate = self._format.rate
        self._limit = full_scale(ENCODINGS[self._format.encoding].bits)
        self._block_bytes = max(1, round(self.rate * BLOCK_SECONDS)) * self._format.frame_size
        self._position = 0
        self._clock = SampleClock(self.rate)
        self._next = self._take()
        if self._next is None:
            raise SourceError(f"{_called(name)} holds no sound: it ended behind its header")

    def read(self) -> AudioBlock | None:
        if self._closed.is_set():
            return None
        block, self._next = self._next, None
        if block is None:
            block = self._take()
        if block is None or self._closed.is_set():
            return None
        self.figures.blocks += 1
        return block

    def close(self) -> None:
        self._closed.set()

    def _take(self) -> AudioBlock | None:
        wanted = self._block_bytes if self._left is None else min(self._block_bytes, self._left)
        data = self._read_exactly(wanted)
        arrival = time.monotonic()
        count, rest = divmod(len(data), self._format.frame_size)
        if self._left is not None:
            self._left -= len(data)
        if len(data) < wanted and not self._closed.is_set():
            if self._left:
                _log.warning("%s: cut short, %d bytes of its sound are missing", _called(self.name), self._left)
            elif rest:
                _log.warning("%s: ended within a sample", _called(self.name))
            self._left = 0
        if not count:
            return None
        replaced = self.figures.replaced
        samples = decode(data[: len(data) - rest], self._format.encoding, self._format.channels)
        mono = to_mono(samples, self._limit, self.figures)
        if self.figures.replaced > replaced == 0:
            _log.warning("%s: holds samples that are not finite numbers; they count as silence", _called(self.name))
        if not self._clock.is_set:
            self._clock.set(0, arrival - count / self.rate)
        position = self._position
        self._position += count
        self._clock.observe(self._position, arrival)
        moment = self._clock.time(position)
        return AudioBlock(
            samples=mono,
            rate=self.rate,
            position=position,
            # A recording that comes faster than it was spoken was not spoken in the future.
            wall_time=time.time() + min(0.0, moment - time.monotonic()),
            monotonic_time=moment,
            source=self.name,
        )

    def _read_exactly(self, size: int) -> bytes:
        """So many bytes; fewer at the end, and when `close` was called meanwhile."""
        data = bytearray()
        while len(data) < size and self._wait():
            wanted = size - len(data)
            # Python's own buffer would hide from `poll` what has arrived.
            part = self._stream.read(wanted) if self._descriptor is None else os.read(self._descriptor, wanted)
            if not part:
                break
            data += part
        return bytes(data)

    def _wait(self) -> bool:
        """Until there is something to read, or nothing more will come; False when `close` was called."""
        if self._descriptor is None:
            return not self._closed.is_set()
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        began, told = time.monotonic(), False
        while not self._closed.is_set():
            if poll.poll(_POLL_MILLISECONDS):
                return True
            if not told and time.monotonic() - began > STALL_SECONDS:
                told = True
                self.figures.stalled += 1
                # A pipe that trickles stalls again and again: told ever more rarely, counted each time.
                if self.figures.stalled.bit_count() == 1:
                    seconds, stalls = STALL_SECONDS, self.figures.stalled
                    _log.warning(
                        "%s: no sound has come for %g s (so far %d times)", _called(self.name), seconds, stalls
                    )
        return False


def parse_raw_format(text: str) -> WavFormat:
    """What `FORMAT:RATE:CHANNELS` says, such as s16le:16000:1. Raises `SourceError`."""
    encoding, _, rest = text.partition(":")
    rate, _, channels = rest.partition(":")
    numbers = rate.isdecimal() and channels.isdecimal()
    if encoding not in ENCODINGS or not numbers or int(rate) not in RATES or int(channels) not in CHANNELS:
        raise SourceError(
            f"'{text}' does not say how raw sound is to be read: it is FORMAT:RATE:CHANNELS, such as s16le:16000:1, "
            f"with a format of {', '.join(ENCODINGS)}, {RATES.start} to {RATES.stop - 1} Hz and 1 to 64 channels"
        )
    return WavFormat(encoding, int(rate), int(channels))


def _called(name: str) -> str:
    return "the sound on standard input" if name == "-" else name


def _descriptor(stream: BinaryIO) -> int | None:
    try:
        return stream.fileno()
    except OSError:  # a BytesIO
        return None
