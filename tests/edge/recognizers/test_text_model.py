"""What the recognizers of text share, on a model that adds up its words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.errors import ModelError
from edge.features.token_ids import TextSettings
from edge.features.words import MOST_CHARACTERS, tokenise
from edge.inference.interpreter import Interpreter, dequantise, load_interpreter
from edge.recognizers.text_model import MOST_RUNS, TextModel, says_something, sigmoid, stretches, tokens_of
from tests.edge.text_helpers import (
    EMOTION_BIAS,
    EMOTION_REPEATS,
    EMOTION_SETTINGS,
    EMOTIONS,
    SMALL_EMOTION,
    SMALL_TRAITS,
    TRAIT_BIAS,
    TRAIT_REPEATS,
    TRAIT_SETTINGS,
    alter,
    calibration_texts,
    convert_ids,
    emotion_table,
    sample_ids,
    small_network,
    trait_table,
)


@pytest.fixture
def model(text_model: Path) -> TextModel:
    return TextModel(text_model, task="text-emotion")


def test_logits_are_those_of_the_file_over_the_temperature(text_model: Path) -> None:
    tokens = tokenise("I am happy today")
    alter(text_model, calibration={"link": "sigmoid", "temperature": 2.0})
    found = TextModel(text_model, task="text-emotion").logits(tokens)
    interpreter = load_interpreter(text_model)
    stored = interpreter.run(sample_ids(EMOTION_SETTINGS, ["I am happy today"]))
    assert found.tolist() == (dequantise(stored, interpreter.output)[0] / 2).tolist()
    assert found.dtype == np.float32
    # -3 and what one word adds, 6, within a step of the int8 output.
    assert 2 * found[EMOTIONS.index("happy")] == pytest.approx(3.0, abs=interpreter.output.scale)


def test_tokens_beyond_the_length_are_not_read(model: TextModel) -> None:
    plain = ["the"] * model.settings.length
    assert model.logits([*plain, "happy"]).tolist() == model.logits(plain).tolist()
    assert model.logits([*plain[:-1], "happy"]).tolist() != model.logits(plain).tolist()


@pytest.mark.parametrize(
    ("tokens", "share"),
    [
        (["happy", "day"], 1.0),
        (["happy", "Tag", "schöner", "heute"], 0.25),
        (["happy", "!", "???", "(", ")"], 1.0),
        (["happy", "<number>", "<number>", "Tag"], 0.5),
        ([":heavy_black_heart:", ":dog:"], 0.5),
        ([":dog:"], 0.0),
        (["!"], 0.0),
        ([], 0.0),
    ],
)
def test_known_counts_words_and_without_them_the_rest(model: TextModel, tokens: list[str], share: float) -> None:
    assert model.known(tokens) == share


def test_without_a_vocabulary_everything_counts_as_known(text_model: Path) -> None:
    """Only pieces of words have numbers then."""
    model = TextModel(text_model, task="text-emotion")
    assert model.known(["Tag"]) == 0.0
    model.settings = TextSettings(length=12, buckets=78, pieces=2)
    assert model.known(["Tag"]) == 1.0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a word", True),
        ("ночь", True),
        ("夜", True),
        ("42", True),
        (":)", True),
        ("<3", True),
        ("😀", True),
        ("❤️", True),
        ("🇩🇪", True),
        ("http://example.org", True),
        ("... !? () - *", False),
        (": ' & % $ € + = §", False),
        ("。、，", False),
        ("\ufffd\ufffd", False),
        ("\ue000", False),
    ],
)
def test_what_says_something(text: str, told: bool) -> None:
    tokens = tokenise(text)
    assert tokens
    assert any(map(says_something, tokens)) == told


def test_probabilities_of_any_logit_are_finite() -> None:
    with np.errstate(all="raise"):
        found = sigmoid(np.array([-1e4, -2.0, 0.0, 2.0, 1e4], np.float32))
    assert found.tolist() == pytest.approx([0.0, 0.1192029, 0.5, 0.8807971, 1.0], abs=1e-6)
    assert found.dtype == np.float32


def test_stretches_are_cut_at_spaces_and_keep_everything() -> None:
    text = "one two\nthree four-and-five six"
    found = list(stretches(text, 10))
    assert found == ["one two", "\nthree", " four-and-", "five six"]
    assert "".join(found) == text
    assert list(stretches("", 10)) == [""]
    assert list(stretches("x" * 25, 10)) == ["x" * 10, "x" * 10, "x" * 5]


def test_tokens_of_a_text_beyond_what_is_normalised_at_once() -> None:
    words = MOST_CHARACTERS // 3
    found = tokens_of("ab " * words)
    assert len(found) == words
    assert set(found) == {"ab"}


class Counting:
    """Counts how often the model is run."""

    def __init__(self, model: TextModel, monkeypatch: pytest.MonkeyPatch) -> None:
        self.runs = 0
        right = model._interpreter.run

        def run(ids: Any) -> Any:
            self.runs += 1
            return right(ids)

        monkeypatch.setattr(model._interpreter, "run", run)


def test_a_word_weighs_what_it_adds_wherever_it_stands(model: TextModel) -> None:
    weights = model.weigh(tokenise("Happy, happy and wow!"), most=5)
    assert list(weights) == list(EMOTIONS)
    ((word, change),) = [(weight.word, weight.change) for weight in weights["happy"]]
    # Both at once: 12, and 6 for the single 'wow', within two steps of the output.
    assert word == "happy"
    assert change == pytest.approx(12.0, abs=0.12)
    assert [weight.word for weight in weights["surprise"]] == ["wow"]
    assert [weight.word for weight in weights["neutral"]] == ["happy", "wow"]
    assert weights["neutral"][1].change < 0
    assert weights["sad"] == ()


def test_most_says_how_many_words(model: TextModel) -> None:
    tokens = tokenise("happy wow scared")
    assert len(model.weigh(tokens, most=5)["neutral"]) == 3
    assert len(model.weigh(tokens, most=2)["neutral"]) == 2
    assert model.weigh([], most=5) == dict.fromkeys(EMOTIONS, ())


def test_weighing_a_long_text_costs_no_more_than_four_runs_of_tokens(
    model: TextModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [f"{first}{second}" for first in "abcdefghij" for second in "klmnopqrst"] * 12
    counted = Counting(model, monkeypatch)
    model.weigh(words, most=5)
    assert counted.runs == MOST_RUNS * (model.settings.length + 1)


def test_of_a_long_text_runs_from_its_begin_to_its_end_are_weighed(model: TextModel) -> None:
    length = model.settings.length
    middle = ["the"] * (8 * length)
    weights = model.weigh(["happy"] + ["the"] * (length - 1) + middle + ["sad"] + ["the"] * (length - 1), most=1)
    for label in ("happy", "sad"):
        (weight,) = weights[label]
        assert weight.word == label
        assert weight.change == pytest.approx(6.0 / MOST_RUNS, abs=0.03)


def test_runs_are_averaged_by_their_lengths(model: TextModel) -> None:
    length = model.settings.length
    tokens = ["happy"] + ["the"] * (length - 1) + ["sad", "the", "the"]
    runs = model.runs(tokens)
    assert [len(run) for run in runs] == [length, 3]
    first, second = model.logits(runs[0]), model.logits(runs[1])
    assert model.mean_logits(runs) == pytest.approx((length * first + 3 * second) / (length + 3), abs=1e-6)


def test_more_words_than_the_model_has_rows_for_are_refused(text_model: Path) -> None:
    alter(text_model, input__text={"length": 12, "words": [*EMOTION_SETTINGS.words, "another"]})
    with pytest.raises(ModelError, match=r"text\.tflite: .* input\.text of its manifest has \d+ numbers: more than"):
        TextModel(text_model, task="text-emotion")


def test_a_model_of_another_task_is_refused(text_model: Path, expression_model: Path) -> None:
    with pytest.raises(ModelError, match="made for the task 'text-emotion', not for 'traits'"):
        TextModel(text_model, task="traits")
    with pytest.raises(ModelError, match="made for the task 'expression', not for 'text-emotion'"):
        TextModel(expression_model, task="text-emotion")


def test_a_model_with_a_memory_of_its_own_is_refused(text_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Keras' LSTM has, once it is TFLite's fused one."""
    right = Interpreter.run
    runs: list[int] = []

    def run(interpreter: Interpreter, ids: Any) -> Any:
        runs.append(int(ids.max()))
        return right(interpreter, ids) + np.int8(sum(runs[:-1]))

    monkeypatch.setattr(Interpreter, "run", run)
    with pytest.raises(ModelError, match=r"text\.tflite: keeps state from one run to the next"):
        TextModel(text_model, task="text-emotion")
    assert len(runs) == 3


@pytest.mark.tensorflow
@pytest.mark.parametrize("which", ["emotion", "traits"])
def test_the_small_models_are_what_they_are_said_to_be(tmp_path: Path, which: str) -> None:
    """Converted from the function that is named, and the int8 answers within a few steps of its."""
    pytest.importorskip("tensorflow")
    path, settings, table, bias, repeats = (
        (SMALL_EMOTION, EMOTION_SETTINGS, emotion_table(), EMOTION_BIAS, EMOTION_REPEATS)
        if which == "emotion"
        else (SMALL_TRAITS, TRAIT_SETTINGS, trait_table(), TRAIT_BIAS, TRAIT_REPEATS)
    )
    samples = sample_ids(settings, calibration_texts(settings, repeats))
    fresh = tmp_path / "fresh.tflite"
    fresh.write_bytes(convert_ids(lambda ids: small_network(ids, table, bias), samples))
    for file in (fresh, path):
        interpreter = load_interpreter(file)
        for ids in samples:
            real = small_network(ids[None], table, bias).numpy()
            steps = np.abs(dequantise(interpreter.run(ids[None]), interpreter.output) - real) / interpreter.output.scale
            assert steps.max() < 2
