"""The field's baselines on the field's features, scored as a model for unknown voices has to be, and as the field does.

Recipe of the tutorials: Adam at its own rate, batches of 32, some 50 epochs; nothing of it was tuned here. The epoch is
chosen by validation recordings, where the field takes the best on the test.
"""

from __future__ import annotations

import logging
import statistics
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np
import numpy.typing as npt
from sklearn.model_selection import StratifiedKFold, train_test_split
from tqdm import tqdm

from training.baselines.features import FloatArray, Preparation
from training.baselines.networks import NETWORKS
from training.datasets.speech_corpora import Clip
from training.datasets.speech_folds import FOLDS, speaker_folds
from training.speech import unweighted_recall

logger = logging.getLogger(__name__)

BATCH_SIZE = 32
VALIDATION_SHARE = 1 / 12
"""Of all recordings, in a random split: as in the folds of RAVDESS, where 2 of 24 actors choose the epoch."""

Indices = npt.NDArray[np.int64]
Network = Literal["cnn", "lstm"]


@dataclass(frozen=True)
class Split:
    """Numbers of the recordings that a fold trains on, chooses the epoch by, and is scored on."""

    fold: int
    """Counted from 1."""
    train: Indices
    validation: Indices
    test: Indices


@dataclass(frozen=True)
class FoldFigures:
    """What one run is worth on its test recordings."""

    fold: int
    seed: int
    recordings: int
    """Tested."""
    epoch: int
    """That the validation recordings chose, counted from 1."""
    validation_recall: float
    recall: float
    """Unweighted average recall (UAR), 0 to 1."""
    accuracy: float


def actor_splits(clips: Sequence[Clip], corpus: str) -> list[Split]:
    """The corpus's actor-disjoint folds; raises `DataError` where actors are missing."""
    speakers = np.array([clip.speaker for clip in clips])
    splits = []
    for fold, (test, validation) in enumerate(speaker_folds(corpus, speakers.tolist()), start=1):
        tested, choosing = np.isin(speakers, test), np.isin(speakers, validation)
        trained = ~(tested | choosing)
        splits.append(Split(fold, *(np.flatnonzero(part) for part in (trained, choosing, tested))))
    return splits


def random_splits(clips: Sequence[Clip], seed: int) -> list[Split]:
    """As many folds of recordings drawn at random, each emotion's share the same: every actor is on every side."""
    emotions = np.array([clip.emotion for clip in clips])
    choosing = round(len(clips) * VALIDATION_SHARE)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(emotions, emotions)
    splits = []
    for fold, (rest, test) in enumerate(folds, start=1):
        train, validation = train_test_split(rest, test_size=choosing, stratify=emotions[rest], random_state=seed)
        splits.append(Split(fold, train, validation, test))
    return splits


def run_fold(
    network: Network,
    vectors: FloatArray,
    emotions: Sequence[str],
    split: Split,
    *,
    seed: int,
    epochs: int,
    tick: Callable[[], object] = lambda: None,
) -> FoldFigures:
    """Train one network and score it on the fold's test recordings.

    Parameters
    ----------
    network
        A key of NETWORKS.
    vectors
        (n, 168) features of all recordings.
    emotions
        Of all recordings.
    seed
        The same seed gives the same figures on the same machine.
    tick
        Called after each epoch.
    """
    words = np.asarray(emotions)
    prepared = Preparation.of(vectors[split.train], words[split.train].tolist())
    inputs, labels = prepared.inputs(vectors), prepared.targets(words.tolist())
    keras.utils.set_random_seed(seed)
    model = NETWORKS[network](vectors.shape[1], len(prepared.labels))
    # XLA is slower than oneDNN's kernels on a CPU.
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    chooser = _Chooser(inputs[split.validation], labels[split.validation], tick)
    model.fit(
        inputs[split.train],
        labels[split.train],
        batch_size=BATCH_SIZE,
        epochs=epochs,
        callbacks=[chooser],
        verbose=0,
    )
    model.set_weights(chooser.weights)
    logits, truth = _logits(model, inputs[split.test]), labels[split.test]
    return FoldFigures(
        fold=split.fold,
        seed=seed,
        recordings=len(truth),
        epoch=chooser.epoch,
        validation_recall=chooser.recall,
        recall=unweighted_recall(logits, truth),
        accuracy=float((logits.argmax(axis=1) == truth).mean()),
    )


def run_all(
    network: Network,
    vectors: FloatArray,
    emotions: Sequence[str],
    splits: Callable[[int], Sequence[Split]],
    *,
    folds: Collection[int],
    seeds: int,
    epochs: int,
    progress: bool = True,
) -> list[FoldFigures]:
    """Each of the folds once with each seed, from 1 on; `splits` gives a seed's folds."""
    figures = []
    with tqdm(total=seeds * len(folds) * epochs, unit="epoch", disable=not progress) as bar:
        for seed in range(1, seeds + 1):
            for split in splits(seed):
                if split.fold in folds:
                    bar.set_description(f"seed {seed}, fold {split.fold}")
                    figures.append(
                        run_fold(network, vectors, emotions, split, seed=seed, epochs=epochs, tick=bar.update)
                    )
                    logger.info("%s", figures[-1])
    return figures


class _Chooser(keras.callbacks.Callback):  # type: ignore[misc]
    """Keeps the weights of the epoch that did best on the validation recordings, the first of equals."""

    def __init__(self, inputs: FloatArray, labels: Indices, tick: Callable[[], object]) -> None:
        super().__init__()
        self.recall = -1.0
        self.epoch = 0
        self.weights: list[FloatArray] = []
        self._inputs, self._labels, self._tick = inputs, labels, tick

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        recall = unweighted_recall(_logits(self.model, self._inputs), self._labels)
        if recall > self.recall:
            self.recall, self.epoch, self.weights = recall, epoch + 1, self.model.get_weights()
        self._tick()


def _logits(model: keras.Model, inputs: FloatArray) -> FloatArray:
    result: FloatArray = keras.ops.convert_to_numpy(model(inputs, training=False))
    return result


def summarise(figures: Sequence[FoldFigures]) -> dict[str, dict[str, float]]:
    """Mean over folds and seeds, and the standard deviation of the seeds' means, of recall and accuracy."""
    summary = {}
    for key in ("recall", "accuracy"):
        by_seed = [
            statistics.mean(getattr(each, key) for each in figures if each.seed == seed)
            for seed in sorted({each.seed for each in figures})
        ]
        summary[key] = {
            "mean": statistics.mean(by_seed),
            "deviation_over_seeds": statistics.stdev(by_seed) if len(by_seed) > 1 else 0.0,
        }
    return summary
