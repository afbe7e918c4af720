"""What light, lens and sensor do to a picture."""

from __future__ import annotations

import math

import cv2
import numpy as np

from edge.observation import Image
from training.recipe_parts import SceneAugmentation


def change_light(image: Image, options: SceneAugmentation, rng: np.random.Generator) -> Image:
    """Blur, shade, dim, compress and add noise at random; a grey picture in, a new one out."""
    if rng.random() < options.blur:
        is_still = rng.random() < 0.7
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1.4)) if is_still else _shake(image, rng)
    if rng.random() < options.coarse:
        # Enlarged from fewer pixels, as a digital zoom does.
        part = rng.uniform(0.4, 0.8)
        small = cv2.resize(image, None, fx=part, fy=part, interpolation=cv2.INTER_AREA)
        image = cv2.resize(small, image.shape[::-1], interpolation=cv2.INTER_LINEAR)
    level = np.arange(256, dtype=np.float32) / 255
    level = level ** math.exp(rng.uniform(-options.gamma, options.gamma))
    level = (level - 0.5) * rng.uniform(1 - options.contrast, 1 + options.contrast) + 0.5
    level += rng.uniform(-options.brightness, options.brightness)
    is_dark = rng.random() < options.low_light
    if is_dark:
        level = np.clip(level, 0, 1) * rng.uniform(0.08, 0.4)
    image = cv2.LUT(image, np.clip(level * 255, 0, 255).astype(np.uint8))
    if rng.random() < options.shade:
        image = _shade(image, rng)
    if is_dark or rng.random() < options.noise:
        noise = rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(1, 9))
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    if rng.random() < options.jpeg:
        _, content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 80))])
        image = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE)
    return image


def _shake(image: Image, rng: np.random.Generator) -> Image:
    """Blur along a line, as a moving camera does."""
    length = int(rng.integers(2, 6))
    kernel = np.zeros((2 * length + 1,) * 2, np.float32)
    angle = rng.uniform(0, math.pi)
    reach = length * np.array([math.cos(angle), math.sin(angle)])
    start, end = (tuple(round(v) for v in length + sign * reach / 2) for sign in (-1, 1))
    cv2.line(kernel, start, end, 1.0)
    result: Image = cv2.filter2D(image, -1, kernel / kernel.sum())
    return result


def _shade(image: Image, rng: np.random.Generator) -> Image:
    """Light from one side."""
    height, width = image.shape
    angle = rng.uniform(0, 2 * math.pi)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    across = (x / width - 0.5) * math.cos(angle) + (y / height - 0.5) * math.sin(angle)
    factor = np.exp(rng.uniform(0.4, 1.6) * across)
    shaded: Image = np.clip(image * factor, 0, 255).astype(np.uint8)
    return shaded
