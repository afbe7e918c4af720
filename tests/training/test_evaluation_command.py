"""The evaluation command on real model files and faces whose best temperature is known."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("keras")
pytest.importorskip("tensorflow")

import keras
import tensorflow as tf

from edge.errors import AffectEdgeError, DataError, ModelError
from edge.inference.interpreter import load_interpreter
from edge.inference.manifest import (
    ImageInput,
    Manifest,
    TensorSpec,
    file_sha256,
    manifest_path,
    read_manifest,
    verify_model,
)
from training.commands import evaluate
from training.datasets.fer2013 import LABELS, SPLITS
from training.evaluation.predict import open_face_model

pytestmark = pytest.mark.tensorflow

BAND, SIGNAL, NOISE = 6, 60, 30
"""A face of class c is brighter by SIGNAL in rows 6c to 6c+5; each band is off by NOISE (standard deviation)."""
BEST_WEIGHT = SIGNAL / NOISE**2 * 255
"""Of a band's mean (0 to 1) in the logit: the log-likelihood ratio of two normal distributions."""
TEMPERATURE = 2.0
"""The model's weights are too large by this factor."""


def faces(per_class: int, seed: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(7), per_class)
    bands = 100 + rng.normal(0, NOISE, (len(labels), 8))
    bands[np.arange(len(labels)), labels] += SIGNAL
    pixels = np.clip(np.rint(bands), 0, 255).astype(np.uint8)
    return np.repeat(pixels, BAND * 48, axis=1).reshape(-1, 48, 48), labels


def expected_logits(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    bands: npt.NDArray[np.float64] = images[:, : 7 * BAND : BAND, 0] / 255
    return bands * BEST_WEIGHT * TEMPERATURE


def network(outputs: int = 7, activation: str | None = None) -> keras.Model:
    inputs = keras.Input((48, 48, 1))
    x = keras.layers.Flatten()(keras.layers.AveragePooling2D((BAND, 48))(inputs))
    model = keras.Model(inputs, keras.layers.Dense(outputs, activation=activation)(x))
    model.layers[-1].set_weights([np.eye(8, outputs) * BEST_WEIGHT * TEMPERATURE, np.zeros(outputs)])
    return model


def write_manifest(model: Path) -> None:
    interpreter = load_interpreter(model)
    specs = [
        {"shape": tensor.shape, "dtype": tensor.dtype.name, "scale": tensor.scale, "zero_point": tensor.zero_point}
        for tensor in (interpreter.input, interpreter.output)
    ]
    Manifest(
        name="bands",
        task="expression",
        version="1",
        file=model.name,
        sha256=file_sha256(model),
        size_bytes=model.stat().st_size,
        labels=LABELS,
        input=ImageInput.model_validate(specs[0]),
        output=TensorSpec.model_validate(specs[1]),
        training={"recipe": "bands", "seed": 5, "epochs": 0},
    ).write(manifest_path(model))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with bands.keras, bands_float.tflite, bands.tflite (int8) and data/fer2013.csv, fer2013new.csv."""
    folder = tmp_path_factory.mktemp("made")
    model = network()
    model.save(folder / "bands.keras")
    (folder / "bands_float.tflite").write_bytes(tf.lite.TFLiteConverter.from_keras_model(model).convert())
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    calibration = faces(20, seed=9)[0]
    converter.representative_dataset = lambda: (
        [face[None, :, :, None].astype(np.float32) / 255] for face in calibration
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    (folder / "bands.tflite").write_bytes(converter.convert())

    (folder / "data").mkdir()
    votes_of = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]
    columns = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF"]
    with (
        (folder / "data" / "fer2013.csv").open("w", newline="") as table,
        (folder / "data" / "fer2013new.csv").open("w", newline="") as votes,
    ):
        rows, vote_rows = csv.writer(table), csv.writer(votes)
        rows.writerow(["emotion", "pixels", "Usage"])
        vote_rows.writerow(["Usage", "Image name", *columns])
        for seed, (usage, per_class) in enumerate({"Training": 1, "PublicTest": 80, "PrivateTest": 30}.items()):
            for image, label in zip(*faces(per_class, seed), strict=True):
                rows.writerow([label, " ".join(map(str, image.ravel())), usage])
                vote_rows.writerow([usage, "", *(8 if name == votes_of[label] else 0 for name in columns[:7]), 0, 2, 0])
    return folder


def run(*words: str | Path) -> int:
    parser = argparse.ArgumentParser()
    evaluate.add_arguments(parser)
    return evaluate.run(parser.parse_args([str(word) for word in words]))


def copied(made: Path, tmp_path: Path, *names: str) -> Sequence[Path]:
    paths = [tmp_path / name for name in names]
    for path in paths:
        path.write_bytes((made / path.name).read_bytes())
    return paths


def test_logits_of_each_file_kind(made: Path) -> None:
    # The faces that the int8 file was calibrated with: others may lie beyond the range of its numbers.
    images, _ = faces(20, seed=9)
    expected = expected_logits(images)
    for name, tolerance in {"bands.keras": 1e-3, "bands_float.tflite": 1e-3}.items():
        assert open_face_model(made / name).logits(images) == pytest.approx(expected, abs=tolerance)
    quantised = open_face_model(made / "bands.tflite")
    step = load_interpreter(made / "bands.tflite").output.scale
    logits = quantised.logits(images)
    # One step for the output's rounding and some for the weights' and the means'.
    assert np.abs(logits - expected).max() < 3 * step
    assert np.mean(logits.argmax(axis=1) == expected.argmax(axis=1)) > 0.95


def test_json_of_a_keras_model(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(made / "bands.keras", "--data", made / "data", "--calibrate", "--json") == 0
    printed = capsys.readouterr()
    report = json.loads(printed.out)
    images, labels = faces(80, seed=1)
    assert report["faces"] == 560
    assert report["accuracy"] == pytest.approx(np.mean(expected_logits(images).argmax(axis=1) == labels), abs=1e-5)
    assert 0.5 < report["accuracy"] < 0.9
    assert report["calibrated"]["temperature"] == pytest.approx(TEMPERATURE, rel=0.15)
    assert report["calibrated"]["ece"] < report["raw"]["ece"]
    assert report["unsure"]["accuracy"] >= 0.8
    assert report["ferplus"] == {
        "accuracy": report["accuracy"],
        "label_accuracy": 1.0,
        "faces": 560,
        "ties": 0,
        "without_votes": 0,
    }
    assert "no manifest" in printed.err


def test_figures_go_into_the_manifest(made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (model,) = copied(made, tmp_path, "bands.tflite")
    write_manifest(model)
    digest = file_sha256(model)
    words = (model, "--data", made / "data", "--calibrate", "--write-manifest", "--float", made / "bands.keras")
    run(*words, "--out", tmp_path / "figures")
    table = capsys.readouterr().out
    manifest = verify_model(model, task="expression")
    assert manifest.sha256 == digest == file_sha256(model)
    assert manifest.calibration.temperature == pytest.approx(TEMPERATURE, rel=0.15)
    assert 0 < manifest.calibration.unsure_below < 1
    assert manifest.calibration.fitted_on is not None
    assert "PublicTest" in manifest.calibration.fitted_on
    entry = manifest.evaluation["validation"]
    assert f"{entry['accuracy']:.4f}" in table
    assert entry["float"]["agreement"] > 0.95
    assert entry["protocol"]["training"] == {"recipe": "bands", "seed": 5}
    assert entry["protocol"]["runtime"].split()[0] in ("litert", "tflite-runtime", "tensorflow")
    card = model.with_suffix(".md").read_text()
    assert f"| accuracy (95 % interval) | {entry['accuracy']:.4f} " in card
    assert manifest.limits in card
    assert manifest.sha256 in card
    written = json.loads((tmp_path / "figures" / "evaluation.json").read_text())
    assert written["confusion"] == entry["confusion"]
    pictures = sorted(path.name for path in (tmp_path / "figures").glob("*.png"))
    assert pictures == [
        "classes.png",
        "confusion.png",
        "mistakes.png",
        "reliability.png",
        "risk_coverage.png",
        "roc.png",
    ]
    for name in pictures:
        picture = cv2.imread(str(tmp_path / "figures" / name))
        assert picture is not None
        assert min(picture.shape[:2]) > 400
        assert picture.std() > 5

    text = manifest_path(model).read_text()
    assert str(tmp_path) not in text
    assert str(made) not in text
    run(*words)
    assert manifest_path(model).read_text() == text, "the same evaluation writes the same manifest"


def test_test_split_uses_the_calibration_of_validation(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (model,) = copied(made, tmp_path, "bands.tflite")
    write_manifest(model)
    run(model, "--data", made / "data", "--calibrate", "--write-manifest")
    calibration = read_manifest(manifest_path(model)).calibration
    capsys.readouterr()
    run(model, "--data", made / "data", "--split", "test", "--write-manifest", "--json")
    printed = capsys.readouterr()
    assert "scored once" in printed.err
    assert "already holds" not in printed.err
    manifest = read_manifest(manifest_path(model))
    assert manifest.calibration == calibration
    assert set(manifest.evaluation) == {"validation", "test"}
    test = manifest.evaluation["test"]
    assert (test["faces"], test["calibrated"]["temperature"]) == (210, calibration.temperature)
    assert test["unsure"]["threshold"] == calibration.unsure_below
    assert test["protocol"]["calibration_fitted_on"] == calibration.fitted_on
    # Again, at another threshold: both entries remain, and whoever repeats the test is told so.
    run(model, "--data", made / "data", "--split", "test", "--calibrate", "--target-accuracy", "0.9")
    again = capsys.readouterr().err
    assert "already holds" in again
    assert "another temperature" not in again
    assert read_manifest(manifest_path(model)).calibration.unsure_below > calibration.unsure_below


def test_a_new_temperature_makes_old_figures_known_as_stale(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (model,) = copied(made, tmp_path, "bands.tflite")
    write_manifest(model)
    run(model, "--data", made / "data", "--write-manifest")
    assert "another temperature" not in capsys.readouterr().err
    run(model, "--data", made / "data", "--calibrate")
    assert "evaluation.validation was written at another temperature (1.0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.keras", None, "no such model file"),
        ("model.onnx", b"x", "end in .keras or .tflite"),
        ("model.keras", b"not a zip", "not a .keras file, or cut short"),
        ("model.tflite", b"", "empty"),
        ("model.tflite", b"not a model at all", "TFL3"),
    ],
)
def test_what_is_not_a_model(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    _refused(ModelError, message, tmp_path / name, "--data", tmp_path)


def test_damaged_models(made: Path, tmp_path: Path) -> None:
    keras_model, tflite_model = copied(made, tmp_path, "bands.keras", "bands.tflite")
    whole = keras_model.read_bytes()
    keras_model.write_bytes(whole[: len(whole) // 2])
    _refused(ModelError, "cut short", keras_model, "--data", made / "data")
    # The zip's directory, at the end, is whole; what it names is not.
    keras_model.write_bytes(bytes(len(whole) // 2) + whole[len(whole) // 2 :])
    _refused(ModelError, "not a readable Keras 3 model", keras_model, "--data", made / "data")
    write_manifest(tflite_model)
    whole = tflite_model.read_bytes()
    tflite_model.write_bytes(whole[:-16])
    _refused(ModelError, "truncated", tflite_model, "--data", made / "data")
    tflite_model.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    _refused(ModelError, "sha256", tflite_model, "--data", made / "data")


@pytest.mark.parametrize(
    ("outputs", "activation", "message"), [(5, None, r"gives \(n, 5\)"), (7, "softmax", "probabilities .* not logits")]
)
def test_models_of_another_make(made: Path, tmp_path: Path, outputs: int, activation: str | None, message: str) -> None:
    network(outputs, activation).save(tmp_path / "other.keras")
    _refused(ModelError, message, tmp_path / "other.keras", "--data", made / "data")


def test_labels_in_another_order(made: Path, tmp_path: Path) -> None:
    (model,) = copied(made, tmp_path, "bands.tflite")
    write_manifest(model)
    path = manifest_path(model)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"labels": sorted(LABELS)}))
    _refused(ModelError, "its labels are angry, disgust, fear, happy, neutral", model, "--data", made / "data")


def test_nothing_to_evaluate_on(made: Path, tmp_path: Path) -> None:
    model = made / "bands_float.tflite"
    _refused(DataError, "fer2013.csv", model, "--data", tmp_path)
    lines = (made / "data" / "fer2013.csv").read_text().splitlines()
    kept = [line for line in lines if not line.endswith("PublicTest")]
    assert len(kept) < len(lines)
    (tmp_path / "fer2013.csv").write_text("\n".join(kept))
    _refused(DataError, f"'{SPLITS['PublicTest']}' is empty", model, "--data", tmp_path)


def test_options_that_do_not_go_together(made: Path, tmp_path: Path) -> None:
    data = made / "data"
    _refused(ModelError, "no manifest", made / "bands.keras", "--data", data, "--write-manifest")
    _refused(AffectEdgeError, "--calibrate", made / "bands.keras", "--data", data, "--target-accuracy", "0.7")
    (tmp_path / "file").touch()
    _refused(AffectEdgeError, "cannot be made", made / "bands.tflite", "--data", data, "--out", tmp_path / "file")
    with pytest.raises(SystemExit):
        run(made / "bands.keras", "--data", data, "--target-accuracy", "80")


def _refused(kind: type[AffectEdgeError], message: str, *words: Any) -> None:
    """The command ends with an error of this kind, told in one line that names what is wrong."""
    with pytest.raises(kind, match=message) as caught:
        run(*words)
    assert "\n" not in str(caught.value)
