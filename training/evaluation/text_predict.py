"""Labelled texts as a text model takes them, and what it says of them, on the device's own path."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from converter import verify
from edge.errors import ModelError
from edge.features.token_ids import Ids, TextSettings, TokenIds
from edge.features.words import tokenise
from edge.inference.interpreter import load_interpreter
from edge.inference.manifest import Manifest
from edge.recognizers.text_model import FAMILIAR, TextModel
from training.datasets.text_set import FloatArray, TextSet
from training.recipe_parts import TextData


@dataclass(frozen=True)
class EmotionModel:
    """A text emotion model's file, opened and checked."""

    path: Path
    device: TextModel
    """As the device runs it."""
    data: TextData
    """The recipe's: which labels."""
    runtime: str

    @property
    def manifest(self) -> Manifest:
        """The file's."""
        return self.device.manifest

    @property
    def settings(self) -> TextSettings:
        """How its tokens become numbers."""
        return self.device.settings

    def logits(self, ids: Ids, *, progress: bool = False) -> FloatArray:
        """(n, length, pieces) -> (n, labels), before any temperature; text by text, as the device does it."""
        return verify.logits(self.path, ids, progress=progress)[:, : len(self.manifest.labels)]


@dataclass(frozen=True)
class Scored:
    """The texts of one split as a model takes them."""

    texts: TextSet
    ids: Ids
    """(n, length, pieces) int32"""
    lengths: FloatArray
    """(n,) tokens, before anything is cut."""
    unfamiliar: int
    """Texts of which the vocabulary has so few words that the device takes them for another language."""


def open_emotion_model(path: Path) -> EmotionModel:
    """Open a .tflite file and its manifest.

    Raises
    ------
    ModelError
        The file is missing, damaged or of another task; its manifest does not tell which labels it was trained with.
    """
    device = TextModel(path, task="text-emotion")
    try:
        data = TextData.model_validate(device.manifest.training["settings"]["data"])
    except (KeyError, TypeError, ValidationError):
        raise ModelError(
            f"{path}: its manifest does not tell which of GoEmotions' labels it was trained with "
            "(training.settings.data); models that `affect-edge train` made can be evaluated"
        ) from None
    return EmotionModel(path, device, data, load_interpreter(path).runtime)


def as_taken(texts: TextSet, model: EmotionModel) -> Scored:
    """Texts as the model takes them.

    Raises
    ------
    ModelError
        Its labels are not theirs.
    """
    if texts.labels != model.manifest.labels:
        raise ModelError(
            f"{model.path}: names {', '.join(model.manifest.labels)[:100]} where the data has "
            f"{', '.join(texts.labels)[:100]}, in this order"
        )
    number = TokenIds(model.settings)
    tokens = [tokenise(text) for text in texts.texts]
    return Scored(
        texts=texts,
        ids=np.stack([number(each[: model.settings.length]) for each in tokens]),
        lengths=np.array([len(each) for each in tokens], np.float32),
        unfamiliar=sum(model.device.known(each[: model.settings.length]) < FAMILIAR for each in tokens),
    )
