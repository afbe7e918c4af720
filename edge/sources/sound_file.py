"""Sound files, through libsndfile: WAV of every kind, FLAC, Ogg and what else it reads."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from edge.errors import SourceError
from edge.observation import AudioBlock
from edge.sources.sound import BLOCK_SECONDS, RATES, AudioSource, SoundFigures
from edge.sources.sound_samples import full_scale, to_mono
from edge.sources.sound_wav import WavHeader, read_wav_header

_BITS = {"PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
"""Of libsndfile's encodings that are whole numbers; the others are scaled as float."""

_log = logging.getLogger(__name__)


class SoundFileSource(AudioSource):
    """The sound of a file, as fast as it is read; one that is cut short yields what is there, with a warning.

    Samples that are no finite number become 0 and are counted, with one warning; samples at full scale are counted.

    Parameters
    ----------
    path
        A file that libsndfile reads.

    Raises
    ------
    SourceError
        The file is missing, empty, cut within its header, or holds no sound.
    """

    live = False

    def __init__(self, path: str | Path) -> None:
        self.name = str(path)
        self.figures = SoundFigures()
        self._using = threading.RLock()
        wav = _read_wav(Path(path))
        self._file: Any = _open(self.name)
        self.rate = int(self._file.samplerate)
        if self.rate not in RATES:
            self.close()
            raise SourceError(f"'{path}' is damaged: its header tells a rate of {self.rate} Hz")
        self.sample_count: int = self._file.frames
        """Samples of one channel that the file promises, for progress bars; a damaged file yields fewer."""
        if self.sample_count == 0:
            self.close()
            if wav is not None and wav.header.size == 0 < wav.held:
                raise SourceError(
                    f"'{path}' tells a length of 0 in its header; if its recorder was cut off, the sound can be read "
                    f"with  affect-edge run --source none --mic - < '{path}'"
                )
            raise SourceError(f"'{path}' holds no sound: it ends behind its header")
        self._limit = full_scale(_BITS.get(self._file.subtype, 0))
        self._block = max(1, round(self.rate * BLOCK_SECONDS))
        self._position = 0
        if wav is not None and wav.header.is_size_known and wav.held < wav.header.size:
            # libsndfile corrects the length in silence.
            self._warn_cut(wav.held / wav.header.size)

    def read(self) -> AudioBlock | None:
        # libsndfile may not close a file that it reads.
        with self._using:
            return self._read()

    def _read(self) -> AudioBlock | None:
        if self._file is None:
            return None
        replaced = self.figures.replaced
        try:
            samples = self._file.read(self._block, dtype="float32", always_2d=True)
        except RuntimeError as error:  # LibsndfileError: a damaged FLAC
            _log.warning("%s: damaged after %.2f s (%s)", self.name, self._position / self.rate, error)
            self.close()
            return None
        if not len(samples):
            # Ogg and MP3 estimate their length; a block more or less says nothing.
            if self._position < self.sample_count - self._block:
                self._warn_cut(self._position / self.sample_count)
            self.close()
            return None
        mono = to_mono(samples, self._limit, self.figures)
        if self.figures.replaced > replaced == 0:
            _log.warning(
                "%s: holds samples that are not finite numbers (the first after %.2f s); they count as silence",
                *(self.name, self._position / self.rate),
            )
        block = AudioBlock(
            samples=mono,
            rate=self.rate,
            position=self._position,
            wall_time=time.time(),
            monotonic_time=self._position / self.rate,
            source=self.name,
        )
        self._position += len(mono)
        self.figures.blocks += 1
        return block

    def close(self) -> None:
        with self._using:
            file, self._file = self._file, None
            if file is not None:
                file.close()

    def _warn_cut(self, part: float) -> None:
        _log.warning("%s: cut short, only %.0f %% of its sound is there", self.name, 100 * part)


def _open(name: str) -> Any:
    soundfile = _import_soundfile()
    try:
        # By path: through a file object every read would be a Python callback, and errors in it are swallowed.
        return soundfile.SoundFile(name)
    except TypeError:  # it takes the ending .raw for sound without a header
        reason = "raw sound has no header; feed it as  affect-edge ... -:s16le:16000:1 < FILE"
    except RuntimeError as error:  # soundfile.LibsndfileError
        reason = getattr(error, "error_string", str(error)).strip().rstrip(".")
    raise SourceError(f"'{name}' is not a sound file that can be read, or it is cut within its header: {reason}")


@dataclass(frozen=True, slots=True)
class _Wav:
    header: WavHeader
    held: int
    """Bytes behind the header."""


def _read_wav(path: Path) -> _Wav | None:
    """What a WAV file promises and holds; None of another file. Raises `SourceError`."""
    try:
        if not path.is_file() and path.exists():
            raise SourceError(f"'{path}' is not a file")
        with path.open("rb") as file:
            if not file.read(1):
                raise SourceError(f"the sound file '{path}' is empty (0 bytes)")
            file.seek(0)
            try:
                header = read_wav_header(file.read, str(path))
            except SourceError:  # libsndfile knows more kinds, and says what is wrong
                return None
            return _Wav(header, path.stat().st_size - file.tell())
    except OSError as error:
        raise SourceError(f"cannot read the sound file '{path}': {error.strerror or error}") from error


def _import_soundfile() -> ModuleType:
    try:
        import soundfile
    except OSError as error:  # a platform whose wheel carries no libsndfile
        raise SourceError(f"soundfile does not find libsndfile ({error}): sudo apt install libsndfile1") from error
    module: ModuleType = soundfile
    return module
