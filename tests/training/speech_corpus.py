"""Recordings under the corpora's file names that a small network tells apart in seconds: tones, and noise."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

FloatArray = npt.NDArray[np.float32]

RATE = 16000
EMOTIONS = ("neutral", "calm", "happy", "sad", "angry")
CREMA_CODES = {"neutral": "NEU", "happy": "HAP", "sad": "SAD", "angry": "ANG"}
TONES = {"neutral": 400.0, "calm": 410.0, "happy": 800.0, "sad": 1600.0, "angry": 3200.0}
"""Hertz. Calm, which recipes take as neutral, is nearly the same."""

PEOPLE = """"ActorID","Age","Sex","Race","Ethnicity"
1001,51,"Male","Caucasian","Not Hispanic"
1002,21,"Female","Caucasian","Hispanic"
1003,38,"Female","African American","Not Hispanic"
1004,29,"Male","Asian","Not Hispanic"
"""

RECIPE = """
name = "tiny"
task = "speech-emotion"
[data]
corpora = ["ravdess", "crema-d", "sounds"]
labels = ["angry", "happy", "neutral", "sad", "no speech"]
merge = { calm = "neutral" }
validation_speakers = ["ravdess 3", "crema-d 1003", "sounds 2"]
test_speakers = ["ravdess 4", "crema-d 1004", "sounds 3"]
[network]
channels = [8, 8, 16, 16]
embedding = 16
lstm = 16
windows = 2
dropout = 0.05
[schedule]
epochs = 14
batch_size = 6
learning_rate = 1.5e-2
warmup_epochs = 0.5
average_decay = 0.6
[augmentation]
mask_bands = 4
mask_frames = 8
colour = 1.0
noise = 0.2
room = 0.2
pitch = 0.05
[quantization]
epochs = 1
learning_rate = 1e-4
calibration_images = 64
"""


def tone(hertz: float, rng: np.random.Generator, *, seconds: float = 1.1, rate: int = RATE) -> FloatArray:
    """A tone with its octave that swells and fades, faint noise under it."""
    time = np.arange(round(seconds * rate)) / rate
    sound = np.sin(2 * np.pi * hertz * time) + 0.5 * np.sin(4 * np.pi * hertz * time)
    sound *= 0.3 * np.sin(np.pi * time / seconds)
    return (sound + rng.normal(0, 1e-3, len(time))).astype(np.float32)


def hiss(rng: np.random.Generator, *, seconds: float = 1.1) -> FloatArray:
    """White noise."""
    return rng.normal(0, 0.1, round(seconds * RATE)).astype(np.float32)


def write_sound(path: Path, samples: FloatArray, rate: int = RATE) -> Path:
    """In the format that the suffix names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate)
    return path


def write_corpora(folder: Path, *, takes: int = 2, sounds: int = 6, people: Sequence[int] = (1, 2, 3, 4)) -> Path:
    """RAVDESS's and CREMA-D's first actors, and sounds in three folds; CREMA-D's tables of actors and votes.

    The third and the fourth actor of each, whom recipes hold out, once sound sad where they should be angry.
    """
    rng = np.random.default_rng(7)
    votes = ['"","FileName","VoiceVote"']
    for actor in people:
        shift = 1 + 0.04 * rng.normal()
        for number, emotion in enumerate(EMOTIONS, start=1):
            for take in range(1, takes + 1):
                name = f"03-01-{number:02}-01-01-{take:02}-{actor:02}.wav"
                write_sound(folder / "ravdess" / f"Actor_{actor:02}" / name, tone(TONES[emotion] * shift, rng))
        if actor >= 3:
            slip = tone(TONES["sad"] * shift, rng)
            write_sound(folder / "ravdess" / f"Actor_{actor:02}" / f"03-01-05-02-02-01-{actor:02}.wav", slip)
            write_sound(folder / "crema" / f"{1000 + actor}_WSI_ANG_XX.flac", tone(TONES["sad"] * shift, rng))
        for emotion, code in CREMA_CODES.items():
            for sentence in ("DFA", "IEO", "TIE")[:takes]:
                name = f"{1000 + actor}_{sentence}_{code}_XX"
                write_sound(folder / "crema" / f"{name}.flac", tone(TONES[emotion] * shift, rng))
                # Listeners hear what is calm right, and cannot decide what is sad.
                votes.append(f'"1","{name}","{"N:S" if emotion == "sad" else "N"}"')
    for fold in (1, 2, 3):
        for number in range(sounds):
            write_sound(folder / "esc" / f"{fold}-{1000 + number}-A.wav", hiss(rng))
    (folder / "crema" / "VideoDemographics.csv").write_text(PEOPLE)
    (folder / "crema" / "summaryTable.csv").write_text("\n".join(votes) + "\n")
    return folder
