"""What is taken from the training faces, rule by rule, and on the real ones."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from tests.training.conftest import pattern_faces
from training.datasets.cleaning import clean_training
from training.datasets.fer2013 import FaceSet


def _sets(train: npt.NDArray[np.uint8], labels: list[int], not_a_face: list[float] | None = None) -> dict[str, FaceSet]:
    validation, test = (FaceSet(*pattern_faces(1, seed)) for seed in (1, 2))
    absent = None if not_a_face is None else np.array(not_a_face, np.float32)
    votes = None if not_a_face is None else np.full((len(labels), 7), 1 / 7, np.float32)
    return {"train": FaceSet(train, np.array(labels), votes, absent), "validation": validation, "test": test}


def test_clean_faces_are_all_kept_in_order() -> None:
    images, labels = pattern_faces(2, 0)
    faces, targets, report = clean_training(_sets(images, labels.tolist()))
    np.testing.assert_array_equal(faces.images, images)
    np.testing.assert_array_equal(targets, np.eye(7)[labels])
    assert report.as_dict() == {"read": 14, "leaked": 0, "blank": 0, "not_a_face": 0, "doubles": 0, "kept": 14}


def test_each_rule_takes_its_own() -> None:
    images = pattern_faces(2, 0)[0]
    images[1] = pattern_faces(1, 1)[0][3]  # of validation
    images[2] = pattern_faces(1, 2)[0][5]  # of test
    images[4] = 77  # blank
    images[6] = images[0]  # a double with another label
    images[7] = images[0]  # and one with the same
    images[9] = images[8]
    labels = [3, 1, 2, 0, 0, 0, 5, 3, 6, 6, 1, 2, 3, 4]
    absent = [0.0] * 14
    absent[1] = absent[4] = 1.0  # leaked, blank: each is counted once
    absent[10], absent[11] = 0.5, 0.4
    faces, targets, report = clean_training(_sets(images, labels, absent))
    assert report.as_dict() == {"read": 14, "leaked": 2, "blank": 1, "not_a_face": 1, "doubles": 3, "kept": 7}
    kept = [0, 3, 5, 8, 11, 12, 13]
    np.testing.assert_array_equal(faces.images, images[kept])
    assert faces.votes is not None
    assert len(faces.votes) == 7
    expected = np.eye(7, dtype=np.float32)[[labels[index] for index in kept]]
    expected[0] = [0, 0, 0, 2 / 3, 0, 1 / 3, 0]
    np.testing.assert_allclose(targets, expected, atol=1e-6)
    assert targets.dtype == np.float32


def test_held_out_faces_stay_as_they_are() -> None:
    images, labels = pattern_faces(1, 0)
    sets = _sets(images, labels.tolist())
    before = {name: faces.images.copy() for name, faces in sets.items()}
    clean_training(sets)
    for name, faces in sets.items():
        np.testing.assert_array_equal(faces.images, before[name])


@pytest.mark.data
@pytest.mark.timeout(1800)
def test_the_real_faces(real_faces: dict[str, FaceSet]) -> None:
    keys = {name: [image.tobytes() for image in faces.images] for name, faces in real_faces.items()}
    training = set(keys["train"])
    assert sum(key in training for key in keys["validation"]) == 280
    assert sum(key in training for key in keys["test"]) == 288
    faces, targets, report = clean_training(real_faces)
    cleaned = [image.tobytes() for image in faces.images]
    assert not set(cleaned) & {*keys["validation"], *keys["test"]}
    assert len(set(cleaned)) == len(cleaned) == len(targets) == report.kept
    flat = faces.images.reshape(len(faces), -1)
    assert (flat.min(axis=1) < flat.max(axis=1)).all()
    np.testing.assert_allclose(targets.sum(axis=1), 1, atol=1e-5)
    # All blank training images stand in validation too, pixel by pixel, and go with the leaks.
    assert report.as_dict() == {
        "read": 28709,
        "leaked": 703,
        "blank": 0,
        "not_a_face": 139,
        "doubles": 1064,
        "kept": 26803,
    }
