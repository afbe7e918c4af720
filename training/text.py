"""Training a text emotion model: vocabulary, targets, and the float run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import keras
import numpy as np

from edge.features.token_ids import FIRST_WORD, Ids, TextSettings, TokenIds
from edge.features.words import tokenise
from edge.recognizers.text_model import RATING_MIDDLE
from training.architectures.text_net import build_text_net
from training.datasets import emobank, goemotions, word_vectors
from training.datasets.text_batches import FloatArray, TextBatches, Tokens, settings_of
from training.datasets.text_set import TextSet
from training.evaluation.text_figures import best_thresholds, f1_scores, probabilities_of
from training.fit import Progress, fit
from training.losses import binary_cross_entropy, labels_and_numbers
from training.recipe import TextRecipe

LIMITS: Final = (
    "Names the emotion that readers of short English comments on Reddit named, not what the writer felt. Readers often "
    "disagree; irony, quotations and words of a group's own are read wrongly, and other "
    "languages are not read at all. Not for decisions about people. Where text is taken from speech or messages, the "
    "people concerned must be told; in the EU, inferring emotion from biometrics, such as a voice, at work or in "
    "education is prohibited, and turning the voice into text first is no way around it."
)


@dataclass(frozen=True)
class TextSplits:
    """The data of one run."""

    train: TextSet
    validation: TextSet
    tokens: Sequence[Tokens]
    """Of the training texts, those with ratings last."""
    settings: TextSettings
    rated: TextSet | None = None
    """Further training texts, which have ratings and no labels."""

    @property
    def ratings(self) -> tuple[str, ...]:
        """What the network's outputs behind the labels' stand for."""
        return () if self.rated is None else self.rated.labels


@dataclass(frozen=True)
class TextValidation:
    """Texts that choose among epochs."""

    ids: Ids
    targets: FloatArray
    metric: str = "macro F1"

    def score(self, model: keras.Model) -> tuple[float, float]:
        """Macro-F1 with each label's best threshold here, and the cross-entropy."""
        answers = np.asarray(model.predict(self.ids, batch_size=512, verbose=0), np.float32)
        logits = answers[:, : self.targets.shape[1]]
        probabilities = probabilities_of(logits)
        thresholds = best_thresholds(probabilities, self.targets)
        loss = float(keras.ops.convert_to_numpy(binary_cross_entropy(self.targets, logits)))
        return float(f1_scores(probabilities >= thresholds, self.targets).mean()), loss


def prepare(folder: Path, recipe: TextRecipe) -> TextSplits:
    """Read the data and count the words of its training part; raises `DataError`."""
    sets = goemotions.read(folder, recipe.data.labels)
    rated = emobank.read(folder)["train"] if recipe.data.ratings else None
    tokens = [tokenise(text) for text in (*sets["train"].texts, *(rated.texts if rated is not None else ()))]
    return TextSplits(sets["train"], sets["validation"], tokens, settings_of(recipe.features, tokens), rated)


def ids_of(texts: Sequence[str], settings: TextSettings) -> Ids:
    """(n, length, pieces) the beginnings of texts, as the network takes them."""
    number = TokenIds(settings)
    return np.stack([number(tokenise(text)) for text in texts])


def targets_of(targets: FloatArray, smoothing: float) -> FloatArray:
    """Towards what is usual: a label that is given counts a little less, another as often as it occurs."""
    smoothed: FloatArray = ((1 - smoothing) * targets + smoothing * targets.mean(axis=0)).astype(np.float32)
    return smoothed


def all_targets_of(splits: TextSplits, smoothing: float) -> FloatArray:
    """(n, labels + ratings) of all training texts, NaN where a text has none; ratings as distances to the middle."""
    targets = targets_of(splits.train.targets, smoothing)
    if splits.rated is None:
        return targets
    labelled, labels = targets.shape
    together = np.full((labelled + len(splits.rated), labels + len(splits.ratings)), np.nan, np.float32)
    together[:labelled, :labels] = targets
    together[labelled:, labels:] = splits.rated.targets - RATING_MIDDLE
    return together


def train_float(
    recipe: TextRecipe, splits: TextSplits, out: Path, *, vectors: Path | None = None, progress: bool
) -> tuple[keras.Model, Progress]:
    """Train the float model, or go on where an earlier run in `out` was stopped.

    Parameters
    ----------
    vectors
        A file of word vectors in GloVe's text format, which the vocabulary's words begin with.

    Returns
    -------
    model
        (n, length, pieces) -> logits, and behind them ratings less `RATING_MIDDLE` where the recipe has them; with the
        weights that did best on the validation texts.
    progress
        Of the run.
    """
    keras.utils.set_random_seed(recipe.seed)
    labels = len(splits.train.labels)
    model = build_text_net(recipe.network, splits.settings, outputs=labels + len(splits.ratings))
    if vectors is not None:
        begin_with_vectors(model, splits.settings, vectors)
    state = fit(
        model,
        text_batches(recipe, splits, seed=recipe.seed),
        TextValidation(ids_of(splits.validation.texts, splits.settings), splits.validation.targets),
        recipe.schedule,
        loss=binary_cross_entropy if splits.rated is None else labels_and_numbers(labels),
        recipe=recipe.model_dump(mode="json", exclude={"further", "quantization", "version"}),
        checkpoint=out / "checkpoint.npz",
        progress=progress,
    )
    return model, state


def text_batches(recipe: TextRecipe, splits: TextSplits, *, seed: int) -> TextBatches:
    """The training texts as batches."""
    return TextBatches(
        splits.tokens,
        all_targets_of(splits, recipe.label_smoothing),
        splits.settings,
        unknown=recipe.augmentation.unknown,
        batch_size=recipe.schedule.batch_size,
        seed=seed,
    )


def begin_with_vectors(model: keras.Model, settings: TextSettings, path: Path) -> int:
    """Set the vectors of the vocabulary's words to those of a file, as far as it has them and they reach.

    Vectors shorter than the embedding fill its first places, longer ones are cut; they are brought to the embedding's
    own scale.

    Returns
    -------
    How many words were found.

    Raises
    ------
    DataError
        The file is missing or damaged, or has none of the words.
    """
    table = model.get_layer("embedding")
    (weights,) = table.get_weights()
    vectors, known = word_vectors.read(path, settings.words).rows(settings.words)
    width = min(weights.shape[1], vectors.shape[1])
    found = vectors[known, :width]
    rows = FIRST_WORD + np.flatnonzero(known)
    weights[rows, :width] = (found - found.mean(axis=0)) / (found.std(axis=0) + 1e-6) * weights.std()
    table.set_weights([weights])
    return len(rows)
