"""The speakers that a speech model was not trained on, and what it says of them, on the device's own path."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from edge.errors import DataError, ModelError
from edge.features.logmel import LogMelSettings
from edge.inference.interpreter import load_interpreter
from edge.inference.manifest import Manifest
from edge.recognizers.speech_emotion import SpeechRecognizer, encoder_path
from training.datasets.speech_batches import clip_windows
from training.datasets.speech_corpora import Clip, read_clips
from training.datasets.speech_spectra import Cleaning, read_spectra
from training.evaluation import float_models
from training.quantize_speech import answer
from training.recipe_parts import SpeechData
from training.speech import labels_of, taken

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SpeechModel:
    """A speech model, both of its files opened and checked."""

    path: Path
    """The head's file."""
    manifest: Manifest
    encoder_manifest: Manifest
    settings: LogMelSettings
    windows: int
    """That the head looks at."""
    data: SpeechData
    """The recipe's: labels, and who was held out."""
    runtime: str

    @property
    def encoder_path(self) -> Path:
        """The encoder's file."""
        return encoder_path(self.path, self.manifest)

    def logits(self, windows: FloatArray, *, progress: bool = False) -> FloatArray:
        """(n, windows, frames, bands) normalised windows -> (n, labels), before any temperature."""
        return answer(self.path, windows, progress=progress)


@dataclass(frozen=True)
class HeldOut:
    """Recordings of the speakers that were held out, as the model takes them."""

    clips: list[Clip]
    labels: npt.NDArray[np.int64]
    """(n,)"""
    windows: FloatArray
    """(n, windows, frames, bands)"""
    speakers: tuple[str, ...]
    cleaning: Cleaning

    @property
    def source(self) -> str:
        """The corpora, for the protocol."""
        return ", ".join(dict.fromkeys(clip.corpus for clip in self.clips))

    def digest(self) -> str:
        """SHA-256 of the files' bytes and then their labels (int64, little-endian), in order."""
        digest = hashlib.sha256()
        for clip in self.clips:
            digest.update(clip.path.read_bytes())
        digest.update(self.labels.astype("<i8").tobytes())
        return digest.hexdigest()


def open_speech_model(path: Path) -> SpeechModel:
    """Open a head's .tflite file and the encoder that belongs to it.

    Raises
    ------
    ModelError
        A file is missing, damaged or not what its manifest says; the manifest does not tell who was held out.
    """
    path = path.parent.resolve() / path.name
    recognizer = SpeechRecognizer(path)
    try:
        data = SpeechData.model_validate(recognizer.manifest.training["settings"]["data"])
    except (KeyError, TypeError, ValidationError):
        raise ModelError(
            f"{path}: its manifest does not tell which speakers were held out (training.settings.data); "
            "models that `affect-edge train` made can be evaluated"
        ) from None
    if data.labels != recognizer.labels:
        raise ModelError(f"{path}: its labels are not those of training.settings.data.labels")
    return SpeechModel(
        path=path,
        manifest=recognizer.manifest,
        encoder_manifest=recognizer.encoder_manifest,
        settings=recognizer.settings,
        windows=recognizer.windows,
        data=data,
        runtime=load_interpreter(path).runtime,
    )


def read_held_out(folder: Path, model: SpeechModel, split: str, *, progress: bool = False) -> HeldOut:
    """Read the recordings of the speakers that the model's recipe held out, and of no others.

    Parameters
    ----------
    folder
        Holds the corpora, as `read_clips` takes them.
    split
        'validation' or 'test'.

    Raises
    ------
    ModelError
        The recipe held nobody out for this split.
    DataError
        The recordings of a speaker are missing, or one cannot be decoded.
    """
    data = model.data
    speakers: tuple[str, ...] = getattr(data, f"{split}_speakers")
    if not speakers:
        raise ModelError(f"{model.path}: its recipe held no speakers out for {split}")
    clips = [clip for clip in read_clips(folder) if clip.speaker in speakers]
    if missing := [speaker for speaker in speakers if speaker not in {clip.speaker for clip in clips}]:
        raise DataError(f"{folder}: has no recordings of {', '.join(missing)}, held out for {split}")
    spectra, cleaning = read_spectra(clips, model.settings, progress=progress)
    used = taken(spectra, data)
    if not used:
        raise DataError(f"{folder}: the speakers held out for {split} have no recording with one of the labels")
    return HeldOut(
        clips=[each.clip for each in used],
        labels=labels_of(used, data),
        windows=np.stack([clip_windows(each, model.windows, model.settings) for each in used]),
        speakers=speakers,
        cleaning=cleaning,
    )


def open_float_model(path: Path, beside: SpeechModel) -> keras.Model:
    """The whole float network that an int8 model was made from, (n, windows, frames, bands) -> (n, labels).

    Raises
    ------
    ModelError
        Not a .keras file that can be read, or one with other inputs or outputs than the int8 model's.
    """
    takes = beside.windows, beside.settings.frames, beside.settings.bands
    return float_models.open_float_model(path, takes=takes, gives=(len(beside.data.labels),))
