"""What the face detector is trained to make small."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import ops

from training.datasets.cell_targets import LANDMARKS_KNOWN, NUMBERS, STATE
from training.recipe_parts import DetectorTargets

LANDMARK_TURN = 0.05
"""Where the landmarks' error turns from square to linear, as a part of the face's size."""


def detector_loss(options: DetectorTargets, unit: float) -> Callable[[Any, Any], Any]:
    """The loss for targets (n, cells, 16), see `cell_targets`, and answers (n, cells, 15).

    The face logit learns how well its own box fits (quality focal loss, Li et al. 2020), the box by 1 - IoU and the
    distance of the middles (DIoU, Zheng et al. 2020), the landmarks by a Huber loss relative to the face. Written in
    keras.ops, so that float training and the fine-tuning in tf_keras share it on TensorFlow.
    """

    def loss(targets: Any, answers: Any) -> Any:
        state = targets[..., STATE]
        is_face = ops.cast(state > 0.5, answers.dtype)
        counted = ops.cast(state > -0.5, answers.dtype)
        faces = ops.maximum(ops.sum(is_face), 1.0)

        wanted = targets[..., NUMBERS] * unit
        found = answers[..., 1:] * unit
        overlap, apart = _fit(wanted, found)
        quality = ops.stop_gradient(ops.maximum(overlap, 0.0)) * is_face

        logit = answers[..., 0]
        # ops.binary_crossentropy would clip; this form is stable (log1p of an exponential that cannot overflow).
        entropy = ops.relu(logit) - logit * quality + ops.log(1.0 + ops.exp(-ops.abs(logit)))
        focus = ops.square(ops.sigmoid(logit) - quality)
        naming = ops.sum(entropy * focus * counted)

        placing = ops.sum((1.0 - overlap + apart) * is_face)

        size = ops.exp(0.5 * (wanted[..., 2] + wanted[..., 3]))[..., None]
        error = ops.abs(wanted[..., 4:] - found[..., 4:]) / size
        huber = ops.where(error < LANDMARK_TURN, 0.5 * ops.square(error) / LANDMARK_TURN, error - 0.5 * LANDMARK_TURN)
        marking = ops.sum(ops.mean(huber, axis=-1) * targets[..., LANDMARKS_KNOWN] * is_face)

        return (naming + options.box_weight * placing + options.landmark_weight * marking) / faces

    return loss


def _fit(wanted: Any, found: Any) -> tuple[Any, Any]:
    """Intersection over union, and the squared distance of the middles relative to the hull's diagonal; (n, cells)."""
    low, high = _corners(wanted)
    low_found, high_found = _corners(found)
    shared = ops.prod(ops.relu(ops.minimum(high, high_found) - ops.maximum(low, low_found)), axis=-1)
    area, area_found = ops.prod(high - low, axis=-1), ops.prod(high_found - low_found, axis=-1)
    hull = ops.maximum(high, high_found) - ops.minimum(low, low_found)
    apart = ops.sum(ops.square(wanted[..., :2] - found[..., :2]), axis=-1)
    return shared / (area + area_found - shared + 1e-6), apart / (ops.sum(ops.square(hull), axis=-1) + 1e-6)


def _corners(numbers: Any) -> tuple[Any, Any]:
    half = 0.5 * ops.exp(ops.clip(numbers[..., 2:4], -4.0, 4.0))
    return numbers[..., :2] - half, numbers[..., :2] + half
