from __future__ import annotations

import math
import random
from pathlib import Path

import numpy as np
import pytest

from edge.errors import ModelError
from edge.features.words import MOST_CHARACTERS, tokenise
from edge.observation import UNSURE
from edge.recognizers.text_emotion import TextRecognizer
from tests.edge.text_helpers import EMOTION_BIAS, EMOTION_STEP, EMOTIONS, install_text_model


@pytest.fixture
def recognizer(text_model: Path) -> TextRecognizer:
    return TextRecognizer(text_model)


def logistic(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("I am so happy today", "happy"),
        ("I WAS   ANGRY!!!", "angry"),
        ("the weather today", "neutral"),
        ("\x00wow\x01", "surprise"),
        (":(", "sad"),
        ("❤️", "happy"),
    ],
)
def test_a_word_speaks_for_its_label(recognizer: TextRecognizer, text: str, label: str) -> None:
    found = recognizer.recognize(text)
    assert found is not None
    assert found.label == label
    assert found.confidence == found.probabilities[EMOTIONS.index(label)] == found.probabilities.max()
    assert recognizer.labels == EMOTIONS


def test_each_probability_is_a_sigmoid_of_its_own(models_folder: Path) -> None:
    recognizer = TextRecognizer(install_text_model(models_folder, temperature=2.0))
    found = recognizer.recognize("happy, and sad!")
    assert found is not None
    logits = EMOTION_BIAS + np.array([0, 0, 0, EMOTION_STEP, EMOTION_STEP, 0, -EMOTION_STEP])
    assert found.probabilities.tolist() == pytest.approx([logistic(logit / 2) for logit in logits], abs=0.01)
    assert found.probabilities.dtype == np.float32
    assert found.probabilities.sum() > 1.5
    assert (found.words, found.known) == (3, 1.0)


def test_labels_are_present_from_their_thresholds_on(models_folder: Path) -> None:
    # 'happy happy sad' gives happy 1.00, sad 0.95 and the others, but for neutral, 0.05.
    thresholds = (0.04, 0.06, 0.5, 0.5, 0.96, 0.5, 0.5)
    found = TextRecognizer(install_text_model(models_folder, thresholds=thresholds)).recognize("happy happy sad")
    assert found is not None
    assert found.present == ("happy", "angry")
    found = TextRecognizer(install_text_model(models_folder)).recognize("happy happy sad")
    assert found is not None
    assert found.present == ("happy", "sad")


def test_below_the_limit_it_is_unsure(models_folder: Path) -> None:
    recognizer = TextRecognizer(install_text_model(models_folder, unsure_below=0.7))
    plain, happy = recognizer.recognize("the weather"), recognizer.recognize("happy")
    assert plain is not None and happy is not None
    assert (plain.label, happy.label) == (UNSURE, "happy")
    assert plain.confidence == pytest.approx(logistic(0.5), abs=0.02)
    assert plain.familiar
    assert plain.present == ("neutral",)


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("Das ist ein happy Tag heute", 1 / 6),
        ("Сегодня я счастлив", 0.0),
        ("今日はとても嬉しい", 0.0),
        ("🐕🐕", 0.0),
    ],
)
def test_another_language_gets_no_label(recognizer: TextRecognizer, text: str, known: float) -> None:
    found = recognizer.recognize(text)
    assert found is not None
    assert (found.label, found.present) == (UNSURE, ())
    assert found.known == pytest.approx(known)
    assert not found.familiar


def test_from_half_of_the_words_on_it_is_the_model_s_language(recognizer: TextRecognizer) -> None:
    found = recognizer.recognize("happy happy Tag heute")
    assert found is not None
    assert (found.label, found.known) == ("happy", 0.5)


@pytest.mark.parametrize("text", ["", " \n\t", "\x00\x01\x7f", "... !? -", "\u200b\ufe0f", "\ufffd\ufffd", "\udcff"])
def test_where_there_is_nothing_to_read_there_is_no_answer(recognizer: TextRecognizer, text: str) -> None:
    assert recognizer.recognize(text) is None


def test_only_the_first_tokens_are_read(recognizer: TextRecognizer) -> None:
    plain = "the " * recognizer.length
    found = recognizer.recognize(plain + "happy Tag heute")
    assert found is not None
    assert (found.label, found.words, found.known) == ("neutral", recognizer.length, 1.0)


def test_a_text_that_fits_is_one_part(recognizer: TextRecognizer) -> None:
    text = " I am happy. You are sad! "
    assert recognizer.parts(text) == [text]
    assert recognizer.parts("") == recognizer.parts("\x00 \x01") == []


def test_a_longer_text_is_its_sentences(recognizer: TextRecognizer) -> None:
    text = "I am happy today. You are sad!\nThe weather is not my friend?  \x01\n\nWow."
    assert recognizer.parts(text) == [
        "I am happy today.",
        "You are sad!",
        "The weather is not my friend?",
        "Wow.",
    ]


def test_a_sentence_that_does_not_fit_is_cut_between_words(recognizer: TextRecognizer) -> None:
    words = [f"w{'x' * number}" for number in range(recognizer.length * 2 + 3)]
    found = recognizer.parts("Wow! " + "  ".join(words))
    assert found[0] == "Wow!"
    assert [part.split() for part in found[1:]] == [
        words[begin : begin + recognizer.length] for begin in range(0, len(words), recognizer.length)
    ]


def odd_texts() -> dict[str, str]:
    generator = random.Random(5)
    alphabet = "ab1_ .,!?:)(-'\"\n\x00é夜😀㍻\u0301🇩/@#"
    found = {f"random {number}": "".join(generator.choices(alphabet, k=400)) for number in range(20)}
    return found | {
        "no spaces": ",".join(["happy"] * 300),
        "no borders": "a1b2" * 100,
        "one letter expands to four words": "\ufdfa" * 50,
        "one word": "x" * 5000,
        "an address": "http://" + "a,b." * 400,
        "scripts without spaces": "今日はとても嬉しいです。" * 40,
    }


@pytest.mark.parametrize("name", list(odd_texts()))
def test_no_part_is_too_long_and_nothing_is_lost(recognizer: TextRecognizer, name: str) -> None:
    text = odd_texts()[name]
    parts = recognizer.parts(text)
    # A single character may stand for more words than fit; it cannot be cut.
    assert all(len(tokenise(part)) <= recognizer.length or len(part) == 1 for part in parts)
    left = "".join(parts)
    for character in "ab1é夜😀㍻":
        assert left.count(character) == text.count(character)


def test_a_megabyte_on_one_line_is_read_to_its_end(recognizer: TextRecognizer) -> None:
    words = 200_000
    text = "tree " * (words - 1) + "happy"
    assert len(text) == 1_000_000
    parts = recognizer.parts(text)
    assert sum(len(part.split()) for part in parts) == words
    last = recognizer.recognize(parts[-1])
    assert last is not None
    assert last.label == "happy"
    assert recognizer.recognize(text) is not None


def test_a_word_longer_than_what_is_normalised_at_once(recognizer: TextRecognizer) -> None:
    parts = recognizer.parts("x" * (MOST_CHARACTERS + 10))
    assert sum(part.count("x") for part in parts) == MOST_CHARACTERS + 10


def test_the_words_that_weigh_most_are_those_that_were_read(recognizer: TextRecognizer) -> None:
    weights = recognizer.weighed("The day was wonderful. I am not sad " + "the " * 12 + "angry")
    assert [weight.word for weight in weights["happy"]] == ["wonderful"]
    assert [weight.word for weight in weights["sad"]] == ["sad"]
    assert weights["angry"] == ()
    assert recognizer.weighed("") == dict.fromkeys(EMOTIONS, ())


def test_the_same_text_gets_the_same_answer_again(recognizer: TextRecognizer) -> None:
    texts = ["happy", "sad and angry", "the", "happy"]
    first, second = ([recognizer.recognize(text) for text in texts] for _ in range(2))
    assert first == second
    assert first[0] == first[3] != first[1]


def test_another_model_is_refused(trait_model: Path) -> None:
    with pytest.raises(ModelError, match="made for the task 'traits', not for 'text-emotion'"):
        TextRecognizer(trait_model)
