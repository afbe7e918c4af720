"""Sound files of every kind, whole and damaged, written by libsndfile itself."""

from __future__ import annotations

import errno
import logging
import os
import struct
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from edge.errors import SourceError
from edge.observation import AudioBlock
from edge.sources.sound import AudioSource, is_sound_file, open_audio_source
from edge.sources.sound_file import SoundFileSource


def sound(seconds: float = 1.0, rate: int = 16000, channels: int = 1) -> npt.NDArray[np.float32]:
    """(n, channels) noise at a third of full scale."""
    generator = np.random.default_rng(3)
    values: npt.NDArray[np.float32] = generator.uniform(-0.3, 0.3, (round(seconds * rate), channels)).astype(np.float32)
    return values


def whole(source: AudioSource) -> npt.NDArray[np.float32]:
    """All samples, after a check that the blocks join without a gap and tell their time exactly."""
    blocks: list[AudioBlock] = []
    position = 0
    with source:
        for block in source:
            assert (block.position, block.rate, block.source) == (position, source.rate, source.name)
            assert block.monotonic_time == position / source.rate
            assert abs(block.wall_time - time.time()) < 60
            assert block.samples.dtype == np.float32
            assert np.abs(block.samples).max() <= 1
            position += len(block.samples)
            blocks.append(block)
        assert source.read() is None
        assert source.figures.blocks == len(blocks)
        assert not source.live
    assert all(len(block.samples) == round(source.rate * 0.05) for block in blocks[:-1])
    return np.concatenate([block.samples for block in blocks])


@pytest.mark.parametrize(
    ("subtype", "step"),
    [
        *(("PCM_U8", 2**-7), ("PCM_16", 2**-15), ("PCM_24", 2**-23), ("PCM_32", 2**-23), ("FLOAT", 0.0)),
        *(("DOUBLE", 0.0), ("ULAW", 0.02), ("ALAW", 0.02)),
    ],
)
def test_wav_of_every_encoding(tmp_path: Path, subtype: str, step: float) -> None:
    path = tmp_path / "s.wav"
    written = sound()
    soundfile.write(path, written, 16000, subtype=subtype)
    np.testing.assert_allclose(whole(SoundFileSource(path)), written[:, 0], atol=step)


@pytest.mark.parametrize("rate", [8000, 11025, 44100, 48000, 96000, 192000])
def test_rates_are_kept_and_positions_count_to_the_end(tmp_path: Path, rate: int) -> None:
    path = tmp_path / "s.wav"
    written = sound(0.333, rate)
    soundfile.write(path, written, rate, subtype="FLOAT")
    source = SoundFileSource(path)
    assert (source.rate, source.sample_count) == (rate, len(written))
    np.testing.assert_array_equal(whole(source), written[:, 0])


@pytest.mark.parametrize(
    ("name", "container", "subtype", "accuracy"),
    [
        ("s.flac", "FLAC", "PCM_16", 2**-15),
        ("s.flac", "FLAC", "PCM_24", 2**-23),
        ("s.ogg", "OGG", "VORBIS", 0.35),
        ("s.opus", "OGG", "OPUS", 0.35),
        ("s.aiff", "AIFF", "PCM_16", 2**-15),
        ("é: 声.flac", "FLAC", "PCM_16", 2**-15),
        ("no ending", "WAV", "PCM_16", 2**-15),
    ],
)
def test_other_containers(tmp_path: Path, name: str, container: str, subtype: str, accuracy: float) -> None:
    path = tmp_path / name
    # A voice's pitch rather than noise, which lossy codecs throw away.
    written = (0.3 * np.sin(2 * np.pi * 200 * np.arange(16000) / 16000)).astype(np.float32)
    soundfile.write(path, written, 16000, subtype=subtype, format=container)
    with open_audio_source(str(path)) as source:
        read = whole(source)
    assert source.rate in (16000, 48000)
    assert len(read) == pytest.approx(source.rate, abs=1)
    if source.rate == 16000:
        np.testing.assert_allclose(read[2000:14000], written[2000:14000], atol=accuracy)
    assert np.corrcoef(read[:: source.rate // 16000][2000:14000], written[2000:14000])[0, 1] > 0.95


def test_two_channels_are_averaged_and_of_more_the_first_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "s.wav"
    for channels in (2, 6):
        written = sound(channels=channels)
        soundfile.write(path, written, 16000, subtype="FLOAT")
        expected = written.mean(axis=1) if channels == 2 else written[:, 0]
        np.testing.assert_array_equal(whole(SoundFileSource(path)), expected)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", r"s\.wav' is empty \(0 bytes\)"),
        (b"this is text, not sound\n" * 100, r"s\.wav' is not a sound file.*Format not recognised"),
        (b"RIFF\x24\0\0\0WAVE", r"s\.wav' is not a sound file.*cut within its header"),
    ],
)
def test_what_is_no_sound_file(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "s.wav"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=problem):
        SoundFileSource(path)


def test_wav_cut_anywhere_in_its_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.wav"
    soundfile.write(path, sound(), 16000, subtype="PCM_16")
    content = path.read_bytes()
    for length in range(1, 45):
        path.write_bytes(content[:length])
        with pytest.raises(SourceError, match=r"s\.wav' (is not a sound file.*cut within its header|holds no sound)"):
            SoundFileSource(path)


def test_wav_cut_in_its_data_yields_what_is_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "s.wav"
    written = sound()
    soundfile.write(path, written, 16000, subtype="PCM_16")
    path.write_bytes(path.read_bytes()[: 44 + 2 * 4000 + 1])  # in the middle of a sample
    with caplog.at_level(logging.WARNING):
        read = whole(SoundFileSource(path))
    np.testing.assert_allclose(read, written[:4000, 0], atol=2**-15)
    assert [record.getMessage() for record in caplog.records] == [f"{path}: cut short, only 25 % of its sound is there"]


def test_length_that_a_writer_did_not_know_is_no_damage(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "s.wav"
    written = sound()
    soundfile.write(path, written, 16000, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    content[40:44] = struct.pack("<I", 0x80000000)  # what a killed arecord leaves
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        assert len(whole(SoundFileSource(path))) == len(written)
    assert not caplog.records


def test_length_that_was_never_written_is_told(tmp_path: Path) -> None:
    path = tmp_path / "s.wav"
    soundfile.write(path, sound(), 16000, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    content[40:44] = bytes(4)
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"s\.wav' tells a length of 0 in its header.*--mic - < '.*s\.wav'"):
        SoundFileSource(path)


def test_flac_cut_in_its_data_yields_what_is_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "s.flac"
    written = sound(4)
    soundfile.write(path, written, 16000, subtype="PCM_16")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with caplog.at_level(logging.WARNING):
        read = whole(SoundFileSource(path))
    assert 16000 < len(read) < 40000
    np.testing.assert_allclose(read, written[: len(read), 0], atol=2**-15)
    assert len(caplog.records) == 1
    assert str(path) in caplog.text


def test_numbers_that_are_none_become_silence(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "s.wav"
    written = sound()
    written[[5, 900, 12000], 0] = [np.nan, np.inf, -np.inf]
    soundfile.write(path, written, 16000, subtype="FLOAT")
    source = SoundFileSource(path)
    with caplog.at_level(logging.WARNING):
        read = whole(source)
    np.testing.assert_array_equal(read, np.where(np.isfinite(written[:, 0]), written[:, 0], 0))
    assert source.figures.replaced == 3
    assert source.figures.clipped == 0
    assert len(caplog.records) == 1
    assert str(path) in caplog.text


@pytest.mark.filterwarnings("error")
def test_two_channels_at_the_end_of_float_s_range_are_clipped(tmp_path: Path) -> None:
    path = tmp_path / "s.wav"
    soundfile.write(path, np.full((800, 2), 3e38, np.float32), 16000, subtype="FLOAT")
    np.testing.assert_array_equal(whole(SoundFileSource(path)), np.ones(800, np.float32))


@pytest.mark.parametrize(
    ("subtype", "clipped"), [("PCM_U8", 4), ("PCM_16", 4), ("PCM_24", 4), ("PCM_32", 4), ("FLOAT", 4)]
)
def test_clipped_samples_are_counted(tmp_path: Path, subtype: str, clipped: int) -> None:
    path = tmp_path / "s.wav"
    written = sound(channels=2)
    written[100:102] = 1.0
    if subtype == "FLOAT":
        written[100] = [7.0, -9.0]
    soundfile.write(path, written, 16000, subtype=subtype)
    source = SoundFileSource(path)
    read = whole(source)
    assert source.figures.clipped == clipped
    assert read[101] == pytest.approx(1.0, abs=2**-7)


def test_what_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"missing\.wav': No such file"):
        open_audio_source(str(tmp_path / "missing.wav"))
    with pytest.raises(SourceError, match="is not a file"):
        open_audio_source(str(tmp_path))
    (tmp_path / "s.raw").write_bytes(b"\0\0" * 100)
    with pytest.raises(SourceError, match=r"s\.raw.*raw sound has no header.*-:s16le:16000:1"):
        open_audio_source(str(tmp_path / "s.raw"))
    with pytest.raises(SourceError, match="no sound source is named"):
        open_audio_source("")


def test_what_may_not_be_looked_at_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceError, match=r"x\.wav': File name too long"):
        open_audio_source("x" * 300 + ".wav")

    def refused(self: Path, **_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))

    # A folder that is another user's, also where the tests run as root.
    monkeypatch.setattr(Path, "stat", refused)
    with pytest.raises(SourceError, match=r"cannot read the sound file '.*s\.wav': Permission denied"):
        open_audio_source(str(tmp_path / "s.wav"))


def test_absurd_rate_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "s.wav"
    soundfile.write(path, sound(), 16000, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    content[24:28] = struct.pack("<I", 0x7FFFFFFF)
    path.write_bytes(content)
    with pytest.raises(SourceError, match="its header tells a rate of 2147483647 Hz"):
        SoundFileSource(path)


def test_closing_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "s.wav"
    soundfile.write(path, sound(), 16000)
    source = SoundFileSource(path)
    assert source.read() is not None
    source.close()
    source.close()
    assert source.read() is None


def test_closing_from_another_thread_waits_for_the_read(tmp_path: Path) -> None:
    path = tmp_path / "s.wav"
    soundfile.write(path, sound(), 16000)
    source = SoundFileSource(path)
    file, begun, done = source._file, threading.Event(), []

    class Slow:
        def read(self, *arguments: Any, **keys: Any) -> Any:
            begun.set()
            time.sleep(0.3)
            samples = file.read(*arguments, **keys)
            done.append("read")
            return samples

        def close(self) -> None:
            done.append("closed")
            file.close()

    source._file = Slow()
    reader = threading.Thread(target=source.read)
    reader.start()
    begun.wait(10)
    source.close()
    reader.join()
    assert done == ["read", "closed"]
    assert source.read() is None


@pytest.mark.parametrize(
    ("name", "answer"), [("a.WAV", True), ("b.flac", True), ("c.ogg", True), ("d.mp4", False), ("wav", False)]
)
def test_sound_files_are_told_by_their_ending(name: str, answer: bool) -> None:
    assert is_sound_file(name) is answer
    assert is_sound_file(Path("/somewhere") / name) is answer
