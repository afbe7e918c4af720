"""Ratings beside the labels: the tiny model's last three outputs are taken for those."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.recognizers.text_emotion import TextRecognizer
from edge.recognizers.text_model import TextModel
from tests.edge.text_helpers import EMOTION_BIAS, EMOTION_STEP, EMOTIONS, alter

RATINGS = ("valence", "arousal", "dominance")
"""In the places of 'sad', 'surprise' and 'neutral'."""


@pytest.fixture
def rating_model(text_model: Path) -> Path:
    alter(text_model, labels=EMOTIONS[:4], ratings=RATINGS)
    return text_model


def test_the_outputs_behind_the_labels_are_ratings_from_1_to_5(rating_model: Path) -> None:
    recognizer = TextRecognizer(rating_model)
    plain, high = recognizer.recognize("the weather"), recognizer.recognize("sad sad wow")
    assert plain is not None and high is not None
    assert recognizer.labels == EMOTIONS[:4]
    assert plain.probabilities.shape == (4,)
    # 3 less 3 is below the scale, 3 and 6 more than the bias is above it.
    assert plain.ratings == {"valence": 1.0, "arousal": 1.0, "dominance": pytest.approx(3.5, abs=0.1)}
    assert high.ratings == {"valence": 5.0, "arousal": 5.0, "dominance": 1.0}
    assert 3 + EMOTION_BIAS[4] + EMOTION_STEP > 5, "as the comment has it"


def test_the_temperature_is_the_labels_alone(rating_model: Path) -> None:
    logits, ratings = TextModel(rating_model, task="text-emotion").answer(["happy"])
    alter(rating_model, calibration={"link": "sigmoid", "temperature": 2.0})
    halved, same = TextModel(rating_model, task="text-emotion").answer(["happy"])
    assert halved.tolist() == (logits / 2).tolist()
    assert same == ratings


def test_only_labels_are_present_or_weighed(rating_model: Path) -> None:
    recognizer = TextRecognizer(rating_model)
    found = recognizer.recognize("happy and sad")
    assert found is not None
    assert (found.label, found.present) == ("happy", ("happy",))
    assert set(recognizer.weighed("happy and sad")) == set(EMOTIONS[:4])


def test_another_language_has_no_ratings(rating_model: Path) -> None:
    found = TextRecognizer(rating_model).recognize("happy Tag schöner heute")
    assert found is not None
    assert found.ratings == {}


def test_a_model_without_them_gives_none(text_model: Path) -> None:
    found = TextRecognizer(text_model).recognize("happy")
    assert found is not None
    assert found.ratings == {}
    assert isinstance(hash(found), int), "as ever"
