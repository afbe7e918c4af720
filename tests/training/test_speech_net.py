"""The speech network: its parts, its size, and how another run's weights are begun with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("tensorflow")
pytest.importorskip("keras")

import keras

from converter import cost
from edge.errors import DataError
from edge.features.logmel import LogMelSettings
from training.architectures.speech_net import SpeechNet, build_speech_net
from training.recipe import SpeechRecipe, read_recipe, recipe_names
from training.recipe_parts import SpeechNetwork
from training.speech import begin_with

pytestmark = pytest.mark.tensorflow

SETTINGS = LogMelSettings()
SMALL: dict[str, Any] = {"channels": (8, 8, 16, 16), "embedding": 16, "lstm": 8, "windows": 2}


def build(classes: int = 5, **changes: Any) -> SpeechNet:
    """A small network whose batch norms have seen something, so that they do something."""
    keras.utils.set_random_seed(4)
    net = build_speech_net(SpeechNetwork(**SMALL | changes), SETTINGS, classes=classes)
    rng = np.random.default_rng(0)
    for layer in net.encoder.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights(
                [gamma * 1.5, beta + 0.3, rng.normal(0, 0.2, mean.shape), variance * rng.uniform(0.5, 2, mean.shape)]
            )
    return net


def answer(model: keras.Model, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    result: npt.NDArray[np.float32] = keras.ops.convert_to_numpy(model(x, training=False))
    return result


def some_windows(count: int = 4, windows: int = 2) -> npt.NDArray[np.float32]:
    return np.random.default_rng(1).normal(size=(count, windows, 64, 64)).astype(np.float32)


def test_encoder_and_head_are_the_full_model() -> None:
    """What lets a device run the encoder once for each new window, with the same answer."""
    net, x = build(), some_windows()
    full = answer(net.full, x)
    assert full.shape == (4, 5)
    assert full.min() < 0, "logits"
    embeddings = np.stack([answer(net.encoder, x[:, window, :, :, None]) for window in range(2)], axis=1)
    assert embeddings.shape == (4, 2, 16)
    assert embeddings.min() >= 0
    assert answer(net.head, embeddings) == pytest.approx(full, abs=1e-5)
    # An embedding says nothing of the other windows, and the last answer depends on all and on their order.
    changed = x.copy()
    changed[:, 0] = 0
    assert not np.allclose(answer(net.full, changed), full, atol=1e-4)
    assert not np.allclose(answer(net.full, x[:, ::-1]), full, atol=1e-4)


def test_the_parts_share_their_weights_with_the_whole() -> None:
    net, x = build(), some_windows(1)
    before = answer(net.full, x)
    for part in (net.encoder, net.head):
        part.set_weights([weight * 1.3 for weight in part.get_weights()])
        after = answer(net.full, x)
        assert not np.allclose(before, after, atol=1e-4)
        before = after
    assert net.full.count_params() == net.encoder.count_params() + net.head.count_params()


def test_it_is_read_back_from_a_file(tmp_path: Path) -> None:
    net, x = build(), some_windows()
    net.full.save(tmp_path / "speech.keras")
    again = keras.models.load_model(tmp_path / "speech.keras", compile=False)
    assert answer(again, x) == pytest.approx(answer(net.full, x), abs=1e-6)


def test_a_seed_fixes_the_weights() -> None:
    for one, other in zip(build().full.get_weights(), build().full.get_weights(), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("bands", [40, 64, 80])
def test_other_spectrograms(bands: int) -> None:
    net = build_speech_net(SpeechNetwork(**SMALL), LogMelSettings(bands=bands), classes=3)
    assert net.full.input_shape == (None, 2, 64, bands)
    assert net.full.output_shape == (None, 3)


def test_the_networks_of_all_recipes_are_small_enough() -> None:
    """At most 0.5 M parameters, which int8 holds in 600 KB with its tables."""
    checked = 0
    for name in recipe_names():
        recipe = read_recipe(name)
        if not isinstance(recipe, SpeechRecipe):
            continue
        checked += 1
        settings = LogMelSettings(bands=recipe.features.bands)
        net = build_speech_net(recipe.network, settings, classes=len(recipe.data.labels))
        assert 20_000 < cost.parameters(net.full) <= 500_000
        assert cost.multiply_adds(net.encoder) <= 20_000_000
        assert cost.multiply_adds(net.head) < cost.multiply_adds(net.encoder)
    assert checked


# Beginning with another run's weights


def test_beginning_with_other_labels(tmp_path: Path) -> None:
    first = build(classes=7)
    first.full.save(tmp_path / "first.keras")
    net = build(classes=3)
    net.full.set_weights([weight + 1 for weight in net.full.get_weights()])
    own = net.head.get_layer("logits").get_weights()
    begin_with(net, tmp_path / "first.keras")
    for one, other in zip(net.encoder.get_weights(), first.encoder.get_weights(), strict=True):
        assert np.array_equal(one, other)
    for name in ("lstm1", "lstm2"):
        theirs = first.head.get_layer(name).get_weights()
        for one, other in zip(net.head.get_layer(name).get_weights(), theirs, strict=True):
            assert np.array_equal(one, other)
    for one, other in zip(net.head.get_layer("logits").get_weights(), own, strict=True):
        assert np.array_equal(one, other), "other labels keep what they had"


def test_beginning_with_the_same_labels_takes_them_all(tmp_path: Path) -> None:
    first, net = build(), build()
    first.full.set_weights([weight + 1 for weight in first.full.get_weights()])
    first.full.save(tmp_path / "first.keras")
    begin_with(net, tmp_path / "first.keras")
    for one, other in zip(net.full.get_weights(), first.full.get_weights(), strict=True):
        assert np.array_equal(one, other)


def test_what_cannot_be_begun_with(tmp_path: Path) -> None:
    net = build()
    with pytest.raises(DataError, match=r"gone\.keras: no such model.*affect-edge train gone --data DIR"):
        begin_with(net, tmp_path / "gone.keras")
    (tmp_path / "cut.keras").write_bytes(b"PK nonsense")
    with pytest.raises(DataError, match=r"cut\.keras: cannot be begun with"):
        begin_with(net, tmp_path / "cut.keras")
    build(embedding=24).full.save(tmp_path / "wide.keras")
    with pytest.raises(DataError, match=r"wide\.keras: its layer '.*' has another shape"):
        begin_with(net, tmp_path / "wide.keras")
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save(tmp_path / "other.keras")
    with pytest.raises(DataError, match=r"other\.keras: cannot be begun with"):
        begin_with(net, tmp_path / "other.keras")
