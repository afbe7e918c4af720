"""What models are run on where interpreters are compared: test sets as the device quantises them, or made-up input.

The rows are a model's stored numbers, so that what is compared is the interpreters and not what comes before them. What
an answer decides (`decisions`) is what a user would see of it: labels, traits, cells with a face.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.interpreter_process import InterpreterProcess
from benchmarks.text_samples import made_up_sentences
from converter.verify import quantise
from edge.errors import ModelError
from edge.features.token_ids import TokenIds
from edge.features.words import tokenise
from edge.inference.catalog import InstalledModel, list_models
from edge.inference.interpreter import dequantise, load_interpreter
from edge.inference.manifest import Manifest
from edge.recognizers.speech_emotion import encoder_path
from edge.recognizers.text_model import sigmoid

Rows = npt.NDArray[Any]
"""(n, ...) stored numbers, each row a model's input or output without its batch axis."""


@dataclass(frozen=True)
class Inputs:
    """Rows for one model."""

    rows: Rows
    source: str
    """What they are."""


@dataclass(frozen=True)
class Folders:
    """Where the public data lies; None where it is not there."""

    faces: Path | None = None
    """Of FER-2013."""
    speech: Path | None = None
    """Of the corpora that the speech model's recipe names."""
    text: Path | None = None
    """Of GoEmotions and the essays, also further down."""
    photographs: Path | None = None
    """Of the face detectors."""


def add_folders(parser: argparse.ArgumentParser) -> None:
    """The arguments that choose models and rows."""
    parser.add_argument("--model", nargs="+", metavar="NAME|TASK", help="only these (default: all that are installed)")
    parser.add_argument("--faces", type=Path, metavar="DIR", help="folder of FER-2013")
    parser.add_argument("--speech", type=Path, metavar="DIR", help="folder of RAVDESS, CREMA-D, ESC-10")
    parser.add_argument("--text", type=Path, metavar="DIR", help="folder of GoEmotions and the essays")
    parser.add_argument("--photographs", type=Path, metavar="DIR", help="folder of the face detectors' photographs")


def folders_of(arguments: argparse.Namespace) -> Folders:
    """The folders that were named."""
    return Folders(arguments.faces, arguments.speech, arguments.text, arguments.photographs)


def chosen(names: Sequence[str] | None) -> list[InstalledModel]:
    """The installed models of a task or a name; all without names.

    Raises
    ------
    ModelError
        There is none of a name.
    """
    models = list_models()
    if not names:
        return models
    for name in names:
        if not [model for model in models if name in (model.task, model.name)]:
            raise ModelError(
                f"no model or task '{name}'; installed are: {', '.join(f'{each.task}/{each.name}' for each in models)}"
            )
    return [model for model in models if model.task in names or model.name in names]


def made_up(manifest: Manifest, count: int, *, seed: int = 0) -> Inputs:
    """Noise over the whole range of an int8 input; sentences of the vocabulary's words for a text model.

    Raises
    ------
    ModelError
        The model takes something else.
    """
    shape = tuple(manifest.input.shape[1:])
    if manifest.input.dtype == "int8":
        generator = np.random.default_rng(seed)
        return Inputs(generator.integers(-128, 128, (count, *shape), np.int8), "seeded noise")
    if manifest.input.dtype != "int32":
        raise ModelError(f"{manifest.file}: takes {manifest.input.dtype}; int8 models are compared")
    settings = manifest.text_input.text
    ids = TokenIds(settings)
    sentences = made_up_sentences(settings.words, seed=seed)
    # As many as fill the longest input: a sentence has 4 to 20 words.
    texts = (" ".join(islice(sentences, 1 + settings.length // 12)) for _ in range(count))
    return Inputs(np.stack([ids(tokenise(text)) for text in texts]), "made-up sentences")


def test_set(model: Path, manifest: Manifest, folders: Folders, *, progress: bool = False) -> Inputs | None:
    """All that a model is scored on, as the device quantises it; None where its data is not there.

    A speech model's are the windows of the recordings, (n, windows, frames, bands, 1), for its encoder. The trait model
    learnt from all essays; all of them are its rows.

    Raises
    ------
    DataError
        The data is damaged or incomplete.
    ModelError
        The manifest does not tell what was held out.
    """
    readers = {
        "expression": (folders.faces, _faces),
        "speech-emotion": (folders.speech, _speech),
        "text-emotion": (folders.text, _comments),
        "traits": (folders.text, _essays),
        "face-detection": (folders.photographs, _photographs),
    }
    folder, read = readers.get(manifest.task, (None, None))
    return read(model, manifest, folder, progress) if folder and read else None


def inputs_of(
    model: Path, manifest: Manifest, folders: Folders, *, made_up_rows: int, most: int | None, progress: bool = False
) -> Inputs:
    """A model's test set or, without its data, made-up rows; at most so many of them, spread evenly over all."""
    found = test_set(model, manifest, folders, progress=progress) or made_up(manifest, made_up_rows)
    if most is None or len(found.rows) <= most:
        return found
    return Inputs(found.rows[np.linspace(0, len(found.rows) - 1, most).astype(int)], f"{found.source}, {most} of them")


def answer(process: InterpreterProcess, model: Path, manifest: Manifest, rows: Rows) -> Rows:
    """A model's answers to rows of `inputs_of`; recordings go through the speech model's encoder first."""
    if manifest.task == "speech-emotion" and rows.ndim > len(manifest.input.shape):
        encoder = encoder_path(model, manifest)
        process.load(encoder)
        codes = process.run(rows.reshape(-1, *rows.shape[2:]))
        real = dequantise(codes, load_interpreter(encoder).output)
        rows = quantise(real, load_interpreter(model)).reshape(*rows.shape[:2], -1)
    process.load(model)
    return process.run(rows)


def decisions(model: Path, manifest: Manifest, answers: Rows) -> npt.NDArray[np.int64] | None:
    """What stored answers decide, (n, ...) whole numbers; None for an encoder, which decides nothing.

    A label is the first of the greatest logits; for text also which labels reach their thresholds; of a trait, whether
    it is above the middle; of a face detector, which cells say 'face'.
    """
    real = dequantise(answers, load_interpreter(model).output)
    found: npt.NDArray[Any]
    if manifest.task in ("expression", "speech-emotion"):
        found = real.argmax(axis=1)[:, None]
    elif manifest.task == "text-emotion":
        logits = real[:, : len(manifest.labels)]
        least = np.array(manifest.calibration.thresholds or [0.5] * len(manifest.labels), np.float32)
        present = sigmoid(logits / np.float32(manifest.calibration.temperature)) >= least
        found = np.concatenate([logits.argmax(axis=1)[:, None], present], axis=1)
    elif manifest.task == "traits":
        found = real > 0
    elif manifest.detection is not None:
        least_score = manifest.detection.threshold
        found = real[:, :, 0] >= np.log(least_score / (1 - least_score))
    else:
        return None
    return found.astype(np.int64)


def _faces(model: Path, manifest: Manifest, folder: Path, progress: bool) -> Inputs:
    from edge.features.face import pixel_table
    from training.datasets.fer2013 import read_faces

    faces = read_faces(folder, progress=progress)["test"]
    return Inputs(pixel_table(manifest.image_input)[faces.images][..., None], f"FER-2013, test: {len(faces)} faces")


def _speech(model: Path, manifest: Manifest, folder: Path, progress: bool) -> Inputs:
    from training.evaluation.speech_predict import open_speech_model, read_held_out

    opened = open_speech_model(model)
    held = read_held_out(folder, opened, "test", progress=progress)
    rows = quantise(held.windows[..., None], load_interpreter(opened.encoder_path))
    return Inputs(rows, f"{held.source}, test: {len(rows)} recordings of {len(held.speakers)} speakers and of sounds")


def _comments(model: Path, manifest: Manifest, folder: Path, progress: bool) -> Inputs:
    from training.datasets import goemotions
    from training.evaluation.text_predict import as_taken, open_emotion_model

    opened = open_emotion_model(model)
    ids = as_taken(goemotions.read(folder, opened.data.labels)["test"], opened).ids
    return Inputs(ids, f"GoEmotions, test: {len(ids)} comments")


def _essays(model: Path, manifest: Manifest, folder: Path, progress: bool) -> Inputs:
    from edge.recognizers.text_model import TextModel, tokens_of
    from training.datasets import essays

    device = TextModel(model, task="traits")
    ids = TokenIds(device.settings)
    texts = essays.read(folder).texts
    rows = np.stack([ids(run) for text in texts for run in device.runs(tokens_of(text))])
    return Inputs(rows, f"Pennebaker and King: {len(rows)} runs of tokens of all {len(texts)} essays")


def _photographs(model: Path, manifest: Manifest, folder: Path, progress: bool) -> Inputs:
    from edge.features.face import pixel_table
    from edge.features.letterbox import letterbox
    from training.datasets.face_photos import read_photos

    try:
        sources = manifest.training["settings"]["data"]["test_sources"]
    except (KeyError, TypeError):
        raise ModelError(f"{model}: its manifest does not tell which sources were held out") from None
    photos = read_photos(folder, sources=sources, progress=progress)
    _, height, width, _ = manifest.input.shape
    table = pixel_table(manifest.image_input)
    rows = np.stack([table[letterbox(photo.image, height, width)[0]] for photo in photos])[..., None]
    return Inputs(rows, f"{', '.join(sources)}, test: {len(rows)} photographs")
