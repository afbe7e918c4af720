from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.errors import ModelError
from edge.features.face import pixel_table
from edge.inference.interpreter import load_interpreter
from edge.inference.manifest import Manifest, manifest_path, read_manifest
from edge.observation import Box, Face
from edge.recognizers.expression import ExpressionRecognizer


def rewrite(model: Path, **changes: object) -> Manifest:
    manifest = read_manifest(manifest_path(model)).model_copy(update=changes)
    manifest.write(manifest_path(model))
    return manifest


def reference(model: Path, face: np.ndarray) -> np.ndarray:
    """Written out the long way: quantise, run, dequantise, divide by the temperature, softmax."""
    manifest = read_manifest(manifest_path(model))
    interpreter = load_interpreter(model)
    stored = interpreter.run(pixel_table(manifest.image_input)[face].reshape(1, 48, 48, 1))[0]
    real = (stored.astype(np.float64) - manifest.output.zero_point) * manifest.output.scale
    odds = np.exp(real / manifest.calibration.temperature)
    return np.asarray(odds / odds.sum())


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_probabilities_are_the_calibrated_softmax(expression_model: Path, temperature: float) -> None:
    manifest = read_manifest(manifest_path(expression_model))
    rewrite(expression_model, calibration=manifest.calibration.model_copy(update={"temperature": temperature}))
    face = np.random.default_rng(1).integers(0, 256, (48, 48), dtype=np.uint8)
    found = ExpressionRecognizer(expression_model).recognize(face)
    assert found == pytest.approx(reference(expression_model, face), abs=1e-6)
    assert found.sum() == pytest.approx(1.0, abs=1e-5)


def test_a_face_in_a_frame_is_cropped_first(expression_model: Path) -> None:
    recognizer = ExpressionRecognizer(expression_model)
    face = np.random.default_rng(2).integers(0, 256, (48, 48), dtype=np.uint8)
    frame = np.zeros((120, 160), np.uint8)
    frame[30:78, 40:88] = face
    assert np.array_equal(recognizer(frame, Face(Box(40, 30, 48, 48), 1.0)), recognizer.recognize(face))


def test_successive_faces_do_not_disturb_each_other(expression_model: Path) -> None:
    recognizer = ExpressionRecognizer(expression_model)
    faces = np.random.default_rng(3).integers(0, 256, (20, 48, 48), dtype=np.uint8)
    forwards = [recognizer.recognize(face) for face in faces]
    backwards = [recognizer.recognize(face) for face in faces[::-1]][::-1]
    assert np.array_equal(forwards, backwards)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda model: model.write_bytes(model.read_bytes()[:-100]), "truncated or replaced"),
        (lambda model: model.write_bytes(model.read_bytes()[:-1] + b"x"), "sha256 differs"),
        (lambda model: model.unlink(), "no such model file"),
        (lambda model: manifest_path(model).unlink(), "no such manifest"),
        (lambda model: manifest_path(model).write_text('{"schema_version": 9}'), "schema_version 9"),
        (lambda model: manifest_path(model).write_text("{"), "not a readable JSON manifest"),
    ],
)
def test_a_damaged_model_is_refused_in_one_line(expression_model: Path, damage: object, message: str) -> None:
    assert callable(damage)
    damage(expression_model)
    with pytest.raises(ModelError, match=message) as caught:
        ExpressionRecognizer(expression_model)
    assert str(expression_model.with_suffix("")) in str(caught.value)
    assert "\n" not in str(caught.value)
