"""TF-IDF with logistic regression: learns what can be learned, chooses on what it may, and leaks nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("sklearn")

from edge.errors import DataError
from training.baselines.tfidf import Terms, choose, out_of_folds
from training.datasets.essays import folds as deal
from training.datasets.text_set import TextSet, untouched
from training.evaluation.metrics import Floats
from training.evaluation.text_figures import best_thresholds, f1_scores, probabilities_of

FILLER = ("the", "and", "so", "of", "it", "then", "there", "what")


def texts(n: int, seed: int) -> TextSet:
    """Label 0 goes with one word, label 1 with a pair of words that say nothing alone, now and then both."""
    rng = np.random.default_rng(seed)
    targets = (rng.random((n, 2)) < 0.4).astype(np.float32)
    found = []
    for joy, negated in targets:
        words = list(rng.choice(FILLER, 6))
        words[1:1] = ["glad"] if joy else []
        # 'not' and 'good' stand in all texts; next to each other in some.
        words[4:4] = ["not", "good"] if negated else ["good", "it", "not"]
        found.append(" ".join(words))
    return TextSet(tuple(found), targets, ("joy", "negated"), tuple(map(str, range(n))), untouched(n))


def test_terms_are_words_and_pairs_of_the_front_end_s_tokens() -> None:
    terms = Terms.of([["can", "not", "!!"], ["can", "not", ":red_heart:"]], least=1)
    assert set(terms.vectorizer.vocabulary_) == {
        *("can", "not", "!!", ":red_heart:", "can not", "not !!", "not :red_heart:"),
    }
    assert len(terms) == 7
    assert len(Terms.of([["can", "not", "!!"], ["can", "not"]], least=2)) == 3


def test_words_and_pairs_are_learned() -> None:
    training, validation, held = texts(400, 1), texts(100, 2), texts(100, 3)
    chosen = choose(training, validation)
    probabilities = probabilities_of(chosen.logits(held.texts))
    assert f1_scores(probabilities >= chosen.thresholds, held.targets).min() > 0.95


def test_strength_and_thresholds_are_those_that_validation_chooses() -> None:
    training, validation = texts(300, 1), texts(80, 2)
    wrong = np.random.default_rng(0).random(training.targets.shape) < 0.3
    noisy = replace(training, targets=np.where(wrong, 1 - training.targets, training.targets))
    chosen = choose(noisy, validation, strengths=(1e-4, 1.0, 1e4))
    assert set(chosen.tried) == {1e-4, 1.0, 1e4}
    assert chosen.tried[chosen.strength] == max(chosen.tried.values()) > min(chosen.tried.values())
    probabilities = probabilities_of(chosen.logits(validation.texts))
    np.testing.assert_allclose(chosen.thresholds, best_thresholds(probabilities, validation.targets))
    reached = f1_scores(probabilities >= chosen.thresholds, validation.targets).mean()
    assert reached == pytest.approx(chosen.tried[chosen.strength])


def test_a_label_that_no_training_text_has_is_named() -> None:
    training = texts(50, 1)
    training.targets[:, 1] = 0
    with pytest.raises(DataError, match="'negated': no training text has it"):
        choose(training, texts(50, 2))


def essays(n: int, seed: int) -> tuple[list[list[str]], Floats]:
    """Beside words that say nothing, one tells the first trait in three of four texts; nothing tells the other."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 2, (n, 2)).astype(np.float32)
    told = np.where(rng.random(n) < 0.75, targets[:, 0], 1 - targets[:, 0])
    found = [[*rng.choice(FILLER, 8), "party" if on else "book", f"own{number}"] for number, on in enumerate(told)]
    return found, targets


def test_out_of_folds_what_can_be_told_is_told_and_the_rest_is_chance() -> None:
    tokens, targets = essays(400, 1)
    logits = out_of_folds(tokens, targets, deal(400))
    first, second = ((logits > 0) == (targets > 0)).mean(axis=0)
    assert first == pytest.approx(0.75, abs=0.09)
    assert second == pytest.approx(0.5, abs=0.09)


def test_a_fold_s_answers_do_not_depend_on_its_own_labels_or_on_its_neighbours() -> None:
    tokens, targets = essays(120, 1)
    folds = deal(120, folds=4)
    before = out_of_folds(tokens, targets, folds)[folds[0]]
    changed = targets.copy()
    changed[folds[0]] = 1 - changed[folds[0]]
    np.testing.assert_array_equal(out_of_folds(tokens, changed, folds)[folds[0]], before)
    others = [
        text if number == folds[0][0] or number not in folds[0] else ["gone"] for number, text in enumerate(tokens)
    ]
    assert out_of_folds(others, targets, folds)[folds[0][0]].tolist() == before[0].tolist()
