"""The two int8 files of a speech run: that they load, belong together, and say what the float model says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow_model_optimization")
pytest.importorskip("soundfile")

import keras

from converter import bridge, cost, verify
from edge.features.logmel import LogMelSettings
from edge.inference.interpreter import load_interpreter
from edge.inference.manifest import SequenceInput, SpeechInput, file_sha256, read_manifest, verify_model
from edge.recognizers.speech_emotion import SpeechRecognizer
from tests.training.conftest import TinySpeech
from training import quantize_speech, speech
from training.architectures.speech_net import build_speech_net
from training.datasets.speech_batches import clip_windows
from training.evaluation.metrics import probabilities_of
from training.recipe import SpeechRecipe, read_recipe
from training.recipe_parts import SpeechNetwork

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def recipe(tiny_speech: TinySpeech) -> SpeechRecipe:
    found = read_recipe(str(tiny_speech.recipe))
    assert isinstance(found, SpeechRecipe)
    return found


@pytest.fixture(scope="module")
def splits(tiny_speech: TinySpeech, recipe: SpeechRecipe) -> speech.SpeechSplits:
    return speech.split(*speech.read(tiny_speech.data, recipe, progress=False), recipe)


def test_both_files_are_int8_and_have_manifests_that_fit(tiny_speech: TinySpeech, recipe: SpeechRecipe) -> None:
    for path, task in ((tiny_speech.encoder, "speech-encoder"), (tiny_speech.head, "speech-emotion")):
        verify.require_int8(path)
        manifest = verify_model(path)
        assert manifest.task == task
        assert manifest.name == "tiny"
        assert manifest.training["settings"] == json.loads(json.dumps(recipe.as_dict()))
        assert "CC BY-NC-SA 4.0" in manifest.training["data"]
        assert "Article 5(1)(f)" in manifest.limits
        assert manifest.quantization["method"] == "qat"
        assert manifest.evaluation == {}, "written by the evaluation alone"
        assert str(tiny_speech.data) not in path.with_suffix(".json").read_text(), "the manifest travels, paths do not"
    encoder, head = (
        read_manifest(tiny_speech.encoder.with_suffix(".json")),
        read_manifest(tiny_speech.head.with_suffix(".json")),
    )
    assert isinstance(encoder.input, SpeechInput)
    assert encoder.input.spectrogram == LogMelSettings()
    assert (encoder.input.shape, encoder.output.shape) == ((1, 64, 64, 1), (1, 16))
    assert isinstance(head.input, SequenceInput)
    assert (head.input.shape, head.output.shape) == ((1, 2, 16), (1, 5))
    assert head.input.encoder == "tiny"
    assert head.input.encoder_sha256 == file_sha256(tiny_speech.encoder)
    assert head.labels == recipe.data.labels
    assert head.parameters == keras.models.load_model(tiny_speech.float_model).count_params()
    assert head.multiply_adds is not None
    assert encoder.multiply_adds is not None
    assert head.multiply_adds > encoder.multiply_adds


def test_embeddings_are_stored_as_the_head_takes_them(tiny_speech: TinySpeech) -> None:
    """The same numbers on both sides: what the encoder says needs no conversion, and loses nothing."""
    given, taken = load_interpreter(tiny_speech.encoder).output, load_interpreter(tiny_speech.head).input
    assert given.dtype == taken.dtype == np.int8
    assert taken.scale == pytest.approx(given.scale, rel=1e-3)
    assert taken.zero_point == given.zero_point


def test_a_window_that_is_not_there_is_exactly_nothing(tiny_speech: TinySpeech) -> None:
    """The normalised mean, 0, has an int8 number of its own."""
    encoder = load_interpreter(tiny_speech.encoder)
    stored = verify.quantise(np.zeros((1, 64, 64, 1), np.float32), encoder)
    assert (stored == encoder.input.zero_point).all()
    least, most = ((end - encoder.input.zero_point) * encoder.input.scale for end in (-128, 127))
    assert least == pytest.approx(-4, abs=0.05)
    assert most == pytest.approx(4, abs=0.05)


def test_they_say_what_the_float_model_says(tiny_speech: TinySpeech, splits: speech.SpeechSplits) -> None:
    recipe = read_recipe(str(tiny_speech.recipe))
    assert isinstance(recipe, SpeechRecipe)
    held = speech.validation_of(splits, splits.validation, recipe)
    reference = np.asarray(keras.models.load_model(tiny_speech.float_model).predict(held.windows, verbose=0))
    answers = quantize_speech.answer(tiny_speech.head, held.windows)
    found = verify.agreement(reference, answers)
    assert found.top1 > 0.9
    assert found.sqnr_db > 12
    notes = read_manifest(tiny_speech.head.with_suffix(".json")).quantization
    assert notes["agreement_on_validation"] == pytest.approx(found.as_dict(), rel=1e-3, abs=1e-3)
    assert notes["validation_recall"] == pytest.approx(speech.unweighted_recall(answers, held.labels), abs=1e-4)
    assert notes["validation_recall"] > 0.7, "tones are easy"


def test_the_device_says_what_training_says(tiny_speech: TinySpeech, splits: speech.SpeechSplits) -> None:
    """`SpeechRecognizer`, window by window, and the evaluation's path."""
    recognizer = SpeechRecognizer(tiny_speech.head)
    assert recognizer.settings == splits.settings
    windows = np.stack([clip_windows(each, recognizer.windows, splits.settings) for each in splits.validation[::3]])
    expected = probabilities_of(quantize_speech.answer(tiny_speech.head, windows))
    for each, probabilities in zip(windows, expected, strict=True):
        found = recognizer.classify(np.stack([recognizer.encode(window) for window in each]))
        assert found == pytest.approx(probabilities, abs=1e-5)


def test_without_fine_tuning(
    tiny_speech: TinySpeech, recipe: SpeechRecipe, splits: speech.SpeechSplits, tmp_path: Path
) -> None:
    """Calibrated alone; the float run's own folder is not touched."""
    net = build_speech_net(recipe.network, splits.settings, classes=len(recipe.data.labels))
    speech.begin_with(net, tiny_speech.float_model)
    from training.fit import Progress

    plain = recipe.model_copy(update={"quantization": recipe.quantization.model_copy(update={"epochs": 0})})
    state = Progress(recipe={}, epoch=1, best_epoch=1, best_score=0.5)
    written = quantize_speech.quantize_speech(plain, net, state, splits, tmp_path, tmp_path, progress=False)
    assert written.path == tmp_path / "speech-emotion" / "tiny.tflite"
    manifest = read_manifest(written.path.with_suffix(".json"))
    assert manifest.quantization["method"] == "int8"
    assert manifest.quantization["agreement_on_validation"]["top1"] > 0.9
    verify.require_int8(tmp_path / "speech-encoder" / "tiny.tflite")


def test_folding_the_batch_norm_changes_nothing() -> None:
    network = SpeechNetwork(channels=(8, 8, 16, 16), embedding=16, lstm=8, windows=2)
    net = build_speech_net(network, LogMelSettings(), classes=3)
    rng = np.random.default_rng(0)
    norm = net.encoder.get_layer("embedding_norm")
    norm.set_weights([rng.uniform(0.5, 2, 16), rng.normal(size=16), rng.normal(size=16), rng.uniform(0.5, 2, 16)])
    before = [weight.copy() for weight in net.encoder.get_weights()]
    folded = quantize_speech._folded(net.encoder)
    x = rng.normal(size=(8, 64, 64, 1)).astype(np.float32)
    expected = net.encoder.predict(x, verbose=0)
    assert expected.max() > 0.1
    assert folded.predict(x, verbose=0) == pytest.approx(expected, abs=1e-4)
    assert bridge.to_tf_keras(folded).predict(x, verbose=0) == pytest.approx(expected, abs=1e-4)
    assert cost.multiply_adds(folded) == cost.multiply_adds(net.encoder)
    for one, other in zip(net.encoder.get_weights(), before, strict=True):
        assert np.array_equal(one, other), "what is folded is a copy"
