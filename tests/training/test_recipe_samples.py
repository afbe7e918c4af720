"""What recipes give a conversion: the input of their models, from training parts and from those that choose."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow_model_optimization")

from edge.errors import ConfigError, DataError
from edge.features.token_ids import PADDING
from tests.training.conftest import write_table
from tests.training.photo_folder import write_photos
from tests.training.speech_corpus import RECIPE, write_corpora
from tests.training.text_data import write_goemotions
from training.datasets.fer2013 import LABELS, read_faces
from training.quantize_speech import INPUT_RANGE
from training.recipe_samples import samples

pytestmark = pytest.mark.tensorflow

WINDOWS = 2
"""Of the tiny speech recipe."""


def test_faces_come_from_the_training_part_and_their_validation_from_its_own(tmp_path: Path) -> None:
    data = write_table(tmp_path / "fer", {"Training": 6, "PublicTest": 2, "PrivateTest": 1})
    raw = samples("expression", data, 20, 0, (48, 48, 1))
    faces = read_faces(data)
    assert raw.x.dtype == np.uint8
    assert raw.x.shape == (20, 48, 48)
    assert raw.labels == LABELS
    known = {image.tobytes(): label for image, label in zip(faces["train"].images, faces["train"].labels, strict=True)}
    assert raw.y is not None
    assert [known[image.tobytes()] for image in raw.x] == raw.y.argmax(axis=1).tolist()
    assert raw.x_validation is not None
    assert np.array_equal(raw.x_validation, faces["validation"].images)
    assert np.array_equal(raw.x, samples("expression", data, 20, 0, (48, 48, 1)).x)
    assert not np.array_equal(raw.x, samples("expression", data, 20, 1, (48, 48, 1)).x)


def test_speech_gives_recordings_or_their_windows(tmp_path: Path) -> None:
    pytest.importorskip("soundfile")
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(RECIPE)
    data = write_corpora(tmp_path / "data")
    single = samples(str(recipe), data, 8, 0, (1,))
    frames, bands = single.x.shape[1:3]
    whole = samples(str(recipe), data, 8, 0, (WINDOWS, frames, bands))
    assert whole.y is not None
    assert whole.x.shape == (len(whole.y), WINDOWS, frames, bands) == (8, WINDOWS, frames, bands)
    assert whole.input_range == INPUT_RANGE
    assert whole.x.min() >= INPUT_RANGE[0]
    assert whole.x.max() <= INPUT_RANGE[1]
    assert single.y is None
    assert single.x.shape == (8, frames, bands, 1)
    assert np.array_equal(single.x[:WINDOWS, ..., 0], whole.x[0])
    assert single.x_validation is not None


def test_texts_are_numbered_and_may_have_several_labels(tmp_path: Path) -> None:
    raw = samples("text", write_goemotions(tmp_path), None, 0, (1, 1))
    assert raw.x.dtype == np.int32
    assert (raw.x != PADDING).any()
    assert raw.y is not None
    assert raw.y.sum(axis=1).tolist() == [1, 2, 1]
    assert raw.x_validation is not None
    assert len(raw.x_validation) == 2


def test_photographs_become_scenes(tmp_path: Path) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(
        'name = "tiny"\ntask = "face-detection"\n[data]\nvalidation_sources = ["b"]\ntest_sources = ["c"]\n'
        "[schedule]\nbatch_size = 4\nsteps_per_epoch = 3\n"
    )
    write_photos(tmp_path / "photos", {"a": (6, 2), "b": (1, 1), "c": (1, 1)})
    raw = samples(str(recipe), tmp_path / "photos", 6, 0, (1,))
    assert len(raw.x) == 6
    assert raw.x.shape[3] == 1
    assert 0 <= raw.x.min() < raw.x.max() <= 1
    assert raw.y is None


def test_what_there_is_not_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no recipe 'none'"):
        samples("none", tmp_path, 8, 0, (1,))
    with pytest.raises(DataError, match=r"give its samples as an \.npz"):
        samples("traits", tmp_path, 8, 0, (1,))
