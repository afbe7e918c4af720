"""Pictures for the tests of the schedule: a room with sensor noise, and textured patches that move through it."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from edge.observation import Image

HEIGHT, WIDTH = 480, 640


def texture(height: int, width: int, *, grain: int, seed: int) -> Image:
    """Smooth random grey, BGR, from 40 to 200, whose spots are about `grain` pixels wide."""
    coarse = np.random.default_rng(seed).integers(40, 200, (height // grain + 2, width // grain + 2, 1), dtype=np.uint8)
    picture: Image = cv2.resize(np.repeat(coarse, 3, axis=2), (width, height), interpolation=cv2.INTER_CUBIC)
    return picture


def room() -> Image:
    return texture(HEIGHT, WIDTH, grain=80, seed=1)


def with_noise(image: Image, sigma: float, index: int) -> Image:
    """The picture as frame `index` of a sensor with Gaussian noise, grey levels; eleven frames long, then again."""
    noisy: Image = cv2.add(image, _noise(image.shape[:2], sigma, index % 11), dtype=cv2.CV_8U)
    return noisy


@cache
def _noise(shape: tuple[int, ...], sigma: float, seed: int) -> npt.NDArray[np.int16]:
    noise = np.random.default_rng((2, seed)).normal(0, sigma, shape)
    return np.repeat(np.rint(noise).astype(np.int16)[:, :, None], 3, axis=2)


def with_patch(image: Image, patch: Image, x: float, y: float) -> Image:
    """The picture with a patch whose top left corner is at a place between the pixels."""
    canvas: Image = image.copy()
    matrix = np.array([[1, 0, x], [0, 1, y]], np.float64)
    cv2.warpAffine(patch, matrix, image.shape[1::-1], dst=canvas, borderMode=cv2.BORDER_TRANSPARENT)
    return canvas


def in_light(image: Image, gain: float, offset: float = 0.0) -> Image:
    lit: Image = np.clip(image * gain + offset, 0, 255).astype(np.uint8)
    return lit
