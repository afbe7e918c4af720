"""The field's feature vector: as the field computes it, and scaled by the training recordings alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("librosa")
pytest.importorskip("sklearn")
pytest.importorskip("soundfile")

import librosa
import soundfile

from edge.errors import DataError
from training.baselines.features import MFCCS, SIZE, Preparation, feature_vector, read_vectors
from training.datasets.speech_corpora import RAVDESS, Clip

RATE = 16000


def _tone(hertz: float) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE)).astype(np.float32)


def test_the_vector_is_what_the_tutorials_compute() -> None:
    sound = np.random.default_rng(1).normal(0, 0.1, RATE).astype(np.float32)
    theirs = np.hstack(
        [
            np.mean(librosa.feature.mfcc(y=sound, sr=RATE, n_mfcc=40, fmax=5200).T, axis=0),
            np.mean(librosa.feature.melspectrogram(y=sound, sr=RATE, n_mels=128, fmax=5200).T, axis=0),
        ]
    )
    ours = feature_vector(sound)
    assert ours.shape == (SIZE,) == (168,)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_what_lies_above_the_bands_gives_them_no_power() -> None:
    inside, above = (feature_vector(_tone(hertz))[MFCCS:].sum() for hertz in (1000, 6500))
    assert above < 1e-4 * inside


def test_scaling_knows_the_training_recordings_alone() -> None:
    train = np.stack([np.zeros(SIZE), np.full(SIZE, 4.0)]).astype(np.float32)
    prepared = Preparation.of(train, ["sad", "angry"])
    inputs = prepared.inputs(np.stack([*train, np.full(SIZE, 8.0, np.float32)]))
    assert inputs.shape == (3, SIZE, 1)
    assert inputs.dtype == np.float32
    assert [float(each.max()) for each in inputs] == [0, 1, 2]


def test_labels_are_numbered_by_name() -> None:
    prepared = Preparation.of(np.zeros((3, SIZE), np.float32), ["sad", "angry", "sad"])
    assert prepared.labels == ("angry", "sad")
    assert prepared.targets(["sad", "angry"]).tolist() == [1, 0]
    with pytest.raises(ValueError, match="calm"):
        prepared.targets(["calm"])


def test_recordings_become_rows(tmp_path: Path) -> None:
    sounds = [_tone(300), _tone(2000)]
    clips = [Clip(tmp_path / f"{number}.wav", RAVDESS, "ravdess 1", "sad") for number in range(2)]
    for clip, sound in zip(clips, sounds, strict=True):
        soundfile.write(clip.path, sound, RATE, subtype="FLOAT")
    np.testing.assert_array_equal(
        read_vectors(clips, progress=False), np.stack([feature_vector(sound) for sound in sounds])
    )
    clips[1].path.write_bytes(b"RIFF")
    with pytest.raises(DataError, match=r"1\.wav: cannot be decoded"):
        read_vectors(clips, progress=False)
