"""The manifest that is written beside a model file must fit the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converter.package import write_package
from edge.errors import ModelError
from edge.features.face import pixel_table
from edge.inference.catalog import find_model
from edge.inference.manifest import ArrayInput, Detection, manifest_path, read_manifest, verify_model

SMALL_MODEL = Path(__file__).parents[1] / "data" / "small_int8.tflite"
"""(1, 48, 48, 1) -> (1, 7)."""
DETECTION = Detection(strides=(16,), sizes=(20.0,), unit=0.125, threshold=0.5, overlap_limit=0.4)
LABELS = tuple("abcdefg")


def package(folder: Path, content: bytes = SMALL_MODEL.read_bytes(), **keys: Any) -> Path:
    return write_package(content, folder, **{"name": "m", "version": "1", "quantization": {"method": "int8"}} | keys)


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"task": "face-detection"}, "model 'm': manifest: detection: missing"),
        (
            {"task": "face-detection", "detection": DETECTION},
            "output.shape: [1, 7] where detection.strides [16] give [1, 9, 15]",
        ),
        (
            {"task": "expression", "labels": LABELS, "detection": DETECTION},
            "detection: the task 'expression' has no use",
        ),
        ({"task": "expression"}, "labels: the task 'expression' needs at least 2"),
        ({"task": "expression", "labels": LABELS[:2]}, "2 labels for 7 outputs"),
    ],
)
def test_what_does_not_fit_the_file_is_not_written(tmp_path: Path, keys: dict[str, Any], told: str) -> None:
    with pytest.raises(ModelError) as raised:
        package(tmp_path, **keys)
    assert told in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_an_expression_model_needs_its_labels_alone(tmp_path: Path) -> None:
    manifest = verify_model(package(tmp_path, task="expression", labels=LABELS), task="expression")
    assert (manifest.labels, manifest.detection) == (LABELS, None)


def test_a_detector_is_written_as_it_is_read(tmp_path: Path) -> None:
    shipped = find_model("face-detection", "face_near")
    before = read_manifest(manifest_path(shipped))
    model = package(tmp_path, shipped.read_bytes(), task="face-detection", detection=before.detection)
    after = verify_model(model, task="face-detection")
    assert (after.labels, after.detection, after.sha256) == ((), before.detection, before.sha256)
    assert (after.input, after.output) == (before.input, before.output)
    assert np.array_equal(pixel_table(after.image_input), np.arange(-128, 128))


def test_a_model_for_another_program_needs_no_labels(tmp_path: Path) -> None:
    model = package(tmp_path, task="other", takes=(ArrayInput, {"holds": "gray", "real_range": (0.0, 1.0)}))
    manifest = verify_model(model, task="other")
    assert isinstance(manifest.input, ArrayInput)
    assert (manifest.labels, manifest.input.shape, manifest.input.holds) == ((), (1, 48, 48, 1), "gray")
