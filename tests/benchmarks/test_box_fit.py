from __future__ import annotations

import numpy as np
import pytest

from benchmarks.box_fit import BoxFit, fit_boxes
from training.evaluation.detection import Found, Marked

NO_BOXES = np.zeros((0, 4), np.float32)


def marked(*boxes: tuple[float, ...], width: int = 320) -> Marked:
    return Marked(width, np.array(boxes, np.float32).reshape(-1, 4), NO_BOXES)


def found(*boxes: tuple[float, ...]) -> Found:
    return Found(np.array(boxes, np.float32).reshape(-1, 4), np.ones(len(boxes), np.float32))


def test_the_change_of_one_convention_into_another_is_found() -> None:
    truth = [marked((40, 30, 40, 50), (200, 100, 80, 100)), marked((100, 60, 60, 75)), marked()]
    # Half as wide again about the middle; as high, but a tenth of its own height too low.
    answers = [found((30, 35, 60, 50), (180, 110, 120, 100)), found((85, 67.5, 90, 75)), found()]
    fit = fit_boxes(truth, answers)
    assert (fit.x, fit.y) == pytest.approx((0.0, -0.1), abs=1e-6)
    assert (fit.width, fit.height) == pytest.approx((2 / 3, 1.0))
    for each, answer in zip(truth, answers, strict=True):
        np.testing.assert_allclose(fit.apply(answer).boxes, each.boxes, atol=1e-4)


def test_a_stray_box_does_not_change_the_fit() -> None:
    truth = [marked((40, 30, 40, 40))] * 9 + [marked((40, 30, 40, 40))]
    answers = [found((40, 30, 40, 40), (250, 150, 20, 20))] * 9 + [found((45, 30, 60, 40))]
    assert fit_boxes(truth, answers) == BoxFit()


def test_nothing_found_fits_nothing() -> None:
    assert fit_boxes([marked((40, 30, 40, 40)), marked()], [found(), found((1, 1, 9, 9))]) == BoxFit()
    # Faces too small to say how a detector draws them.
    assert fit_boxes([marked((40, 30, 8, 8))], [found((39, 29, 10, 10))]) == BoxFit()
