"""What the systems are given: the same frames, half seconds of sound and sentences to all of a job."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.camera_loop import FPS, moving_frames
from benchmarks.peers.places import Found, Ready
from benchmarks.peers.process import Item, SystemProcess
from benchmarks.speech_sounds import recordings
from benchmarks.text_samples import made_up_texts, public_texts
from edge.bench.sounds import synthesised
from edge.config import Config
from edge.errors import SourceError
from edge.inference.catalog import find_model
from edge.observation import Image
from edge.recognizers.text_emotion import TextRecognizer

RATE = 16000
STEP_SECONDS = 0.5
"""Of sound, in an item."""
_FRAMES = 120
_SOUND_SECONDS = 60
_TFIDF = "tfidf.joblib"

Inputs = dict[str, Sequence[Item]]
"""By what they are: 'frames', 'sounds', 'texts'."""


def frames(video: Path | None, count: int) -> tuple[str, list[Item]]:
    """Frames in their order, forth and back so that nothing jumps, and what they are.

    Raises
    ------
    SourceError
        The video cannot be read.
    MissingDependencyError
        The demonstration's portrait is not there.
    """
    images = moving_frames(min(_FRAMES, count)) if video is None else _read_video(video, min(_FRAMES, count))
    last = max(1, len(images) - 1)
    places = [abs(turn % (2 * last) - last) for turn in range(last, last + count)]
    made = [Item.frame(images[min(at, len(images) - 1)], turn / FPS) for turn, at in enumerate(places)]
    size = f"{images[0].shape[1]}x{images[0].shape[0]}"
    what = "the built-in demonstration, a moving face" if video is None else video.name
    return f"{what}, {size}, {FPS:g} a second", made


def _read_video(path: Path, count: int) -> list[Image]:
    capture = cv2.VideoCapture(str(path))
    try:
        images: list[Image] = []
        while len(images) < count:
            good, image = capture.read()
            if not good:
                break
            images.append(image)
    finally:
        capture.release()
    if not images:
        raise SourceError(f"{path}: OpenCV reads no frame of it; --video names a video or a picture")
    return images


def sounds(data: Path | None, count: int) -> tuple[str, list[Item]]:
    """Half seconds of speech, one behind the other; raises `DataError` where a folder has no RAVDESS."""
    sound = recordings(data, _SOUND_SECONDS, RATE) if data else synthesised(_SOUND_SECONDS, RATE)
    size = round(RATE * STEP_SECONDS)
    steps = len(sound) // size
    cut = [sound[turn % steps * size : (turn % steps + 1) * size] for turn in range(count)]
    what = "RAVDESS, without pauses" if data else "a synthesised voice"
    return f"{what}, {RATE // 1000} kHz, {STEP_SECONDS:g} s at a time", [Item.sound(piece, RATE) for piece in cut]


def texts(data: Path | None, count: int) -> tuple[str, list[Item]]:
    """Sentences; raises `DataError` where a folder has no GoEmotions or no essays."""
    read = public_texts(data) if data else made_up_texts(_vocabulary())
    chosen = [read.sentences[turn % len(read.sentences)] for turn in range(count)]
    what = "GoEmotions' test comments" if data else read.name
    return f"{what}, {read.mean_words:.0f} words on average", [Item.text(sentence) for sentence in chosen]


def fit_tfidf(ready: Ready, data: Path | None, to: Path, *, patience: float) -> tuple[Ready, str]:
    """The TF-IDF peer with what it fitted in its own environment, and on what.

    Raises
    ------
    SystemFailedError
        It cannot be fitted.
    DataError
        The folder has no GoEmotions.
    """
    given, what = _training_texts(data)
    with tempfile.TemporaryDirectory(prefix="affect-edge-") as scratch:
        texts_file = Path(scratch, "texts.json")
        texts_file.write_text(json.dumps(given))
        written = to / _TFIDF
        with SystemProcess(ready, patience=patience) as process:
            told = process.ask({"prepare": {"texts": str(texts_file), "to": str(written)}})
    found = Found(_TFIDF, written, "", written.stat().st_size, None)
    return replace(ready, files=(found,)), f"{what}: {told['texts']} texts, {told['terms']} words and pairs"


def _training_texts(data: Path | None) -> tuple[dict[str, Any], str]:
    if data:
        from training.datasets import goemotions

        known = goemotions.read(data)["train"]
        targets = (np.asarray(known.targets) >= 0.5).astype(int).tolist()
        return {"texts": list(known.texts), "labels": list(known.labels), "targets": targets}, "GoEmotions, train"
    recognizer = TextRecognizer(find_model("text-emotion", Config().text.model))
    sentences = list(made_up_texts(recognizer.manifest.text_input.text.words).sentences)
    drawn = np.random.default_rng(0).integers(0, 2, (len(sentences), len(recognizer.labels)))
    # Each label is there and not there at least once.
    drawn[0], drawn[1] = 0, 1
    given = {"texts": sentences, "labels": list(recognizer.labels), "targets": drawn.tolist()}
    return given, "made-up sentences with labels by chance"


def _vocabulary() -> tuple[str, ...]:
    recognizer = TextRecognizer(find_model("text-emotion", Config().text.model))
    return tuple(recognizer.manifest.text_input.text.words)
