"""`affect-edge evaluate` on a text emotion model: what it scores, prints and keeps, and that no text leaves it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")

from edge.cli import main
from edge.inference.manifest import manifest_path, read_manifest
from edge.observation import UNSURE
from edge.recognizers.text_emotion import TextRecognizer
from tests.edge.text_helpers import (
    EMOTION_BIAS,
    EMOTION_SETTINGS,
    EMOTIONS,
    emotion_table,
    install_text_model,
    install_trait_model,
    sample_ids,
)
from tests.training.text_data import EKMAN_NAMES, write_goemotions
from training.datasets import goemotions
from training.evaluation.card import card_path
from training.evaluation.text_figures import fit_temperature, probabilities_of

WORDS = {
    "anger": "furious",
    "disgust": "gross",
    "fear": "scared",
    "joy": "wonderful",
    "sadness": "lonely",
    "surprise": "wow",
}
TRAINING = {
    "recipe": "tiny",
    "seed": 1,
    "settings": {"data": {"labels": "ekman"}},
    "data": "comments",
    "cleaning": {"read": 9, "leaked": 2, "doubles": 0, "kept": 7},
}


def comments(count: int, seed: int) -> list[tuple[str, str]]:
    """A word or two tell the labels, of which every fourth text has one wrong; the last one is of another language."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        said = list(dict.fromkeys(rng.choice(EKMAN_NAMES, 1 + number % 2).tolist()))
        text = " ".join(["the day is", *(WORDS.get(name, "book") for name in said), "tree " * (number % 9)]).strip()
        meant = [str(rng.choice(EKMAN_NAMES)), *said[1:]] if number % 4 == 0 else said
        rows.append((f"{text} {'.' * 1}", ",".join(str(EKMAN_NAMES.index(name)) for name in dict.fromkeys(meant))))
    return [*rows, ("esto no dice nada aqui wow", "4")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = {"train": [("quite another text", "3")], "dev": comments(160, 1), "test": comments(120, 2)}
    return write_goemotions(tmp_path_factory.mktemp("goemotions"), rows, suffix=".tsv.xz")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = install_text_model(tmp_path / "models")
    change(path, training=TRAINING)
    return path


def change(model: Path, **keys: Any) -> None:
    """Write other things into the manifest."""
    path = manifest_path(model)
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))


def evaluated(capsys: pytest.CaptureFixture[str], model: Path, data: Path, *words: str) -> dict[str, Any]:
    assert main(["evaluate", str(model), "--data", str(data), "--json", *words]) == 0
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return report


def refused(capsys: pytest.CaptureFixture[str], model: Path, data: Path, *words: str) -> str:
    assert main(["evaluate", str(model), "--data", str(data), *words]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("affect-edge evaluate: error: ")
    return error


def test_figures_are_those_of_the_device_s_answers(
    folder: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    thresholds = [0.3, 0.4, 0.5, 0.6, 0.5, 0.4, 0.3]
    change(
        model,
        calibration={"link": "sigmoid", "temperature": 1.7, "thresholds": thresholds, "unsure_below": 0.6},
    )
    report = evaluated(capsys, model, folder)
    held, device = goemotions.read(folder)["validation"], TextRecognizer(model)
    assert report["texts"] == len(held) == 161
    truth = [{label for label, on in zip(held.labels, row, strict=True) if on} for row in held.targets]
    answers = [answer for text in held.texts if (answer := device.recognize(text))]
    right = [EMOTIONS[answer.probabilities.argmax()] in own for answer, own in zip(answers, truth, strict=True)]
    assert report["accuracy"] == pytest.approx(np.mean(right), abs=1e-5)
    # The last text is of another language: the device tells no labels of it, and the figures count one as it is.
    assert [answer.familiar for answer in answers] == [True] * 160 + [False]
    assert report["protocol"]["data"]["unfamiliar"] == 1
    exact = [set(answer.present) == own for answer, own in zip(answers[:-1], truth[:-1], strict=True)]
    assert 0 <= round(report["exact_match"] * 161) - sum(exact) <= 1
    sure = [answer.label != UNSURE for answer in answers[:-1]]
    assert 0 <= round(report["unsure"]["coverage"] * 161) - sum(sure) <= 1
    assert report["calibrated"]["temperature"] == 1.7
    assert [row["threshold"] for row in report["per_label"].values()] == thresholds
    assert sum(row["texts"] for row in report["lengths"]) == 161
    assert report["protocol"]["data"]["source"] == "GoEmotions, Ekman's classes, dev.tsv"


def test_without_being_told_to_it_keeps_nothing(folder: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in model.parent.iterdir()}
    evaluated(capsys, model, folder)
    assert {path: path.read_bytes() for path in model.parent.iterdir()} == before


def test_calibration_is_fitted_on_validation_whatever_is_scored(
    folder: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = evaluated(capsys, model, folder, "--split", "test", "--calibrate", "--target-accuracy", "0.7")
    fitted = read_manifest(manifest_path(model)).calibration
    assert report["texts"] == 121
    validation = goemotions.read(folder)["validation"]
    logits = emotion_table()[sample_ids(EMOTION_SETTINGS, list(validation.texts))[..., 0]].sum(axis=1) + EMOTION_BIAS
    probabilities = probabilities_of(logits, fitted.temperature)
    assert fitted.temperature == pytest.approx(fit_temperature(logits, validation.targets), rel=0.03)
    assert fitted.temperature > 1.1, "some labels are wrong, of which the model knows nothing"
    assert report["calibrated"]["temperature"] == fitted.temperature
    assert len(fitted.thresholds) == 7
    named = probabilities.argmax(axis=1)
    sure = probabilities.max(axis=1) >= fitted.unsure_below
    assert validation.targets[sure, named[sure]].mean() >= 0.68
    assert fitted.fitted_on is not None
    assert "dev.tsv: 161 texts" in fitted.fitted_on
    assert "at least 70% of the labels" in fitted.fitted_on
    again = evaluated(capsys, model, folder)
    assert again["calibrated"]["nll"] < again["raw"]["nll"]


def test_figures_protocol_and_card_are_written(folder: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = evaluated(capsys, model, folder, "--calibrate", "--target-accuracy", "0.7", "--write-manifest")
    manifest = read_manifest(manifest_path(model))
    entry = manifest.evaluation["validation"]
    assert entry == {key: value for key, value in report.items() if key not in ("model", "split", "labels")}
    assert entry["protocol"]["command"] == (
        "affect-edge evaluate text.tflite --data DIR --split validation --calibrate --target-accuracy 0.7 "
        "--write-manifest"
    )
    assert entry["protocol"]["training"] == {"recipe": "tiny", "seed": 1, "cleaning": TRAINING["cleaning"]}
    card = card_path(model).read_text()
    assert f"| macro-F1 | {entry['macro_f1']:.4f} |" in card
    assert "of 9 texts, dropped: 2 whose tokens stand in validation or test too" in card
    assert "what a person feels" in card
    assert str(folder) not in manifest_path(model).read_text() + card


def test_no_text_is_printed_or_written(
    folder: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--calibrate", "--target-accuracy", "0.7", "--write-manifest", "--out", str(tmp_path / "figures"))
    assert main(["evaluate", str(model), "--data", str(folder), *words]) == 0
    printed = capsys.readouterr()
    manifest = json.loads(manifest_path(model).read_text())
    del manifest["input"]  # the vocabulary, which is the training's
    written = (card_path(model), tmp_path / "figures" / "evaluation.json")
    for text in (printed.out, printed.err, json.dumps(manifest), *(path.read_text() for path in written)):
        assert "furious" not in text
        assert "lonely" not in text


def test_the_pictures(folder: Path, model: Path, tmp_path: Path) -> None:
    assert main(["evaluate", str(model), "--data", str(folder), "--out", str(tmp_path / "figures")]) == 0
    pictures = {path.stem for path in (tmp_path / "figures").glob("*.png")}
    assert pictures == {"confusion", "reliability", "curves", "labels", "lengths"}
    assert all(path.stat().st_size > 5000 for path in (tmp_path / "figures").glob("*.png"))


def test_the_table(folder: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(model), "--data", str(folder)]) == 0
    table = capsys.readouterr().out
    assert "text.tflite on validation (GoEmotions, Ekman's classes, dev.tsv): 161 texts" in table
    assert table.count("95 % interval") == 6
    for name in (*EMOTIONS, "1-5", "6-10"):
        assert f"\n{name} " in table


def test_the_test_split_is_marked(folder: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", str(model), "--data", str(folder), "--split", "test", "--write-manifest"]
    assert main(words) == 0
    assert "already holds" not in capsys.readouterr().err
    assert main(words) == 0
    error = capsys.readouterr().err
    assert "scored once" in error
    assert "already holds figures of the test split" in error


def test_a_new_temperature_tells_of_figures_at_another(
    folder: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(model), "--data", str(folder), "--write-manifest"]) == 0
    assert main(["evaluate", str(model), "--data", str(folder), "--calibrate", "--target-accuracy", "0.7"]) == 0
    assert "evaluation.validation was written at another temperature (1.0, now" in capsys.readouterr().err


@pytest.mark.tensorflow
def test_beside_the_float_model(folder: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tensorflow_model_optimization")
    import keras

    original = tmp_path / "tiny.keras"
    inputs = keras.Input((12, 1), dtype="int32")
    x = keras.layers.Reshape((12,))(inputs)
    x = keras.layers.Embedding(EMOTION_SETTINGS.numbers, 7)(x)
    x = keras.layers.GlobalAveragePooling1D()(x)
    network = keras.Model(inputs, keras.layers.Dense(7)(x))
    # The sum of the twelve words' rows and a bias, which the int8 file was made of.
    network.set_weights([emotion_table(), np.eye(7, dtype=np.float32) * 12, EMOTION_BIAS])
    network.save(original)
    words = ("--calibrate", "--target-accuracy", "0.7", "--float", str(original))
    beside = evaluated(capsys, model, folder, *words)["float"]
    assert beside["float_model"] == "tiny.keras"
    assert beside["agreement"] > 0.97
    assert abs(beside["macro_f1_difference"]) < 0.03
    low, high = beside["macro_f1_difference_interval"]
    assert low <= beside["macro_f1_difference"] <= high
    assert beside["probability_difference"] < 0.05
    assert main(["evaluate", str(model), "--data", str(folder), "--float", str(original), "--split", "test"]) == 0
    assert "beside tiny.keras: macro-F1" in capsys.readouterr().out, "for which its thresholds come from validation"
    keras.Model(inputs, keras.layers.Dense(3)(x)).save(tmp_path / "other.keras")
    assert "the int8 model (12, 1) and (7,)" in refused(capsys, model, folder, "--float", str(tmp_path / "other.keras"))


def test_what_cannot_be_scored_is_told(
    folder: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "no train.tsv there or below" in refused(capsys, model, tmp_path)
    assert "28 emotions" in refused_with(model, folder, capsys, training={"settings": {"data": {"labels": "original"}}})
    unclear: list[dict[str, Any]] = [{}, {"settings": {"data": {"labels": "seven"}}}, {"settings": []}]
    for training in unclear:
        error = refused_with(model, folder, capsys, training=training)
        assert "does not tell which of GoEmotions' labels" in error
    error = refused_with(model, folder, capsys, training=TRAINING, labels=EMOTIONS[::-1])
    assert "names neutral, surprise" in error
    traits = install_trait_model(tmp_path / "models")
    assert "has learned from all essays" in refused(capsys, traits, folder)


def refused_with(model: Path, data: Path, capsys: pytest.CaptureFixture[str], **keys: Any) -> str:
    change(model, **keys)
    return refused(capsys, model, data)
