"""What a text emotion model's ratings are worth, on EmoBank's texts."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn")

from training.evaluation.text_ratings import measure_ratings


def test_figures_are_the_usual_ones() -> None:
    rng = np.random.default_rng(1)
    targets = (3 + 0.4 * rng.normal(size=(300, 2))).astype(np.float32)
    answers = (0.5 * targets + 1.5 + 0.2 * rng.normal(size=(300, 2))).astype(np.float32)
    found = measure_ratings(answers, targets, ("valence", "arousal"))
    for place, name in enumerate(("valence", "arousal")):
        x, y = answers[:, place], targets[:, place]
        pearson, error = found[name].pearson, found[name].mean_absolute_error
        assert pearson is not None
        assert pearson.value == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-5)
        assert error.value == pytest.approx(np.abs(x - y).mean(), abs=1e-6)
        # Fisher's z gives about the bootstrap's interval.
        spread = 1.96 / np.sqrt(297)
        usual = np.tanh(np.arctanh(pearson.value) + np.array([-spread, spread]))
        assert pearson.interval == pytest.approx(usual, abs=0.03)
        assert error.interval[0] < error.value < error.interval[1]


def test_a_constant_has_no_correlation() -> None:
    targets = np.array([[1.0], [2.0], [5.0]], np.float32)
    (found,) = measure_ratings(np.full_like(targets, 3), targets, ("valence",)).values()
    assert found.pearson is None
    assert found.mean_absolute_error.value == pytest.approx(5 / 3)
