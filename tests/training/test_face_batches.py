"""Batches are a function of seed, epoch and place; augmentation changes faces, mixup faces and targets."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from tests.training.conftest import pattern_faces
from training.datasets.face_batches import FaceBatches, as_input
from training.recipe_parts import Augmentation

OFF = Augmentation(
    flip=False,
    rotation_degrees=0,
    scale=0,
    stretch=0,
    shift_pixels=0,
    contrast=0,
    brightness=0,
    gamma=0,
    blur_probability=0,
    noise_probability=0,
    cutout_probability=0,
    mixup_probability=0,
)
NOT_MIXED = Augmentation(mixup_probability=0)
COUNT = 42


def _batches(augmentation: Augmentation, *, size: int = 8, seed: int = 3, epoch: int = 0) -> FaceBatches:
    """Face i's target tells its number: (1 - i/100, i/100, 0, ...)."""
    targets = np.zeros((COUNT, 7), np.float32)
    targets[:, 1] = np.arange(COUNT) / 100
    targets[:, 0] = 1 - targets[:, 1]
    batches = FaceBatches(pattern_faces(6, 0)[0], targets, augmentation, batch_size=size, seed=seed)
    batches.epoch = epoch
    return batches


def _numbers(targets: npt.NDArray[np.float32]) -> list[int]:
    return [round(number) for number in (targets[:, 1] * 100).tolist()]


@pytest.mark.parametrize("augmentation", [Augmentation(), NOT_MIXED, OFF], ids=["all", "not mixed", "off"])
def test_the_same_place_gives_the_same_batch(augmentation: Augmentation) -> None:
    first, second = _batches(augmentation, epoch=4), _batches(augmentation, epoch=4)
    second[1]  # what was asked for before has no influence
    for index in (3, 0):
        for one, other in zip(first[index], second[index], strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("change", [{"epoch": 5}, {"seed": 4}])
def test_another_epoch_or_seed_gives_other_batches(change: dict[str, int]) -> None:
    faces, targets = _batches(NOT_MIXED, epoch=4)[0]
    other_faces, other_targets = _batches(NOT_MIXED, **{"epoch": 4, **change})[0]
    assert _numbers(targets) != _numbers(other_targets)
    # The same face is not augmented in the same way either.
    both = set(_numbers(targets)) & set(_numbers(other_targets))
    for number in both:
        face, other = faces[_numbers(targets).index(number)], other_faces[_numbers(other_targets).index(number)]
        assert not np.array_equal(face, other)


def test_each_face_at_most_once_an_epoch() -> None:
    batches = _batches(NOT_MIXED)
    assert len(batches) == 5
    seen = [number for index in range(5) for number in _numbers(batches[index][1])]
    assert len(seen) == len(set(seen)) == 40
    # What is left over in one epoch comes in another.
    for epoch in range(1, 5):
        batches.epoch = epoch
        seen += [number for index in range(5) for number in _numbers(batches[index][1])]
    assert set(seen) == set(range(COUNT))


def test_without_augmentation_the_pixels_are_those_of_the_file() -> None:
    images = pattern_faces(6, 0)[0]
    images[0] = np.arange(256, dtype=np.uint8).repeat(9).reshape(48, 48)  # each grey value
    batches = FaceBatches(images, np.eye(COUNT, 7, dtype=np.float32), OFF, batch_size=COUNT, seed=3)
    faces = batches[0][0]
    order = {face.tobytes() for face in np.rint(faces[..., 0] * 255).astype(np.uint8)}
    assert order == {image.tobytes() for image in images}
    numbers = _batches(OFF, size=COUNT)[0]
    np.testing.assert_array_equal(numbers[0], as_input(pattern_faces(6, 0)[0][_numbers(numbers[1])]))


def test_an_epoch_is_a_sequence_that_ends() -> None:
    batches = _batches(OFF)
    assert [len(batches[index][0]) for index in range(len(batches))] == [8] * 5
    for index in (5, -1):
        with pytest.raises(IndexError):
            batches[index]
    assert len(_batches(OFF, size=43)) == 0


STRONG = Augmentation(
    rotation_degrees=45,
    scale=1,
    stretch=1,
    shift_pixels=16,
    contrast=1,
    brightness=1,
    gamma=2,
    blur_probability=1,
    noise_probability=1,
    cutout_probability=1,
    cutout_pixels=40,
    mixup_probability=1,
    mixup_alpha=1,
)


@pytest.mark.parametrize("augmentation", [Augmentation(), STRONG], ids=["default", "strong"])
def test_faces_and_targets_stay_in_their_ranges(augmentation: Augmentation) -> None:
    for faces, targets in (_batches(augmentation, size=21)[index] for index in range(2)):
        assert faces.shape == (21, 48, 48, 1)
        assert faces.dtype == targets.dtype == np.float32
        assert faces.min() >= 0
        assert faces.max() <= 1
        assert faces.std() > 0.01
        np.testing.assert_allclose(targets.sum(axis=1), 1, atol=1e-6)
        assert targets.min() >= 0


def test_mixup_mixes_faces_as_it_mixes_targets() -> None:
    """With faces of one grey value each, which is the number in the target, both must tell the same mixture."""
    images = np.repeat(np.arange(COUNT, dtype=np.uint8), 48 * 48).reshape(-1, 48, 48)
    targets = np.column_stack([1 - np.arange(COUNT) / 255, np.arange(COUNT) / 255]).astype(np.float32)
    mixup = OFF.model_copy(update={"mixup_probability": 0.5, "mixup_alpha": 1.0})
    faces, mixed = FaceBatches(images, targets, mixup, batch_size=COUNT, seed=1)[0]
    np.testing.assert_allclose(faces.mean(axis=(1, 2, 3)), mixed[:, 1], atol=1e-6)
    whole = np.abs(mixed[:, 1] * 255 - np.rint(mixed[:, 1] * 255)) < 1e-3
    assert 10 < whole.sum() < 32, "half of the batch is mixed"


@pytest.mark.parametrize(
    ("option", "bound"),
    [
        ({"flip": True}, None),
        ({"rotation_degrees": 20}, None),
        ({"scale": 0.3}, None),
        ({"stretch": 0.3}, None),
        ({"shift_pixels": 6}, None),
        ({"contrast": 0.5}, None),
        ({"brightness": 0.3}, 0.3),
        ({"gamma": 0.5}, None),
        ({"blur_probability": 1}, None),
        ({"noise_probability": 1}, None),
        ({"cutout_probability": 1}, None),
    ],
)
def test_each_option_does_something(option: dict[str, float], bound: float | None) -> None:
    faces, targets = _batches(OFF.model_copy(update=option), size=COUNT)[0]
    plain = as_input(pattern_faces(6, 0)[0][_numbers(targets)])
    change = np.abs(faces - plain).reshape(COUNT, -1)
    assert (change.max(axis=1) > 1 / 255).mean() > 0.3
    if bound is not None:
        assert change.max() <= bound + 1 / 255


def test_a_mirrored_face_is_mirrored() -> None:
    faces, targets = _batches(OFF.model_copy(update={"flip": True}), size=COUNT)[0]
    plain = as_input(pattern_faces(6, 0)[0][_numbers(targets)])
    same = (faces == plain).all(axis=(1, 2, 3))
    mirrored = (np.abs(faces - plain[:, :, ::-1]) <= 1.01 / 255).all(axis=(1, 2, 3))
    assert (same ^ mirrored).all()
    assert 10 < mirrored.sum() < 32


def test_the_calm_epochs_do_without_mixup_and_cutout() -> None:
    options = OFF.model_copy(update={"mixup_probability": 1.0, "cutout_probability": 1.0})
    for epoch, calm in ((1, False), (2, True), (3, True)):
        images = pattern_faces(6, 0)[0]
        batches = FaceBatches(images, np.eye(COUNT, 7, dtype=np.float32), options, batch_size=8, seed=3, calm_from=2)
        batches.epoch = epoch
        written = {image.tobytes() for image in images}
        found = np.rint(batches[0][0][..., 0] * 255).astype(np.uint8)
        assert all(face.tobytes() in written for face in found) == calm
