"""The float model of a run that was stopped comes back from its checkpoint, for each kind of recipe."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.errors import DataError

if importlib.util.find_spec("tensorflow") is None or importlib.util.find_spec("sklearn") is None:
    pytest.skip("needs affect-edge[train]", allow_module_level=True)
pytestmark = pytest.mark.tensorflow

import keras  # noqa: E402

from edge.features.token_ids import TextSettings  # noqa: E402
from training.architectures.expression_net import build_expression_net  # noqa: E402
from training.architectures.face_detector import build_face_detector  # noqa: E402
from training.architectures.speech_net import build_speech_net  # noqa: E402
from training.architectures.text_net import build_text_net  # noqa: E402
from training.checkpoint_model import load_checkpoint  # noqa: E402
from training.fit import Progress, _save  # noqa: E402
from training.recipe import DetectorRecipe, ExpressionRecipe, SpeechRecipe, TextRecipe, read_recipe  # noqa: E402
from training.speech import settings_of  # noqa: E402


def write(path: Path, model: keras.Model, recipe: Any, *, best_score: float = 0.5) -> None:
    """As `fit` does, after an epoch whose weights were the best but are not those of the moment."""
    optimizer = keras.optimizers.SGD()
    optimizer.build(model.trainable_variables)
    best = [np.asarray(weight) + np.float32(0.01) for weight in model.get_weights()]
    notes = recipe.model_dump(mode="json", exclude={"further", "quantization", "version"})
    _save(path, model, optimizer, Progress(notes, epoch=1, best=best, best_score=best_score, best_epoch=1))
    model.set_weights(best)


def networks() -> dict[str, tuple[Any, keras.Model]]:
    expression, detector, speech, text = (read_recipe(name) for name in ("expression", "face_near", "speech", "text"))
    assert isinstance(expression, ExpressionRecipe) and isinstance(detector, DetectorRecipe)
    assert isinstance(speech, SpeechRecipe) and isinstance(text, TextRecipe)
    options, features = detector.network, text.features
    settings = TextSettings(
        length=features.length, words=("a", "b", "c"), buckets=features.buckets, pieces=features.pieces
    )
    return {
        "expression": (expression, build_expression_net(classes=7, width=expression.network.width, dropout=0.1)),
        "face_near": (
            detector,
            build_face_detector(
                height=options.height, width=options.width, channels=options.channels, head=options.head
            ),
        ),
        "speech": (speech, build_speech_net(speech.network, settings_of(speech.features), classes=5).full),
        "text": (text, build_text_net(text.network, settings, outputs=9)),
    }


def test_each_kind(tmp_path: Path) -> None:
    for name, (recipe, model) in networks().items():
        (tmp_path / name).mkdir()
        write(tmp_path / name / "checkpoint.npz", model, recipe)
        for path in (tmp_path / name, tmp_path / name / "checkpoint.npz"):
            found = load_checkpoint(path)
            assert found.output_shape == model.output_shape
            for ours, theirs in zip(found.get_weights(), model.get_weights(), strict=True):
                np.testing.assert_array_equal(ours, theirs)


def test_the_round_that_the_run_would_keep(tmp_path: Path) -> None:
    """The best one of an expression run."""
    recipe = read_recipe("expression")
    assert isinstance(recipe, ExpressionRecipe)
    first, second = (build_expression_net(classes=7, width=recipe.network.width, dropout=0.1) for _ in range(2))
    write(tmp_path / "checkpoint.npz", first, recipe, best_score=0.6)
    write(tmp_path / "checkpoint_2.npz", second, recipe, best_score=0.5)
    np.testing.assert_array_equal(load_checkpoint(tmp_path).get_weights()[0], first.get_weights()[0])
    write(tmp_path / "checkpoint_2.npz", second, recipe, best_score=0.7)
    np.testing.assert_array_equal(load_checkpoint(tmp_path).get_weights()[0], second.get_weights()[0])


def test_what_is_no_checkpoint_is_told(tmp_path: Path) -> None:
    recipe = read_recipe("expression")
    assert isinstance(recipe, ExpressionRecipe)
    model = build_expression_net(classes=7, width=recipe.network.width, dropout=0.1)
    path = tmp_path / "checkpoint.npz"
    with pytest.raises(DataError, match=r"no checkpoint\.npz in it"):
        load_checkpoint(tmp_path)
    with pytest.raises(DataError, match="no such checkpoint"):
        load_checkpoint(path)
    np.savez(path, x=np.zeros(3))
    with pytest.raises(DataError, match="not a checkpoint of"):
        load_checkpoint(path)
    write(path, model, recipe)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"not a checkpoint of.*damaged"):
        load_checkpoint(path)
    wide = recipe.model_copy(update={"network": recipe.network.model_copy(update={"width": 2.0})})
    write(path, model, wide)
    with pytest.raises(DataError, match="built otherwise today"):
        load_checkpoint(path)
