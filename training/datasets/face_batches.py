"""Augmented batches of faces: the same for the same seed, epoch and place, so that a resumed run is the same run."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from training.recipe_parts import Augmentation

Batch = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]


def as_input(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """(n, height, width) grey uint8 to a float model's input, (n, height, width, 1) float32 from 0 to 1."""
    return images[..., None].astype(np.float32) / 255.0


class FaceBatches:
    """One epoch's batches by index; `epoch` chooses which epoch.

    Parameters
    ----------
    images
        (n, 48, 48) uint8.
    targets
        (n, 7) float32 label distributions.
    augmentation
        What is done to the faces.
    batch_size
        Faces per batch; what is left over at the end of an epoch waits for another epoch's shuffle.
    seed
        Of the shuffle and the augmentation.
    calm_from
        From this epoch on, counted from 0, the augmentation is `Augmentation.calm`; None: never.
    """

    def __init__(
        self,
        images: npt.NDArray[np.uint8],
        targets: npt.NDArray[np.float32],
        augmentation: Augmentation,
        *,
        batch_size: int,
        seed: int,
        calm_from: int | None = None,
    ) -> None:
        self._images = images
        self._targets = targets
        self._augmentation = augmentation
        self._batch_size = batch_size
        self._seed = seed
        self._calm_from = calm_from
        self.epoch = 0

    def __len__(self) -> int:
        return len(self._images) // self._batch_size

    def __getitem__(self, index: int) -> Batch:
        if not 0 <= index < len(self):
            raise IndexError(index)
        order = np.random.default_rng((self._seed, self.epoch)).permutation(len(self._images))
        picked = order[index * self._batch_size : (index + 1) * self._batch_size]
        rng = np.random.default_rng((self._seed, self.epoch, index))
        calm = self._calm_from is not None and self.epoch >= self._calm_from
        options = self._augmentation.calm() if calm else self._augmentation
        faces = np.stack([_augment(image, options, rng) for image in self._images[picked]])
        return _mix(as_input(faces), self._targets[picked], options, rng)


def _augment(image: npt.NDArray[np.uint8], options: Augmentation, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    face: npt.NDArray[np.uint8] = cv2.warpAffine(
        image, _placement(image.shape[0], options, rng), image.shape[::-1], borderMode=cv2.BORDER_REFLECT_101
    )
    # Light: contrast about the middle grey, brightness and gamma in one look-up.
    level = np.arange(256, dtype=np.float32) / 255.0
    level = level ** np.exp(rng.uniform(-options.gamma, options.gamma))
    level = (level - 0.5) * rng.uniform(1 - options.contrast, 1 + options.contrast) + 0.5
    level += rng.uniform(-options.brightness, options.brightness)
    face = cv2.LUT(face, np.clip(level * 255.0, 0, 255).astype(np.uint8))
    if rng.random() < options.blur_probability:
        face = cv2.GaussianBlur(face, (0, 0), rng.uniform(0.4, 1.2))
    if rng.random() < options.noise_probability:
        noise = rng.normal(0, rng.uniform(2, 10), face.shape)
        face = np.clip(face + noise, 0, 255).astype(np.uint8)
    if rng.random() < options.cutout_probability:
        side = rng.integers(options.cutout_pixels // 2, options.cutout_pixels + 1, size=2)
        top, left = (int(rng.integers(0, image.shape[0] - part + 1)) for part in side)
        face[top : top + side[0], left : left + side[1]] = int(rng.integers(0, 256))
    return face


def _placement(size: int, options: Augmentation, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """A small turn, scale, stretch and shift about the middle, and in half of the cases a mirror image."""
    angle = math.radians(rng.uniform(-options.rotation_degrees, options.rotation_degrees))
    scale = math.exp(rng.uniform(-options.scale, options.scale))
    stretch = math.exp(rng.uniform(-options.stretch, options.stretch))
    across, down = scale * stretch, scale / stretch
    flip = -1.0 if options.flip and rng.random() < 0.5 else 1.0
    linear = np.array(
        [
            [flip * across * math.cos(angle), -down * math.sin(angle)],
            [flip * across * math.sin(angle), down * math.cos(angle)],
        ]
    )
    middle = np.full(2, (size - 1) / 2)
    shift = rng.uniform(-options.shift_pixels, options.shift_pixels, size=2)
    return np.column_stack([linear, middle + shift - linear @ middle])


def _mix(
    faces: npt.NDArray[np.float32],
    targets: npt.NDArray[np.float32],
    options: Augmentation,
    rng: np.random.Generator,
) -> Batch:
    """Mixup (Zhang et al. 2018) on a part of the batch."""
    if options.mixup_probability == 0:
        return faces, targets
    part = rng.beta(options.mixup_alpha, options.mixup_alpha, size=len(faces)).astype(np.float32)
    part[rng.random(len(faces)) >= options.mixup_probability] = 1.0
    other = rng.permutation(len(faces))
    face_part = part[:, None, None, None]
    return (
        face_part * faces + (1 - face_part) * faces[other],
        part[:, None] * targets + (1 - part[:, None]) * targets[other],
    )
