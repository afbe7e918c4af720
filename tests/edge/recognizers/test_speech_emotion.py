from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.errors import ModelError
from edge.features.logmel import LogMelSettings, log_mel, normalise
from edge.inference.interpreter import dequantise, load_interpreter
from edge.inference.manifest import file_sha256, read_manifest
from edge.recognizers.speech_emotion import SpeechRecognizer, _check_pair
from tests.edge.speech_helpers import (
    NUMBERS,
    SPEECH_LABELS,
    WINDOWS,
    FloatArray,
    convert,
    small_encoder,
    small_head,
    talk,
)


def windows(count: int) -> FloatArray:
    settings = LogMelSettings()
    spectrogram = log_mel(talk(2 + count / 2, -25), settings)
    cut = [spectrogram[start : start + settings.frames] for start in range(0, count * settings.step, settings.step)]
    return normalise(np.stack(cut), settings)


def alter(model: Path, **changes: object) -> None:
    path = model.with_suffix(".json")
    document = json.loads(path.read_text())
    for key, value in changes.items():
        first, _, second = key.partition("__")
        if second:
            document[first][second] = value
        else:
            document[first] = value
    path.write_text(json.dumps(document))


def encoder_of(model: Path) -> Path:
    return model.parent.parent / "speech-encoder" / "speech.tflite"


def test_an_embedding_is_the_encoder_s_answer_in_the_head_s_numbers(speech_model: Path) -> None:
    recognizer = SpeechRecognizer(speech_model)
    encoder, head = load_interpreter(encoder_of(speech_model)), load_interpreter(speech_model)
    assert (encoder.output.scale, encoder.output.zero_point) != (head.input.scale, head.input.zero_point)
    for window in windows(8):
        entry = np.clip(np.rint(window / encoder.input.scale) + encoder.input.zero_point, -128, 127).astype(np.int8)
        real = dequantise(encoder.run(entry[None, :, :, None])[0], encoder.output)
        expected = np.clip(np.rint(real / head.input.scale) + head.input.zero_point, -128, 127)
        embedding = recognizer.encode(window)
        assert embedding.dtype == np.int8
        assert np.array_equal(embedding, expected)


def test_where_both_have_the_same_scale_nothing_is_changed(speech_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The scales stand in the files: here the head is told to have the encoder's."""
    recognizer = SpeechRecognizer(speech_model)
    monkeypatch.setattr(recognizer, "_table", None)
    monkeypatch.setattr(recognizer._head, "input", recognizer._encoder.output)
    encoder = load_interpreter(encoder_of(speech_model))
    (window,) = windows(1)
    entry = np.clip(np.rint(window / encoder.input.scale) + encoder.input.zero_point, -128, 127).astype(np.int8)
    assert np.array_equal(recognizer.encode(window), encoder.run(entry[None, :, :, None])[0])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_probabilities_are_the_calibrated_softmax(speech_model: Path, temperature: float) -> None:
    alter(speech_model, calibration={"temperature": temperature})
    recognizer = SpeechRecognizer(speech_model)
    embeddings = np.stack([recognizer.encode(window) for window in windows(WINDOWS)])
    head = load_interpreter(speech_model)
    odds = np.exp(dequantise(head.run(embeddings[None])[0], head.output).astype(np.float64) / temperature)
    found = recognizer.classify(embeddings)
    assert found == pytest.approx(odds / odds.sum(), abs=1e-6)
    assert found.sum() == pytest.approx(1.0, abs=1e-5)
    assert recognizer.labels == SPEECH_LABELS


def test_the_order_of_the_windows_counts(speech_model: Path) -> None:
    recognizer = SpeechRecognizer(speech_model)
    embeddings = np.stack([recognizer.silent, *(recognizer.encode(window) for window in windows(WINDOWS - 1))])
    assert not np.array_equal(recognizer.classify(embeddings), recognizer.classify(embeddings[::-1]))


def test_silence_is_the_window_without_structure(speech_model: Path) -> None:
    recognizer = SpeechRecognizer(speech_model)
    settings = recognizer.settings
    flat = np.full((settings.frames, settings.bands), -87.0, np.float32)
    assert np.array_equal(recognizer.silent, recognizer.encode(normalise(flat, settings)))
    assert recognizer.silent.shape == (NUMBERS,)
    assert recognizer.windows == WINDOWS


def test_a_model_is_found_from_its_own_folder(speech_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(speech_model.parent)
    assert SpeechRecognizer(Path("speech.tflite")).encoder_manifest.task == "speech-encoder"


def another_encoder(model: Path) -> None:
    """Right in itself, but not the one of the head."""
    encoder = encoder_of(model)
    encoder.write_bytes(encoder.read_bytes() + bytes(4))
    alter(encoder, sha256=file_sha256(encoder), size_bytes=encoder.stat().st_size)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda model: encoder_of(model).unlink(), r"speech-encoder/speech\.tflite: no such .* \(the encoder that "),
        (
            lambda model: encoder_of(model).write_bytes(b"TFL3"),
            r"speech-encoder/speech\.tflite: has 4 bytes .*\(the en",
        ),
        (another_encoder, r"speech-encoder/speech\.tflite: not the encoder that .* install both again"),
        (lambda model: alter(model, input__encoder="../x"), r"input\.encoder: '\.\./x' must be a plain name"),
        (lambda model: alter(model, input__encoder="other"), r"speech-encoder/other\.tflite: no such model file"),
        (lambda model: alter(encoder_of(model), task="speech-emotion", labels=["a", "b"]), "input: the task"),
        (lambda model: model.write_bytes(model.read_bytes()[:-1]), r"speech-emotion/speech\.tflite: has "),
    ],
)
def test_a_pair_that_is_not_whole_is_refused_in_one_line(speech_model: Path, damage: Any, message: str) -> None:
    damage(speech_model)
    with pytest.raises(ModelError, match=message) as caught:
        SpeechRecognizer(speech_model)
    assert "\n" not in str(caught.value)


def test_an_encoder_of_another_size_is_refused(speech_model: Path) -> None:
    """Here the head itself is the encoder: its 5 numbers are not the 12 that it takes."""
    head = load_interpreter(speech_model)
    with pytest.raises(ModelError, match=r"takes embeddings of shape \[1, 4, 12\], where .* gives \[1, 5\]"):
        _check_pair(speech_model, head, encoder_of(speech_model), head)


def test_an_encoder_by_itself_is_no_speech_model(speech_model: Path) -> None:
    with pytest.raises(ModelError, match="made for the task 'speech-encoder', not for 'speech-emotion'"):
        SpeechRecognizer(encoder_of(speech_model))


@pytest.mark.tensorflow
def test_the_small_model_is_what_it_is_said_to_be(speech_model: Path) -> None:
    """Converted from the functions that are named, and the int8 answers within a few steps of theirs."""
    pytest.importorskip("tensorflow")
    sound = np.random.default_rng(0).normal(size=(64, 64, 64, 1)).astype(np.float32)
    encoded = np.stack([small_encoder(sample[None]).numpy()[0] for sample in sound])
    for network, model, samples in (
        (small_encoder, encoder_of(speech_model), sound),
        (small_head, speech_model, encoded.reshape(-1, WINDOWS, NUMBERS)),
    ):
        fresh = speech_model.parent / "fresh.tflite"
        fresh.write_bytes(convert(network, samples.shape[1:], samples))
        for path in (fresh, model):
            interpreter = load_interpreter(path)
            entry, out = interpreter.input, interpreter.output
            for sample in samples[:8]:
                stored = np.clip(np.rint(sample / entry.scale) + entry.zero_point, -128, 127).astype(np.int8)
                real = network(sample[None]).numpy()
                steps = np.abs(dequantise(interpreter.run(stored[None]), out) - real) / out.scale
                assert steps.max() < 8


@pytest.mark.tensorflow
def test_a_head_with_a_memory_of_its_own_is_refused(speech_model: Path) -> None:
    """Keras' LSTM becomes TFLite's fused one, which begins each run where the last one ended."""
    pytest.importorskip("tensorflow")
    keras = pytest.importorskip("tf_keras")
    keras.utils.set_random_seed(1)
    entry = keras.Input((WINDOWS, NUMBERS))
    network = keras.Model(entry, keras.layers.Dense(len(SPEECH_LABELS))(keras.layers.LSTM(8)(entry)))
    samples = np.random.default_rng(0).uniform(0, 10, size=(20, WINDOWS, NUMBERS)).astype(np.float32)
    content = convert(lambda x: network(x, training=False), (WINDOWS, NUMBERS), samples, owner=network)
    speech_model.write_bytes(content)
    info = load_interpreter(speech_model)
    alter(
        speech_model,
        sha256=file_sha256(speech_model),
        size_bytes=speech_model.stat().st_size,
        input__scale=info.input.scale,
        input__zero_point=info.input.zero_point,
        output__scale=info.output.scale,
        output__zero_point=info.output.zero_point,
    )
    assert read_manifest(speech_model.with_suffix(".json")).task == "speech-emotion"
    with pytest.raises(ModelError, match="keeps state from one run to the next"):
        SpeechRecognizer(speech_model)
