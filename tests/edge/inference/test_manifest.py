"""Which manifests are read, and what is said of the others."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from edge.errors import ModelError
from edge.features.token_ids import TextSettings
from edge.inference.manifest import ArrayInput, read_manifest

ROOT = Path(__file__).parents[3]

EXPRESSION: dict[str, Any] = {
    "schema_version": 1,
    "name": "small",
    "task": "expression",
    "version": "1",
    "file": "small.tflite",
    "sha256": "0" * 64,
    "size_bytes": 1,
    "labels": ["happy", "sad", "neutral"],
    "input": {"shape": [1, 48, 48, 1], "dtype": "int8", "scale": 0.004, "zero_point": -128},
    "output": {"shape": [1, 3], "dtype": "int8", "scale": 0.1, "zero_point": 4},
}
ENCODER: dict[str, Any] = EXPRESSION | {
    "task": "speech-encoder",
    "labels": [],
    "input": EXPRESSION["input"] | {"shape": [1, 64, 64, 1], "spectrogram": {}},
}
DETECTOR: dict[str, Any] = EXPRESSION | {
    "task": "face-detection",
    "labels": [],
    "input": EXPRESSION["input"] | {"shape": [1, 128, 160, 1]},
    "output": EXPRESSION["output"] | {"shape": [1, 420, 15]},
    "detection": {
        "strides": [8, 16, 32],
        "sizes": [16.0, 40.0, 100.0],
        "unit": 0.125,
        "threshold": 0.5,
        "overlap_limit": 0.4,
    },
}

TEXT: dict[str, Any] = EXPRESSION | {
    "task": "text-emotion",
    "input": {"shape": [1, 4, 1], "dtype": "int32", "text": {"length": 4, "words": ["good", "bad"]}},
    "calibration": {"link": "sigmoid", "temperature": 1.5, "thresholds": [0.3, 0.2, 0.4]},
}


def band(score_from: float, score_to: float) -> dict[str, Any]:
    return {"score_from": score_from, "score_to": score_to, "texts": 9, "share": 0.5, "low": 0.3, "high": 0.7}


TRAITS: dict[str, Any] = TEXT | {
    "task": "traits",
    "labels": ["calm", "neat"],
    "output": EXPRESSION["output"] | {"shape": [1, 2]},
    "calibration": {"link": "sigmoid"},
    "traits": {
        "least_words": 50,
        "words_measured": 600,
        "bands": {"calm": [band(0.0, 0.4), band(0.4, 1.0)], "neat": [band(0.0, 1.0)]},
    },
}

OTHER: dict[str, Any] = EXPRESSION | {
    "task": "other",
    "labels": [],
    "input": EXPRESSION["input"] | {"shape": [1, 96, 96, 3], "holds": "rgb", "real_range": [-1.0, 1.0]},
    "output": EXPRESSION["output"] | {"shape": [1, 10], "dtype": "int16"},
}


def changed(document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A copy with other values under dotted keys, written with __ for the dots; None takes a key away."""
    copy = deepcopy(document)
    for dotted, value in changes.items():
        *path, key = dotted.split("__")
        part = copy
        for name in path:
            part = part[name]
        if value is None:
            del part[key]
        else:
            part[key] = value
    return copy


def write(folder: Path, document: dict[str, Any]) -> Path:
    path = folder / "small.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_a_detector_s_manifest_gives_its_cells(tmp_path: Path) -> None:
    manifest = read_manifest(write(tmp_path, DETECTOR))
    assert manifest.labels == ()
    assert manifest.detection is not None
    grid = manifest.detection.grid(*manifest.input.shape[1:3])
    assert (grid.width, grid.strides, grid.sizes, grid.unit) == (160, (8, 16, 32), (16.0, 40.0, 100.0), 0.125)
    assert len(grid.centers) == 420
    manifest.write(tmp_path / "again.json")
    assert read_manifest(tmp_path / "again.json") == manifest


def test_a_detector_needs_no_labels_at_all(tmp_path: Path) -> None:
    assert read_manifest(write(tmp_path, changed(DETECTOR, labels=None))).labels == ()


def test_the_expression_model_s_manifest_is_read_as_ever(tmp_path: Path) -> None:
    assert read_manifest(write(tmp_path, EXPRESSION)).detection is None
    assert len(read_manifest(ROOT / "models" / "expression" / "expression.json").labels) == 7


def test_a_text_model_s_manifest_gives_its_front_end(tmp_path: Path) -> None:
    manifest = read_manifest(write(tmp_path, TEXT))
    assert manifest.text_input.text == TextSettings(length=4, words=("good", "bad"))
    assert manifest.calibration.thresholds == (0.3, 0.2, 0.4)
    manifest.write(tmp_path / "again.json")
    assert read_manifest(tmp_path / "again.json") == manifest
    with pytest.raises(ModelError, match="made for the task 'text-emotion', which takes no picture"):
        _ = manifest.image_input
    with pytest.raises(ModelError, match="made for the task 'expression', which takes no text"):
        _ = read_manifest(write(tmp_path, EXPRESSION)).text_input


def test_a_text_model_may_rate_too(tmp_path: Path) -> None:
    document = changed(TEXT, ratings=["valence", "arousal"], output__shape=[1, 5])
    manifest = read_manifest(write(tmp_path, document))
    assert (manifest.labels, manifest.ratings) == (("happy", "sad", "neutral"), ("valence", "arousal"))
    assert read_manifest(write(tmp_path, TEXT)).ratings == ()


def test_a_model_for_another_program_says_its_form(tmp_path: Path) -> None:
    manifest = read_manifest(write(tmp_path, OTHER))
    assert isinstance(manifest.input, ArrayInput)
    assert (manifest.input.holds, manifest.input.real_range) == ("rgb", (-1.0, 1.0))
    manifest.write(tmp_path / "again.json")
    assert read_manifest(tmp_path / "again.json") == manifest
    with pytest.raises(ModelError, match="made for the task 'other', which takes no picture"):
        _ = manifest.image_input
    labels = [f"class {index}" for index in range(10)]
    assert len(read_manifest(write(tmp_path, changed(OTHER, labels=labels))).labels) == 10


def test_a_trait_s_score_falls_in_one_band(tmp_path: Path) -> None:
    manifest = read_manifest(write(tmp_path, TRAITS))
    assert manifest.traits is not None
    found = [manifest.traits.band("calm", score).score_from for score in (0.0, 0.399, 0.4, 0.99, 1.0)]
    assert found == [0.0, 0.0, 0.4, 0.4, 0.4]
    manifest.write(tmp_path / "again.json")
    assert read_manifest(tmp_path / "again.json") == manifest


def test_a_trait_model_that_was_not_measured_yet_is_read(tmp_path: Path) -> None:
    assert read_manifest(write(tmp_path, changed(TRAITS, traits=None))).traits is None


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (changed(TEXT, input__shape=[1, 5, 1]), "input.shape: [1, 5, 1] where input.text gives [1, 4, 1]"),
        (changed(TEXT, input__dtype="int8"), "input.dtype: Input should be 'int32'"),
        (changed(TEXT, input__text__length=0), "input.text: length, shortest and pieces are at least 1"),
        (changed(TEXT, input__text__word=["a"]), "input.text.word: Unexpected keyword argument"),
        (changed(TEXT, input__text__words=[]), "input.text: words: missing, and there are no buckets"),
        (changed(EXPRESSION, input__dtype="int32"), "input.dtype: only a text model's input is int32"),
        (changed(EXPRESSION, output__dtype="int32"), "output.dtype: only a text model's input is int32"),
        (changed(TEXT, input=EXPRESSION["input"]), "input: the task 'text-emotion' needs TextInput's keys"),
        (changed(EXPRESSION, input=TEXT["input"]), "input: the task 'expression' needs ImageInput's keys"),
        (changed(EXPRESSION, input="text"), "input: "),
        (changed(TEXT, calibration=None), "calibration.link: the task 'text-emotion' needs 'sigmoid', not 'softmax'"),
        (
            changed(EXPRESSION, calibration={"link": "sigmoid"}),
            "calibration.link: the task 'expression' needs 'softmax', not 'sigmoid'",
        ),
        (
            changed(EXPRESSION, calibration={"thresholds": [0.5, 0.5, 0.5]}),
            "calibration.thresholds: the task 'expression' has no use for them",
        ),
        (changed(TEXT, calibration__thresholds=[0.5]), "calibration.thresholds: 1 for 3 labels"),
        (changed(TEXT, calibration__thresholds=[0.5, 1.5, 0.5]), "calibration.thresholds.1: Input should be less"),
        (changed(TEXT, output__shape=[1, 2]), "output.shape: 3 labels for 2 outputs"),
        (changed(TEXT, ratings=["valence"]), "output.shape: 3 labels and 1 ratings for 3 outputs"),
        (changed(TEXT, ratings=["calm", "calm"]), "ratings: a name stands twice, or is a label's"),
        (changed(TEXT, ratings=["sad"], output__shape=[1, 4]), "ratings: a name stands twice, or is a label's"),
        (changed(TRAITS, ratings=["valence"]), "ratings: the task 'traits' has no use for them"),
        (changed(EXPRESSION, ratings=["valence"]), "ratings: the task 'expression' has no use for them"),
        (changed(TEXT, traits=TRAITS["traits"]), "traits: the task 'text-emotion' has no use for it"),
        (
            changed(TRAITS, traits__bands={"calm": [band(0.0, 1.0)]}),
            "traits.bands: are of ['calm'], the labels are ['calm', 'neat']",
        ),
        (changed(TRAITS, traits__bands__neat=[]), "traits: bands of 'neat' do not follow each other from 0 to 1"),
        (changed(TRAITS, traits__bands__neat=[band(0.0, 0.9)]), "traits: bands of 'neat' do not follow"),
        (changed(TRAITS, traits__bands__neat=[band(0.1, 1.0)]), "traits: bands of 'neat' do not follow"),
        (
            changed(TRAITS, traits__bands__neat=[band(0.0, 0.3), band(0.4, 1.0)]),
            "traits: bands of 'neat' do not follow",
        ),
        (changed(TRAITS, traits__bands__neat=[band(0.4, 0.4)]), "traits.bands.neat.0: needs score_from below score_to"),
        (
            changed(TRAITS, traits__bands__neat=[band(0.0, 1.0) | {"low": 0.6}]),
            "traits.bands.neat.0: needs score_from below score_to, and share between low and high",
        ),
        (changed(TRAITS, traits__least_words=0), "traits.least_words: Input should be greater than 0"),
        (changed(DETECTOR, detection=None), "detection: missing; a face detector needs it"),
        (
            changed(DETECTOR, detection__strides=[8, 16]),
            "detection: 2 strides for 3 face sizes",
        ),
        (
            changed(DETECTOR, detection__strides=[8, 16, 64], detection__sizes=[16.0, 40.0, 100.0]),
            "detection: the input, 160x128, is no multiple of the stride 64",
        ),
        (
            changed(DETECTOR, detection__strides=[4, 16, 32]),
            "output.shape: [1, 420, 15] where detection.strides [4, 16, 32] give [1, 1380, 15]",
        ),
        (changed(DETECTOR, output__shape=[1, 420, 5]), "output.shape: [1, 420, 5] where detection.strides"),
        (changed(DETECTOR, output__shape=[420, 15]), "output.shape: [420, 15] where detection.strides"),
        (changed(DETECTOR, input__shape=[1, 128, 160]), "input.shape: [1, 128, 160] is not [1, height, width, 1]"),
        (changed(DETECTOR, input__shape=[1, 100, 160, 1]), "detection: the input, 160x100, is no multiple"),
        (changed(DETECTOR, detection__strides=[0, 16, 32]), "detection.strides.0: Input should be greater than 0"),
        (changed(DETECTOR, detection__sizes=[16.0, -40.0, 1.0]), "detection.sizes.1: Input should be greater than 0"),
        (changed(DETECTOR, detection__threshold=1.0), "detection.threshold: Input should be less than 1"),
        (
            changed(DETECTOR, detection__overlap_limit=1.5),
            "detection.overlap_limit: Input should be less than or equal",
        ),
        (changed(DETECTOR, detection__unit=None), "detection.unit: Field required"),
        (changed(DETECTOR, detection__anchors=3), "detection.anchors: Extra inputs are not permitted"),
        (changed(EXPRESSION, detection=DETECTOR["detection"]), "detection: the task 'expression' has no use for it"),
        (changed(EXPRESSION, labels=None), "labels: the task 'expression' needs at least 2, not 0"),
        (changed(EXPRESSION, labels=["happy"]), "labels: the task 'expression' needs at least 2, not 1"),
        (changed(EXPRESSION, labels=["happy", "sad"]), "output.shape: 2 labels for 3 outputs"),
        (changed(EXPRESSION, labels=["happy", "sad", "sad"]), "labels: a label stands twice"),
        (changed(EXPRESSION, file="../small.tflite"), "file: '../small.tflite' must be a plain name"),
        (changed(ENCODER, input__shape=[1, 64, 40, 1]), "input.shape: [1, 64, 40, 1] where input.spectrogram gives"),
        (
            changed(ENCODER, input__spectrogram={"step": 3}),
            "input.spectrogram: the speech gate needs steps of at least 4",
        ),
        (changed(ENCODER, output__shape=[1, 2, 3]), "output.shape: [1, 2, 3] is not [1, numbers]"),
        (changed(OTHER, labels=["a", "b"]), "output.shape: 2 labels for 10 outputs"),
        (changed(OTHER, labels=["a"] * 10), "labels: a label stands twice"),
        (changed(OTHER, input__holds="sound"), "input.holds: Input should be 'gray', 'rgb' or 'numbers'"),
        (changed(OTHER, detection=DETECTOR["detection"]), "detection: the task 'other' has no use for it"),
        (changed(OTHER, input=EXPRESSION["input"]), "input: the task 'other' needs ArrayInput's keys"),
        (changed(EXPRESSION, task="speech"), "task: Input should be 'expression', 'face-detection', 'speech-"),
    ],
)
def test_what_does_not_fit_is_told_with_its_key(tmp_path: Path, document: dict[str, Any], told: str) -> None:
    path = write(tmp_path, document)
    with pytest.raises(ModelError) as raised:
        read_manifest(path)
    assert str(raised.value).startswith(f"{path}: {told}")
    assert "\n" not in str(raised.value)
