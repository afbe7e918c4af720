"""Sound through real pipes, in every cut and damage, and what arecord itself writes."""

from __future__ import annotations

import io
import logging
import os
import pty
import shutil
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pytest

from edge.errors import SourceError
from edge.observation import AudioBlock
from edge.sources import open_audio_source, sound_pipe
from edge.sources.sound_pipe import SoundPipeSource, parse_raw_format
from edge.sources.sound_wav import WavFormat

S16 = WavFormat("s16le", 16000, 1)


def values(count: int = 16000) -> npt.NDArray[np.int16]:
    return np.random.default_rng(5).integers(-12000, 12000, count, dtype=np.int16)


def wav(data: bytes, *, bits: int = 16, channels: int = 1, rate: int = 16000, size: int | None = None) -> bytes:
    """As arecord writes it."""
    block = channels * bits // 8
    length = len(data) if size is None else size
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * block, block, bits)
    return (
        b"RIFF"
        + struct.pack("<I", (length + 36) % 2**32)
        + b"WAVE"
        + chunk(b"fmt ", form)
        + chunk(b"data", data, length)
    )


def chunk(name: bytes, body: bytes, size: int | None = None) -> bytes:
    length = len(body) if size is None else size
    return name + struct.pack("<I", length) + body + (b"\0" if len(body) % 2 and size is None else b"")


@contextmanager
def piped(content: bytes, *, part: int = 1 << 16, keep_open: bool = False) -> Iterator[BinaryIO]:
    """The reading end of a pipe into which a thread writes in parts of so many bytes."""
    reader, writer = os.pipe()

    def write() -> None:
        try:
            for start in range(0, len(content), part):
                os.write(writer, content[start : start + part])
        except BrokenPipeError:
            pass
        finally:
            if not keep_open:
                os.close(writer)

    thread = threading.Thread(target=write)
    with open(reader, "rb") as stream:  # noqa: PTH123, a descriptor
        thread.start()
        yield stream
    thread.join()
    if keep_open:
        os.close(writer)


def heard(source: SoundPipeSource) -> npt.NDArray[np.float32]:
    with source:
        blocks = list(source)
        assert source.read() is None
    assert not source.live
    check_times(blocks)
    return np.concatenate([block.samples for block in blocks])


def check_times(blocks: list[AudioBlock]) -> None:
    position = 0
    for block in blocks:
        assert (block.position, block.source) == (position, "-")
        assert block.monotonic_time - blocks[0].monotonic_time == pytest.approx(position / block.rate, abs=1e-6)
        position += len(block.samples)
    assert all(len(block.samples) == round(block.rate * 0.05) for block in blocks[:-1])
    # The first sample was heard a block before it came.
    assert time.monotonic() - 60 < blocks[0].monotonic_time < time.monotonic()
    assert abs(blocks[0].wall_time - blocks[0].monotonic_time - (time.time() - time.monotonic())) < 1


@pytest.mark.parametrize("part", [1, 7, 1000, 1 << 16])
def test_sound_is_the_same_however_it_is_cut(part: int) -> None:
    content = values(3000)
    with piped(wav(content.tobytes()), part=part) as stream:
        np.testing.assert_array_equal(heard(SoundPipeSource(stream)), content / np.float32(2**15))


@pytest.mark.parametrize("size", [0, 0x7FFFF000, 0x80000000, 0xFFFFFFFF])
def test_unknown_length_reads_to_the_end(size: int, caplog: pytest.LogCaptureFixture) -> None:
    content = values()
    with piped(wav(content.tobytes(), size=size)) as stream, caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(heard(SoundPipeSource(stream)), content / np.float32(2**15))
    assert not caplog.records


def test_chunks_before_and_after_the_sound_are_no_sound() -> None:
    content = values(1001)
    data = wav(content.tobytes())
    with_chunks = (
        data[:12]
        + chunk(b"LIST", b"odd")
        + data[12:36]
        + chunk(b"bext", bytes(602))
        + data[36:]
        + chunk(b"id3 ", b"x" * 99)
    )
    with piped(with_chunks) as stream:
        np.testing.assert_array_equal(heard(SoundPipeSource(stream)), content / np.float32(2**15))


def test_extensible_header() -> None:
    content = np.arange(-3000, 3000, dtype="<i4") * 1000
    form = struct.pack("<HHIIHH", 0xFFFE, 3, 48000, 48000 * 12, 12, 32) + struct.pack("<HHI", 22, 32, 7)
    form += bytes.fromhex("0100000000001000800000aa00389b71")
    data = b"RIFF\0\0\0\0WAVE" + chunk(b"fmt ", form) + chunk(b"data", content.tobytes())
    with piped(data) as stream:
        source = SoundPipeSource(stream)
        assert source.rate == 48000
        np.testing.assert_array_equal(heard(source), (content[::3] / 2**31).astype(np.float32))


@pytest.mark.parametrize(
    ("encoding", "data", "expected"),
    [
        ("u8", bytes([0, 128, 255]), [-1, 0, 127 / 128]),
        ("s16le", struct.pack("<3h", -32768, 1, 32767), [-1, 2**-15, 32767 / 32768]),
        ("s24le", b"\0\0\x80\1\0\0\xff\xff\x7f", [-1, 2**-23, 1 - 2**-23]),
        ("s24in32le", b"\0\0\x80\xff\1\0\0\x55\xff\xff\x7f\0", [-1, 2**-23, 1 - 2**-23]),
        ("s32le", struct.pack("<3i", -(2**31), 2**16, 2**30), [-1, 2**-15, 0.5]),
        ("f32le", struct.pack("<4f", -0.5, 0.25, 3, float("nan")), [-0.5, 0.25, 1, 0]),
        ("f64le", struct.pack("<3d", -0.5, 0.25, 1e300), [-0.5, 0.25, 0]),
    ],
)
def test_raw_sound_of_every_encoding(encoding: str, data: bytes, expected: list[float]) -> None:
    with piped(data) as stream:
        heard_samples = heard(SoundPipeSource(stream, raw=parse_raw_format(f"{encoding}:8000:1")))
    np.testing.assert_array_equal(heard_samples, np.array(expected, np.float32))


def test_a_recording_at_full_speed_is_not_of_the_future() -> None:
    content = values(60 * 16000)
    with piped(content.tobytes()) as stream, SoundPipeSource(stream, raw=S16) as source:
        for block in source:
            assert block.wall_time <= time.time()
        # The steady time is the sound's: what is smoothed over seconds of it stays so.
        assert block.monotonic_time > time.monotonic() + 30
        assert block.wall_time == pytest.approx(time.time(), abs=5)


def test_two_channels_are_averaged() -> None:
    content = values(2000)
    with piped(content.tobytes()) as stream:
        source = SoundPipeSource(stream, raw=parse_raw_format("s16le:44100:2"))
        expected = (content.astype(np.float32) / 2**15).reshape(-1, 2).mean(axis=1)
        np.testing.assert_array_equal(heard(source), expected)


@pytest.mark.parametrize(
    "text", ["", "s16le", "s16le:16000", "s16:16000:1", "s16le:16000:0", "s16le:10:1", "s16le:-1:1", "s16le:16000:1:1"]
)
def test_raw_format_that_says_too_little_is_explained(text: str) -> None:
    with pytest.raises(SourceError, match="FORMAT:RATE:CHANNELS, such as s16le:16000:1"):
        parse_raw_format(text)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "is empty: no sound came"),
        (b"fLaC\0\0\0\x22 not wav at all", "is not a WAV stream: it begins with b'fLaC"),
        (b"RIFF\0\0\0\0AVI LIST", "is not a WAV stream"),
        (wav(b"")[:12] + chunk(b"data", b"12345678"), "sound comes before its format"),
        (wav(b"")[:12] + chunk(b"fmt ", b"12345678"), "its format takes 8 bytes"),
        (wav(b"")[:12] + chunk(b"LIST", b"", 1 << 31), "claims 2147483648 bytes"),
        (wav(b"", rate=0), "1 channels at 0 Hz"),
        (wav(b"", channels=65), "65 channels"),
        (wav(b"", bits=64), "of a kind that is not read here"),
        (wav(b""), "holds no sound"),
        (wav(b"\1", size=100), "holds no sound"),
    ],
)
def test_what_is_no_sound(data: bytes, problem: str) -> None:
    with piped(data) as stream, pytest.raises(SourceError, match=problem):
        SoundPipeSource(stream)


def test_cut_anywhere_in_the_header() -> None:
    data = wav(values(10).tobytes())
    for length in range(1, 44):
        with pytest.raises(SourceError, match=r"not a WAV stream|cut short"):
            SoundPipeSource(io.BytesIO(data[:length]))


@pytest.mark.parametrize(
    ("data", "raw", "told"),
    [
        (wav(values(1000).tobytes(), size=4000), None, "cut short, 2001 bytes of its sound are missing"),
        (values(1000).tobytes(), S16, "ended within a sample"),
    ],
)
def test_end_in_the_middle_of_a_sample(
    data: bytes, raw: WavFormat | None, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    with piped(data[:-1]) as stream, caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(heard(SoundPipeSource(stream, raw=raw)), values(1000)[:-1] / np.float32(2**15))
    assert [record.getMessage() for record in caplog.records] == [f"the sound on standard input: {told}"]


def test_pipe_that_stalls_is_told_once_and_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sound_pipe, "STALL_SECONDS", 0.3)
    reader, writer = os.pipe()
    with open(reader, "rb") as stream, caplog.at_level(logging.WARNING):  # noqa: PTH123
        os.write(writer, bytes(1600))
        source = SoundPipeSource(stream, raw=S16)
        assert source.read() is not None
        late = threading.Timer(1.2, lambda: os.write(writer, bytes(1600)))
        late.start()
        block = source.read()
        late.join()
        os.close(writer)
        assert block is not None
        assert source.read() is None
    assert source.figures.stalled == 1
    assert len(caplog.records) == 1


def test_pipe_that_trickles_is_told_ever_more_rarely(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sound_pipe, "STALL_SECONDS", 0.01)
    monkeypatch.setattr(sound_pipe, "_POLL_MILLISECONDS", 20)
    reader, writer = os.pipe()
    with open(reader, "rb") as stream, caplog.at_level(logging.WARNING):  # noqa: PTH123
        os.write(writer, bytes(1600))
        source = SoundPipeSource(stream, raw=S16)
        assert source.read() is not None
        for stalls in range(1, 7):
            late = threading.Thread(target=trickle, args=(source, stalls, writer))
            late.start()
            assert source.read() is not None
            late.join()
        os.close(writer)
    told = [record.getMessage() for record in caplog.records]
    assert [text[text.index("(") :] for text in told] == [f"(so far {count} times)" for count in (1, 2, 4)], told


def trickle(source: SoundPipeSource, stalls: int, writer: int) -> None:
    """Write a block once so many stalls were counted."""
    while source.figures.stalled < stalls:
        time.sleep(0.005)
    os.write(writer, bytes(1600))


def test_close_from_another_thread_ends_a_waiting_read() -> None:
    with piped(values(800).tobytes(), keep_open=True) as stream:
        source = SoundPipeSource(stream, raw=S16)
        assert source.read() is not None
        threading.Timer(0.3, source.close).start()
        assert source.read() is None
        assert source.figures.blocks == 1


def test_terminal_is_told_what_to_do() -> None:
    master, slave = pty.openpty()
    with open(slave, "rb", buffering=0) as stream, pytest.raises(SourceError, match=r"is a terminal.*arecord"):  # noqa: PTH123
        SoundPipeSource(stream)
    os.close(master)


@pytest.mark.parametrize("spec", ["-", "-:s16le:16000:1"])
def test_standard_input_that_is_closed_is_told(monkeypatch: pytest.MonkeyPatch, spec: str) -> None:
    monkeypatch.setattr(sys, "stdin", None)  # as Python has it then
    with pytest.raises(SourceError, match="standard input is closed"):
        open_audio_source(spec)


ALSA_FILE = """
</usr/share/alsa/alsa.conf>
pcm.bedmic {{
    type file
    slave.pcm {{ type null }}
    file "/dev/null"
    infile "{played}"
    format "raw"
}}
"""

READER = """
import sys, numpy
from edge.sources import open_audio_source
with open_audio_source("-") as source:
    samples = numpy.concatenate([source.read().samples for _ in range(10)])
print(source.rate)
samples.tofile(sys.argv[1])
"""


@pytest.mark.skipif(shutil.which("arecord") is None, reason="arecord is not installed (alsa-utils)")
@pytest.mark.parametrize(
    ("options", "encoding", "rate", "channels"),
    [
        ("", "u8", 8000, 1),
        ("-f S16_LE -r 16000", "s16le", 16000, 1),
        ("-f cd", "s16le", 44100, 2),
        ("-f S24_LE -r 48000", "s24in32le", 48000, 1),
        ("-f S24_3LE -r 48000", "s24le", 48000, 1),
        ("-f S32_LE -r 16000 -c 4", "s32le", 16000, 4),
        ("-f FLOAT_LE -r 16000", "f32le", 16000, 1),
    ],
)
def test_what_arecord_writes_is_what_was_played(
    tmp_path: Path, options: str, encoding: str, rate: int, channels: int
) -> None:
    played = tmp_path / "played.raw"
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, 96000)
    noise.astype(np.float32).tofile(played) if encoding == "f32le" else played.write_bytes(
        np.random.default_rng(1).bytes(384000)
    )
    config = tmp_path / "asound.conf"
    config.write_text(ALSA_FILE.format(played=played))
    taken = tmp_path / "taken.raw"
    recorder = subprocess.Popen(
        ["arecord", "-q", "-D", "bedmic", "-t", "wav", *options.split()],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # it is ended by a broken pipe
        env={**os.environ, "ALSA_CONFIG_PATH": str(config)},
    )
    with recorder:
        answer = subprocess.run(
            [sys.executable, "-c", READER, str(taken)],
            stdin=recorder.stdout,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        recorder.kill()
    assert answer.returncode == 0, answer.stderr
    assert int(answer.stdout) == rate
    with played.open("rb") as stream:
        expected = SoundPipeSource(stream, raw=WavFormat(encoding, rate, channels))
        samples = np.concatenate([block.samples for _, block in zip(range(10), expected, strict=False)])
    np.testing.assert_array_equal(np.fromfile(taken, np.float32), samples)
