"""A linear model of texts as a network: logistic regression on the words' shares, weighted by how rare they are.

What each word adds to each label becomes its vector, so that the same file, runtime and explanations serve it as serve
the deep networks. Of long texts and few examples it knows as much as they do, or more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import keras
import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

from edge.features.token_ids import FIRST_WORD, PADDING, TextSettings
from training.architectures.text_net import build_text_net
from training.datasets.text_batches import FloatArray, Tokens
from training.recipe_parts import TextNetwork

SCALE: Final = 10.0
"""Brings a frequent word's share near 1, where scikit-learn's strengths of regularisation are meant for."""


@dataclass(frozen=True)
class LinearText:
    """A trained one."""

    vectors: FloatArray
    """(numbers, labels) what each number of a token adds, at full share; nothing for unknown words, the mean of all
    texts for padding."""
    bias: FloatArray
    """(labels,)"""
    strength: float
    """Inverse regularisation that was chosen."""
    score: float
    """Mean accuracy on the texts that chose it."""


def train_linear(
    options: TextNetwork,
    settings: TextSettings,
    training: tuple[Sequence[Tokens], FloatArray],
    choosing: tuple[Sequence[Tokens], FloatArray],
) -> LinearText:
    """Choose how strongly to regularise, then train on all texts, those that chose among them.

    Parameters
    ----------
    training, choosing
        Tokens of texts and their (n, labels) targets, 0 or 1.
    """
    counts = [_counts(tokens, settings) for tokens, _ in (training, choosing)]
    rarity = _rarity(counts[0])
    features = [_weighted(each, rarity) for each in counts]

    def accuracy(strength: float) -> float:
        coefficients, bias = _fit(features[0], training[1], strength)
        return float(((features[1] @ coefficients + bias > 0) == (choosing[1] > 0.5)).mean())

    scores = {strength: accuracy(strength) for strength in options.strengths}
    best = max(scores, key=lambda strength: scores[strength])
    everything, targets = [*training[0], *choosing[0]], np.concatenate([training[1], choosing[1]])
    counted = _counts(everything, settings)
    rarity = _rarity(counted)
    weighted = _weighted(counted, rarity)
    coefficients, bias = _fit(weighted, targets, best)
    vectors = np.zeros((settings.numbers, targets.shape[1]), np.float32)
    vectors[FIRST_WORD : FIRST_WORD + len(settings.words)] = SCALE * rarity[:, None] * coefficients
    # What is missing in a short text is taken to be as in all texts on average: it neither speaks for a label nor
    # against it.
    vectors[PADDING] = np.asarray(weighted.mean(axis=0)).ravel() @ coefficients
    return LinearText(vectors, bias.astype(np.float32), best, scores[best])


def as_network(options: TextNetwork, settings: TextSettings, linear: LinearText) -> keras.Model:
    """The same as a network; of texts that fill the network's input the answers are equal."""
    labels = len(linear.bias)
    network = build_text_net(options, settings, outputs=labels)
    network.get_layer("embedding").set_weights([linear.vectors])
    network.get_layer("logits").set_weights([np.eye(labels, dtype=np.float32), linear.bias])
    return network


def _counts(texts: Sequence[Tokens], settings: TextSettings) -> csr_matrix:
    """(texts, words) each word's share of a text's tokens."""
    column = {word: place for place, word in enumerate(settings.words)}
    rows, columns, shares = [], [], []
    for row, tokens in enumerate(texts):
        known = [column[token] for token in tokens if token in column]
        rows += [row] * len(known)
        columns += known
        shares += [1 / len(tokens)] * len(known)
    return csr_matrix((shares, (rows, columns)), shape=(len(texts), len(settings.words)))


def _rarity(shares: csr_matrix) -> npt.NDArray[np.float64]:
    """(words,) inverse document frequency, smoothed as scikit-learn's."""
    texts = np.bincount(shares.indices, minlength=shares.shape[1])
    weights: npt.NDArray[np.float64] = np.log((1 + shares.shape[0]) / (1 + texts)) + 1
    return weights


def _weighted(shares: csr_matrix, rarity: npt.NDArray[np.float64]) -> csr_matrix:
    return csr_matrix(shares.multiply(SCALE * rarity))


def _fit(
    features: csr_matrix, targets: FloatArray, strength: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(words, labels) coefficients and (labels,) biases, each label by itself."""
    models = [LogisticRegression(C=strength, max_iter=1000).fit(features, column > 0.5) for column in targets.T]
    return np.stack([model.coef_[0] for model in models], axis=1), np.array([model.intercept_[0] for model in models])
