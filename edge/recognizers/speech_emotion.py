"""From sound to calibrated probabilities of the emotion in it: an encoder for each window, a head over the last ones.

The encoder's answers are kept, so that a hop costs one run of it and one of the small head, with the same numbers as
the whole network over all windows.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge.errors import ModelError
from edge.features.logmel import FloatArray, LogMelSettings
from edge.inference import Accelerator
from edge.inference.interpreter import Interpreter, TensorInfo, dequantise, load_model
from edge.inference.manifest import Manifest, SequenceInput, SpeechInput

Embedding = npt.NDArray[np.generic]
"""(numbers,) as the head's input stores them: int8 for quantised models."""


class SpeechRecognizer:
    """A loaded speech model: the head that is named, and the encoder that it was trained with.

    Parameters
    ----------
    model
        The head's .tflite file, with its manifest beside it. The manifest names the encoder, which lies in the folder
        speech-encoder beside the head's folder.
    threads
        Of each interpreter.
    accelerator
        What computes each: see `edge.inference.accelerator`.

    Raises
    ------
    ModelError
        A file is missing, damaged, of another task or not what its manifest says; the encoder is not the one that the
        head was trained with; the head keeps state from one run to the next.
    """

    def __init__(self, model: Path, *, threads: int = 1, accelerator: Accelerator = "cpu") -> None:
        self._head, self.manifest = load_model(model, task="speech-emotion", threads=threads, accelerator=accelerator)
        entry = self.manifest.input
        assert isinstance(entry, SequenceInput)  # the manifest's own check
        path = encoder_path(model, self.manifest)
        try:
            self._encoder, self.encoder_manifest = load_model(
                path, task="speech-encoder", threads=threads, accelerator=accelerator
            )
        except ModelError as error:
            raise ModelError(f"{error} (the encoder that {model} needs)") from None
        sound = self.encoder_manifest.input
        assert isinstance(sound, SpeechInput)
        if self.encoder_manifest.sha256 != entry.encoder_sha256:
            raise ModelError(
                f"{path}: not the encoder that {model} was trained with (its sha256 differs from input.encoder_sha256 "
                "there); install both again"
            )
        _check_pair(model, self._head, path, self._encoder)
        self.settings: LogMelSettings = sound.spectrogram
        self.windows: int = entry.shape[1]
        """Windows that the head looks at."""
        self._table = _requantisation(self._encoder.output, self._head.input)
        # softmax((scale * (stored - zero_point)) / temperature): the zero point drops out of a softmax.
        self._slope = np.float32(self.manifest.output.scale / self.manifest.calibration.temperature)
        self.silent: Embedding = self.encode(np.zeros((self.settings.frames, self.settings.bands), np.float32))
        """The embedding that stands for a window in which nothing was to be heard, or that is not there yet."""
        self._check_stateless(model)

    @property
    def labels(self) -> tuple[str, ...]:
        """In the order of the probabilities."""
        return self.manifest.labels

    def encode(self, window: FloatArray) -> Embedding:
        """What the head needs to know of one window.

        Parameters
        ----------
        window
            (frames, bands) float32, normalised by `edge.features.logmel.normalise`.

        Returns
        -------
        (numbers,) of the head's input type
        """
        stored: Embedding = self._encoder.run(_quantise(window, self._encoder.input)[None, :, :, None])[0]
        if self._table is not None:
            looked_up: Embedding = self._table[stored]
            return looked_up
        if _alike(self._encoder.output, self._head.input):
            return stored
        return _quantise(dequantise(stored, self._encoder.output), self._head.input)

    def classify(self, embeddings: npt.NDArray[np.generic]) -> FloatArray:
        """Probabilities of the emotion at the end of the last windows.

        Parameters
        ----------
        embeddings
            (windows, numbers) from `encode`, the oldest first.

        Returns
        -------
        (labels,) float32
            They add up to 1.
        """
        stored = self._head.run(embeddings[None])[0]
        scaled = stored.astype(np.float32) * self._slope
        odds = np.exp(scaled - scaled.max())
        probabilities: FloatArray = odds / odds.sum()
        return probabilities

    def _check_stateless(self, model: Path) -> None:
        """TFLite's fused LSTM goes on from where its last run ended, which would make each answer depend on all before.

        Converted with `unroll=True` an LSTM has no such memory.
        """
        quiet = np.stack([self.silent] * self.windows)
        other = np.zeros_like(quiet)
        first, _, again = (self.classify(x) for x in (quiet, other, quiet))
        if not np.array_equal(first, again):
            raise ModelError(f"{model}: keeps state from one run to the next; convert it with its LSTM layers unrolled")


def encoder_path(model: Path, manifest: Manifest) -> Path:
    """Where the encoder of a head lies.

    Raises
    ------
    ModelError
        The manifest names a path where a name belongs, or describes no speech model.
    """
    entry = manifest.input
    if not isinstance(entry, SequenceInput):
        raise ModelError(f"{model}: made for the task '{manifest.task}', which needs no encoder")
    if Path(entry.encoder).name != entry.encoder:
        raise ModelError(f"{model}: input.encoder: '{entry.encoder}' must be a plain name")

    return model.parent.resolve().parent / "speech-encoder" / f"{entry.encoder}.tflite"


def _check_pair(model: Path, head: Interpreter, path: Path, encoder: Interpreter) -> None:
    if len(head.input.shape) != 3 or head.input.shape[2:] != encoder.output.shape[1:]:
        raise ModelError(
            f"{model}: takes embeddings of shape {list(head.input.shape)}, where {path} gives "
            f"{list(encoder.output.shape)}; install both again"
        )


def _alike(one: TensorInfo, other: TensorInfo) -> bool:
    return (one.dtype, one.scale, one.zero_point) == (other.dtype, other.scale, other.zero_point)


def _requantisation(source: TensorInfo, target: TensorInfo) -> npt.NDArray[np.int8] | None:
    """What each int8 number of one tensor is in another, (256,); None where no table is needed or helps.

    0 to 127 come first, then -128 to -1: NumPy looks negative numbers up from the table's end.
    """
    if source.dtype != np.int8 or target.dtype != np.int8 or _alike(source, target):
        return None
    numbers = np.arange(256, dtype=np.uint8).view(np.int8)
    return np.asarray(_quantise(dequantise(numbers, source), target))


def _quantise(real: FloatArray, info: TensorInfo) -> npt.NDArray[np.generic]:
    """The stored numbers that stand for real ones; float tensors pass through."""
    if info.dtype.kind == "f":
        return real.astype(info.dtype, copy=False)
    steps = np.rint(real / np.float32(info.scale))
    steps += info.zero_point
    limits = np.iinfo(info.dtype)
    stored: Embedding = np.clip(steps, limits.min, limits.max, out=steps).astype(info.dtype)
    return stored
