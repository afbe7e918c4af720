"""The header of a WAV stream, read from front to back: a pipe cannot go back, nor tell its length."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from edge.errors import SourceError
from edge.sources.sound import RATES
from edge.sources.sound_samples import ENCODINGS, Encoding

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE  # WAVE_FORMAT_* of mmreg.h

_UNKNOWN_FROM = 0x7FFF0000
"""Bytes of data from which on a header only says that it does not know: no writer agrees with another on a number."""

CHANNELS = range(1, 65)
"""Numbers of channels that sound is believed to have."""

_LARGEST_CHUNK = 1 << 20
"""Bytes of a chunk before the sound (title, loops, broadcast extension); more is damage, not a description."""

ReadExactly = Callable[[int], bytes]
"""Gives so many bytes, fewer only at the end."""


@dataclass(frozen=True, slots=True)
class WavFormat:
    """How the sound that follows a header is to be read."""

    encoding: Encoding
    rate: int
    """Hertz."""
    channels: int

    @property
    def frame_size(self) -> int:
        """Bytes of one sample of all channels."""
        return ENCODINGS[self.encoding].size * self.channels


@dataclass(frozen=True, slots=True)
class WavHeader:
    """What stands before the sound."""

    format: WavFormat
    size: int
    """Bytes of sound, as the header says."""

    @property
    def is_size_known(self) -> bool:
        """Writers into a pipe put 0 or about 2 or 4 GiB where they do not know."""
        return 0 < self.size < _UNKNOWN_FROM


def read_wav_header(read: ReadExactly, name: str) -> WavHeader:
    """Read up to the first byte of sound.

    Parameters
    ----------
    read
        What reads on.
    name
        Of the stream, for errors.

    Raises
    ------
    SourceError
        It is no WAV, ends within its header, or holds sound of a kind that is not known.
    """
    opening = read(12)
    if not opening:
        raise SourceError(f"{name} is empty: no sound came")
    if not opening.startswith(b"RIFF"[: len(opening)]) or (len(opening) == 12 and opening[8:] != b"WAVE"):
        raise SourceError(f"{name} is not a WAV stream: it begins with {opening!r}")
    wav_format: WavFormat | None = None
    while True:
        chunk, size = _take(read, "<4sI", name)
        if chunk == b"data":
            if wav_format is None:
                raise SourceError(f"{name} is damaged: its sound comes before its format")
            return WavHeader(wav_format, size)
        if size > _LARGEST_CHUNK:
            raise SourceError(f"{name} is damaged: the part {chunk!r} of its header claims {size} bytes")
        # Chunks of an odd length are padded by a byte.
        body = read(size + size % 2)
        if len(body) < size:
            raise SourceError(f"{name} ends within its header: it was cut short")
        if chunk == b"fmt ":
            wav_format = _format(body[:size], name)


def _take(read: ReadExactly, layout: str, name: str) -> tuple[bytes, int]:
    data = read(struct.calcsize(layout))
    if len(data) < struct.calcsize(layout):
        raise SourceError(f"{name} ends within its header: it was cut short")
    chunk, size = struct.unpack(layout, data)
    return chunk, size


def _format(body: bytes, name: str) -> WavFormat:
    """From a WAVEFORMATEX, or the WAVEFORMATEXTENSIBLE that takes its place for more than two channels."""
    if len(body) < 16:
        raise SourceError(f"{name} is damaged: its format takes {len(body)} bytes instead of at least 16")
    tag, channels, rate, _, block_size, bits = struct.unpack_from("<HHIIHH", body)
    if tag == _EXTENSIBLE and len(body) >= 40:
        # The first two bytes of its GUID are the tag that would have stood there.
        (tag,) = struct.unpack_from("<H", body, 24)
    if rate not in RATES or channels not in CHANNELS:
        raise SourceError(f"{name} is damaged: its header tells {channels} channels at {rate} Hz")
    size, uneven = divmod(block_size, channels)
    kinds = {
        (_PCM, 8, 1): "u8",
        (_PCM, 16, 2): "s16le",
        (_PCM, 24, 3): "s24le",
        (_PCM, 24, 4): "s24in32le",
        (_PCM, 32, 4): "s32le",
        (_FLOAT, 32, 4): "f32le",
        (_FLOAT, 64, 8): "f64le",
    }
    encoding = kinds.get((tag, bits, size))
    if encoding is None or uneven:
        raise SourceError(
            f"{name} holds sound of a kind that is not read here (format {tag}, {bits} bits, {block_size} bytes for "
            f"{channels} channels); 8, 16, 24 and 32 bit PCM and float are"
        )
    return WavFormat(encoding, rate, channels)
