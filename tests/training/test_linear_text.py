"""Logistic regression on words as a network: equal answers, and the words that carry a label found."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras")

from edge.features.token_ids import UNKNOWN, TextSettings, TokenIds
from training.datasets.text_batches import FloatArray, Tokens
from training.linear_text import as_network, train_linear
from training.recipe_parts import TextNetwork

pytestmark = pytest.mark.tensorflow

OPTIONS = TextNetwork(architecture="linear", strengths=(0.01, 1.0, 100.0))
SETTINGS = TextSettings(length=12, words=("sun", "rain", "the", "and", "of"))


def texts(count: int, seed: int) -> tuple[list[Tokens], FloatArray]:
    """The first label is there where 'sun' is, the second where 'rain' is; 'stranger' is not in the vocabulary."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 2, (count, 2)).astype(np.float32)
    made: list[Tokens] = []
    for sun, rain in targets:
        words = [*["sun"] * int(2 * sun), *["rain"] * int(2 * rain), *rng.choice(["the", "and", "of", "stranger"], 12)]
        made.append([str(word) for word in rng.permutation(words[:12])])
    return made, targets


def test_the_network_answers_as_the_regression_does() -> None:
    linear = train_linear(OPTIONS, SETTINGS, texts(200, 1), texts(60, 2))
    network = as_network(OPTIONS, SETTINGS, linear)
    tokens, targets = texts(50, 3)
    number = TokenIds(SETTINGS)
    ids = np.stack([number(each) for each in tokens])
    answers = network.predict(ids, verbose=0)
    expected = np.stack([linear.vectors[row[:, 0]].mean(axis=0) + linear.bias for row in ids])
    assert np.abs(answers - expected).max() < 1e-5
    assert ((answers > 0) == (targets > 0.5)).mean() > 0.95


def test_a_word_adds_to_its_own_label_alone() -> None:
    linear = train_linear(OPTIONS, SETTINGS, texts(400, 1), texts(60, 2))
    sun, rain, the = linear.vectors[2:5]
    assert sun[0] > 5 * abs(sun[1])
    assert rain[1] > 5 * abs(rain[0])
    assert abs(the).max() < 0.2 * sun[0]
    assert not linear.vectors[UNKNOWN].any()


def test_a_short_text_is_answered_as_the_mean_of_all_where_it_says_nothing() -> None:
    tokens, targets = texts(400, 1)
    linear = train_linear(OPTIONS, SETTINGS, (tokens, targets), texts(60, 2))
    network = as_network(OPTIONS, SETTINGS, linear)
    number = TokenIds(SETTINGS)
    answers = network.predict(np.stack([number(each) for each in [*tokens, []]]), verbose=0)
    assert np.abs(answers[-1] - answers[:-1].mean(axis=0)).max() < 0.1 * np.abs(answers[:-1]).max()


def test_what_chooses_is_what_was_not_trained_on() -> None:
    training, (tokens, targets) = texts(200, 1), texts(60, 2)
    right = train_linear(OPTIONS, SETTINGS, training, (tokens, targets))
    wrong = train_linear(OPTIONS, SETTINGS, training, (tokens, 1 - targets))
    assert right.score > 0.95
    assert wrong.score < right.score
