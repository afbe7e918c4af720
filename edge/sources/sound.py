"""Where sound comes from: microphones, files and pipes, behind one interface."""

from __future__ import annotations

import os
import sys
from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path

from edge.errors import SourceError
from edge.observation import AudioBlock
from edge.sources.base import Source

BLOCK_SECONDS = 0.05
"""Seconds of sound in one block; the last of a file may be shorter."""

RATES = range(1_000, 768_001)
"""Sampling rates, in Hertz, that a source is believed to have; a header that tells another is damaged."""

SOUND_SUFFIXES = frozenset(
    {
        *(".aif", ".aiff", ".au", ".caf", ".flac", ".mp3", ".oga", ".ogg"),
        *(".opus", ".rf64", ".w64", ".wav", ".wave"),
    }
)
"""Endings by which a folder's sound files are told from its other files, in lower case."""


@dataclass
class SoundFigures:
    """What a source has delivered, and what it met; the figures count from the source's opening and only grow."""

    blocks: int = 0
    """Blocks handed out."""
    lost_samples: int = 0
    """Samples that never came: overflows, a reader that was too slow, a microphone that was away."""
    overflows: int = 0
    """Times that the sound system said it had dropped sound."""
    stalled: int = 0
    """Times that no sound came for seconds: a dead driver, a device unplugged."""
    stuck: int = 0
    """Times that the same block came again and again."""
    silent: int = 0
    """Times that the sound stayed at one value for long: a muted or dead microphone."""
    reopened: int = 0
    """Times that the microphone was opened anew."""
    clipped: int = 0
    """Samples at full scale or beyond it."""
    replaced: int = 0
    """Samples that were no finite number and became 0."""


class AudioSource(Source[AudioBlock]):
    """Hands out sound, one block of about 50 ms at a time.

    A source is open from its construction on: what cannot be opened raises `SourceError` there, and a microphone
    that is open has delivered its first block. `read` is called from one thread. `close` may be called from another:
    a `read` that waits for a microphone or a pipe then returns None within half a second.

    Attributes
    ----------
    name
        The device, path, or '-' for standard input; `AudioBlock.source` carries it.
    live
        A live source paces itself, loses what is not read in time, and has no end: it is opened anew until it
        delivers again. A source that is not live waits for its reader, loses nothing, and ends.
    rate
        Samples a second, Hertz; never changes.
    figures
        What was delivered and met.
    """

    rate: int
    figures: SoundFigures

    @abstractmethod
    def read(self) -> AudioBlock | None:
        """Wait for the next block.

        Returns
        -------
        The block, or None when there is no more; a live source gives None only after `close`.
        """


def is_sound_file(path: str | Path) -> bool:
    """Whether the name of a file says that it holds sound."""
    return Path(path).suffix.lower() in SOUND_SUFFIXES


def open_audio_source(spec: str, *, rate: int | None = None) -> AudioSource:
    """Open the source that `spec` names.

    Parameters
    ----------
    spec
        `auto` (the default microphone, else the first that delivers), a microphone's number or part of its name, the
        path of a sound file, `-` (a WAV stream on standard input, as `arecord` writes it) or
        `-:FORMAT:RATE:CHANNELS` (raw sound there, such as `-:s16le:16000:1`).
    rate
        Hertz to ask of a microphone; None asks for its own, which it also keeps where it refuses this one. Files and
        pipes have theirs.

    Raises
    ------
    SourceError
        When `spec` names nothing that can be opened; says what is missing.
    MissingDependencyError
        When it needs a package that is not installed.
    """
    if spec == "-" or spec.startswith("-:"):
        from edge.sources.sound_pipe import SoundPipeSource, parse_raw_format

        raw = None if spec == "-" else parse_raw_format(spec[2:])
        if sys.stdin is None:  # what starts it closed it, as `<&-` does
            raise SourceError("standard input is closed: pipe a recording into it")
        return SoundPipeSource(sys.stdin.buffer, raw=raw)
    path = Path(spec)
    # A microphone's name never looks like a path; a file of the same name as a microphone is what the user sees.
    # Not `Path.is_file`, which raises where it may not look or the name is too long.
    is_file = os.path.isfile(spec)  # noqa: PTH113
    if not spec.isdecimal() and spec != "auto" and (is_file or "/" in spec or is_sound_file(path)):
        from edge.sources.sound_file import SoundFileSource

        return SoundFileSource(path)
    if not spec:
        raise SourceError("no sound source is named; it is auto, a microphone's number or name, a sound file or -")
    from edge.sources.microphone import MicrophoneSource

    return MicrophoneSource(spec, rate=rate)
