"""What is usually done with text: TF-IDF of words and pairs of words, and a logistic regression for each label.

The tokens are those of the device's front end, so that punctuation, emoticons and emoji count and contractions are
written out: with scikit-learn's own words alone the figures are a point lower.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from tqdm import tqdm

from edge.errors import DataError
from edge.features.words import tokenise
from training.datasets.text_set import TextSet
from training.evaluation.metrics import Floats, Integers
from training.evaluation.text_figures import best_thresholds, f1_scores, probabilities_of

STRENGTHS: Final = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Of the regressions (scikit-learn's C, the inverse of their regularisation), for comments."""

ESSAY_STRENGTHS: Final = (0.1, 0.5, 2.0)
"""For essays, which are long and few."""

INNER_FOLDS: Final = 3
"""Within the training essays, to choose the strength of each trait."""

Tokens = Sequence[str]


@dataclass(frozen=True)
class Terms:
    """Which words and pairs count, and how much, as the training texts have them."""

    vectorizer: Any
    """scikit-learn's TfidfVectorizer, fitted."""

    @classmethod
    def of(cls, texts: Sequence[Tokens], *, least: int) -> Terms:
        """Count words and pairs in tokenised training texts; `least` of these have each."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(
            ngram_range=(1, 2),
            sublinear_tf=True,
            min_df=least,
            dtype=np.float64,
            tokenizer=_as_it_is,
            preprocessor=_as_it_is,
            token_pattern=None,
        )
        return cls(vectorizer.fit(texts))

    def __len__(self) -> int:
        return len(self.vectorizer.vocabulary_)

    def rows(self, texts: Sequence[Tokens]) -> Any:
        """(n, terms) sparse, float64."""
        return self.vectorizer.transform(texts)


@dataclass(frozen=True)
class Chosen:
    """What validation chose on GoEmotions."""

    terms: Terms
    regressions: tuple[Any, ...]
    """scikit-learn's LogisticRegression, for each label."""
    strength: float
    thresholds: Floats
    """(labels,) probabilities from which on a label counts as present."""
    tried: Mapping[float, float]
    """Macro-F1 on validation by strength."""

    def logits(self, texts: Iterable[str]) -> Floats:
        """(n, labels) of texts."""
        return _logits(self.regressions, self.terms.rows([tokenise(text) for text in texts]))


def choose(
    training: TextSet, validation: TextSet, *, strengths: Sequence[float] = STRENGTHS, progress: bool = False
) -> Chosen:
    """Fit on training texts with each strength and keep the one with the best macro-F1 on validation.

    Each label's threshold is the best on validation, for each strength anew.

    Raises
    ------
    DataError
        A label that no training text has, or every one.
    """
    for name, column in zip(training.labels, training.targets.T, strict=True):
        if column.min() == column.max():
            raise DataError(f"'{name}': no training text has it, or all have; nothing can be learned of it")
    tokens = [tokenise(text) for text in training.texts]
    terms = Terms.of(tokens, least=1)
    rows, held = terms.rows(tokens), terms.rows([tokenise(text) for text in validation.texts])
    tried: dict[float, float] = {}
    best: Chosen | None = None
    for strength in tqdm(strengths, desc="strengths", disable=not progress):
        regressions = tuple(_fit(rows, column, strength) for column in training.targets.T)
        probabilities = probabilities_of(_logits(regressions, held))
        thresholds = best_thresholds(probabilities, validation.targets)
        tried[strength] = float(f1_scores(probabilities >= thresholds, validation.targets).mean())
        if best is None or tried[strength] > tried[best.strength]:
            best = Chosen(terms, regressions, strength, thresholds, tried)
    assert best is not None  # there is a strength
    return best


def out_of_folds(
    tokens: Sequence[Tokens],
    targets: Floats,
    folds: Sequence[Integers],
    *,
    strengths: Sequence[float] = ESSAY_STRENGTHS,
    seed: int = 1,
    progress: bool = False,
) -> Floats:
    """Logits of texts by regressions that were fitted on the other folds.

    Nothing of a fold's texts is used for it: the terms are those of the other folds, within which each trait's strength
    is chosen.

    Parameters
    ----------
    tokens
        Of each text.
    targets
        (n, labels) 0 or 1.
    folds
        Numbers of each fold's texts, such as `training.datasets.essays.folds` deals them.
    seed
        Of the inner folds.

    Returns
    -------
    (n, labels)
    """
    logits = np.zeros(targets.shape)
    for fold in tqdm(folds, desc="folds", unit="fold", disable=not progress):
        others = np.setdiff1d(np.arange(len(tokens)), fold)
        terms = Terms.of([tokens[each] for each in others], least=2)
        rows, held = terms.rows([tokens[each] for each in others]), terms.rows([tokens[each] for each in fold])
        for label, truth in enumerate(targets[others].T):
            strength = _inner_choice(rows, truth, strengths, seed)
            logits[fold, label] = _fit(rows, truth, strength).decision_function(held)
    return logits


def _inner_choice(rows: Any, truth: Floats, strengths: Sequence[float], seed: int) -> float:
    """The strength with the best accuracy over inner folds; of equal ones the smallest."""
    parts = np.random.default_rng(seed).permutation(len(truth)) % INNER_FOLDS
    right = dict.fromkeys(strengths, 0)
    for part in range(INNER_FOLDS):
        training, held = parts != part, parts == part
        for strength in strengths:
            answers = _fit(rows[training], truth[training], strength).decision_function(rows[held]) > 0
            right[strength] += int((answers == (truth[held] > 0)).sum())
    return max(strengths, key=lambda strength: (right[strength], -strength))


def _fit(rows: Any, truth: Floats, strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings():
        # Of the releases in which 'liblinear' is to be used for two classes alone, as it is here.
        warnings.simplefilter("ignore", FutureWarning)
        return LogisticRegression(C=strength, solver="liblinear", max_iter=300).fit(rows, truth)


def _logits(regressions: Sequence[Any], rows: Any) -> Floats:
    return np.stack([each.decision_function(rows) for each in regressions], axis=1)


def _as_it_is(tokens: Tokens) -> Tokens:
    """In place of a vectorizer's own tokens."""
    return tokens
