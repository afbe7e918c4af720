from __future__ import annotations

import math
from pathlib import Path

import pytest

from edge.errors import ModelError
from edge.features.words import MOST_CHARACTERS
from edge.recognizers.traits import OtherLanguage, TooShort, TraitRecognizer, Traits
from tests.edge.text_helpers import BANDS, TRAITS, alter, install_trait_model

TEXT = "I read music and art today, and my friends went to the party. It is a dream of music and I am nervous."
"""23 words: 4 for openness, 2 for extraversion, 1 for neuroticism; its 26 tokens make a run of 20 and one of 6."""


@pytest.fixture
def recognizer(trait_model: Path) -> TraitRecognizer:
    return TraitRecognizer(trait_model)


def percentage(logit: float) -> int:
    return round(100 / (1 + math.exp(-logit)))


def test_scores_are_those_of_all_runs(recognizer: TraitRecognizer) -> None:
    found = recognizer.read(TEXT)
    assert isinstance(found, Traits)
    assert (found.words, found.known) == (23, 1.0)
    assert [trait.label for trait in found.traits] == list(recognizer.labels) == list(TRAITS)
    # -0.5 of bias; the first run of 20 tokens has 3 words for openness and 2 for extraversion, the other one each.
    openness = (20 * 3 + 6 * 1) / 26 - 0.5
    extraversion = 20 * 2 / 26 - 0.5
    neuroticism = 6 * 1 / 26 - 0.5
    for trait, logit in zip(found.traits, (openness, -0.5, extraversion, -0.5, neuroticism), strict=True):
        assert trait.percentage == pytest.approx(percentage(logit), abs=1)
        assert trait.band == BANDS[logit >= 0]


@pytest.mark.parametrize(("text", "words"), [("", 0), ("\x00...!", 0), ("the day " * 4 + "12 :)", 8)])
def test_a_short_text_is_not_scored(recognizer: TraitRecognizer, text: str, words: int) -> None:
    assert recognizer.read(text) == TooShort(words, 10)


def test_from_the_least_length_on_it_is_scored(models_folder: Path) -> None:
    recognizer = TraitRecognizer(install_trait_model(models_folder, least_words=23))
    assert isinstance(recognizer.read(TEXT), Traits)
    assert recognizer.read(TEXT.rpartition(" ")[0]) == TooShort(22, 23)


def test_another_language_is_not_scored(recognizer: TraitRecognizer) -> None:
    found = recognizer.read("Heute ist ein sehr schöner Tag und ich lese mein Buch " * 3)
    assert isinstance(found, OtherLanguage)
    assert (found.words, found.known) == (33, 0.0)


def test_words_weigh_over_all_runs(recognizer: TraitRecognizer) -> None:
    weights = recognizer.weighed(TEXT)
    assert list(weights) == list(TRAITS)
    openness = [(weight.word, round(weight.change, 1)) for weight in weights["openness"]]
    assert openness == [("music", 1.0), ("art", 0.8), ("dream", 0.8)]
    assert weights["conscientiousness"] == ()
    assert [weight.word for weight in recognizer.weighed(TEXT, most=1)["openness"]] == ["music"]


def test_a_whole_book_is_read(recognizer: TraitRecognizer) -> None:
    """Beyond what is normalised at once."""
    plain, telling = ("the tree" + 60 * " ") * 3500, ("music" + 33 * " ") * 7000
    assert min(len(plain), len(telling)) > MOST_CHARACTERS
    first, last = recognizer.read(telling + plain), recognizer.read(plain + telling)
    assert isinstance(first, Traits) and isinstance(last, Traits)
    assert first.words == last.words == 14_000
    # Half of the runs are full of music, which is worth 3.5 at most in the tiny model.
    for found in (first, last):
        assert found.traits[0].percentage == pytest.approx(percentage(3.5 / 2 - 0.5 / 2), abs=1)


def test_a_model_that_was_not_measured_is_refused(trait_model: Path) -> None:
    alter(trait_model, traits=None)
    with pytest.raises(ModelError, match=r"traits\.tflite: not measured yet: its manifest has no 'traits'"):
        TraitRecognizer(trait_model)


def test_another_model_is_refused(text_model: Path) -> None:
    with pytest.raises(ModelError, match="made for the task 'text-emotion', not for 'traits'"):
        TraitRecognizer(text_model)
