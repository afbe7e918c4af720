"""Calibration and validation data of every kind, and what is said of data that no model takes."""

from __future__ import annotations

import logging
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from converter import sources
from converter.data import LEAST_HELD_OUT, Data, Samples, read_data
from converter.subject import Subject
from edge.errors import DataError

SIDE, CLASSES = 8, 3
LABELS = ("zebra", "ant", "bee")


def model(
    shape: tuple[int, ...] = (SIDE, SIDE, 1), *, dtype: Any = np.float32, output: tuple[int, ...] = (CLASSES,)
) -> Subject:
    return Subject("small", None, None, None, shape, np.dtype(dtype), output)


def read(source: Path, subject: Subject | None = None, **options: Any) -> Data:
    return read_data(source, subject or model(), progress=False, **options)


def save(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "data.npz", **arrays)
    return folder / "data.npz"


def pixels(count: int, *, channels: tuple[int, ...] = (1,), seed: int = 0) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, SIDE, SIDE, *channels), dtype=np.uint8)


def test_without_validation_data_a_part_is_held_out(tmp_path: Path) -> None:
    x, y = pixels(120), np.arange(120) % CLASSES
    path = save(tmp_path, x=x, y=y)
    data = read(path)
    assert (len(data.calibration), len(data.validation)) == (108, 12)
    both = np.concatenate([data.calibration.x, data.validation.x])
    assert len({sample.tobytes() for sample in both}) == 120
    label_of = {sample.tobytes(): label for sample, label in zip(x, y, strict=True)}
    for part in (data.calibration, data.validation):
        assert part.y is not None
        stored = np.rint(part.x * 255).astype(np.uint8)
        assert [label_of[sample.tobytes()] for sample in stored] == part.y.tolist()
    assert np.array_equal(read(path).validation.x, data.validation.x)
    assert not np.array_equal(read(path, seed=1).validation.x, data.validation.x)
    assert data.input_range == (0.0, 1.0)


def test_a_small_set_holds_out_enough_to_judge_by(tmp_path: Path) -> None:
    assert len(read(save(tmp_path, x=pixels(2 * LEAST_HELD_OUT))).validation) == LEAST_HELD_OUT
    with pytest.raises(DataError, match=r"19 samples are too few.*x_validation"):
        read(save(tmp_path, x=pixels(2 * LEAST_HELD_OUT - 1)))


def test_validation_data_of_its_own_is_taken_as_it_is(tmp_path: Path) -> None:
    own = {"x_validation": pixels(2, seed=1), "y_validation": np.array([0, 2])}
    data = read(save(tmp_path, x=pixels(3), **own), input_range=(-1, 1))
    assert (len(data.calibration), len(data.validation)) == (3, 2)
    assert data.calibration.y is None
    assert data.validation.y is not None
    np.testing.assert_allclose(data.validation.x, own["x_validation"] / 127.5 - 1, atol=1e-6)
    assert data.input_range == (-1, 1)


def test_most_is_a_seeded_draw_in_the_sources_order(tmp_path: Path) -> None:
    x = np.arange(200, dtype=np.float32)[:, None]
    path = save(tmp_path, x=x)
    subject = model((1,))
    drawn = read(path, subject, most=40)
    both = np.concatenate([drawn.calibration.x, drawn.validation.x])[:, 0]
    assert len(set(both)) == 40
    assert max(both) > 40  # not simply the first ones
    assert np.array_equal(drawn.calibration.x, np.sort(drawn.calibration.x, axis=0))
    assert not np.array_equal(read(path, subject, most=40, seed=1).calibration.x, drawn.calibration.x)


def test_numbers_of_any_rank_have_their_own_range(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(0, 3, (40, 5, 2)).astype(np.float64)
    data = read(save(tmp_path, x=x), model((5, 2)))
    assert data.calibration.x.dtype == np.float32
    assert data.input_range is None
    assert read(save(tmp_path, x=x.clip(-4, 4)), model((5, 2)), input_range=(-4, 4)).input_range == (-4, 4)


def test_numbers_of_a_table_are_int32(tmp_path: Path) -> None:
    data = read(save(tmp_path, x=np.ones((30, 6), np.int64)), model((6, 1), dtype=np.int32))
    assert data.calibration.x.dtype == np.int32
    assert data.calibration.x.shape[1:] == (6, 1)
    for wrong, says in (
        (np.ones((30, 6), np.float32), "where the model takes whole numbers"),
        (np.full((30, 6), -1), "no numbers of a table's rows"),
        (np.full((30, 6), 2**40), "no numbers of a table's rows"),
    ):
        with pytest.raises(DataError, match=says):
            read(save(tmp_path, x=wrong), model((6, 1), dtype=np.int32))


REAL = np.zeros((4, SIDE, SIDE, 1), np.float32)


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"images": pixels(4)}, "no array 'x'.*images"),
        ({"x": pixels(4)[:, :5]}, r"x has shape \(4, 5, 8, 1\), where the model takes \(n, 8, 8, 1\)"),
        ({"x": np.float32(1)}, r"x has shape \(\)"),
        ({"x": pixels(0)}, "no samples"),
        ({"x": pixels(4).astype(np.int64)}, "dtype int64"),
        ({"x": np.array([["a"] * SIDE] * SIDE)[None, ..., None]}, "dtype <U1"),
        ({"x": np.array([None])}, "cannot be read: Object arrays"),
        ({"x": REAL + np.nan}, "NaN"),
        ({"x": REAL.astype(np.float64) + 1e300}, "NaN or infinite"),
        ({"x": REAL + 2}, "x goes from 2 to 2.*--pixel-range"),
        ({"x": pixels(4), "y": np.zeros(3, int)}, "y has shape"),
        ({"x": pixels(4), "y": np.zeros(4, np.float32)}, "y has shape"),
        ({"x": pixels(4), "y": np.full(4, CLASSES)}, "y goes from 3 to 3, where the model has the classes 0 to 2"),
        ({"x": pixels(4), "y": np.ones((4, CLASSES), np.float32)}, "add up to 1"),
        ({"x": pixels(4), "y": np.full((4, CLASSES), 2)}, "must be 0 and 1"),
        ({"x": pixels(4), "x_validation": REAL}, "x is uint8 and x_validation float32"),
        ({"x": pixels(4), "x_validation": pixels(0)}, "x_validation holds no samples"),
        ({"x": pixels(4), "y_validation": np.zeros(4, int)}, "y_validation without x_validation"),
    ],
)
def test_wrong_arrays_are_named(arrays: dict[str, Any], says: str, tmp_path: Path) -> None:
    path = save(tmp_path, **arrays)
    with pytest.raises(DataError, match=says) as caught:
        read(path, input_range=(0, 1))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_targets_of_a_model_that_is_no_classifier_have_its_outputs_shape(tmp_path: Path) -> None:
    subject = model(output=(4, 2))
    y = np.random.default_rng(0).normal(size=(30, 4, 2))
    data = read(save(tmp_path, x=pixels(30), y=y), subject)
    assert data.calibration.y is not None
    assert data.calibration.y.shape == (20, 4, 2)
    assert data.calibration.accuracy(np.zeros((20, 4, 2))) is None
    with pytest.raises(DataError, match=r"finite float32, \(30, 4, 2\)"):
        read(save(tmp_path, x=pixels(30), y=y[:, :3]), subject)


def test_wrong_files_are_named(tmp_path: Path) -> None:
    path = save(tmp_path, x=pixels(30))
    whole = path.read_bytes()
    damaged = tmp_path / "damaged.npz"
    damaged.write_bytes(whole[:200] + bytes(100) + whole[300:])
    path.write_bytes(whole[:100])
    for folder, name, content in (("empty", "notes.txt", "none"), ("bad", "face.png", "no picture")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(content)
    for wrong, says in (
        (path, "truncated"),
        (damaged, "cannot be read"),
        (tmp_path / "none", "no such file"),
        (tmp_path / "empty", "no pictures"),
        (tmp_path / "bad", r"face\.png: not a picture"),
    ):
        with pytest.raises(DataError, match=says):
            read(wrong)


def paint(folder: Path, name: str, color: tuple[int, int, int], *, side: int = 3 * SIDE) -> None:
    """A picture of one colour, red, green, blue."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(folder / name), np.full((side, side, 3), color[::-1], np.uint8))


def test_pictures_are_grey_or_rgb_as_the_model_takes_them(tmp_path: Path) -> None:
    for number in range(20):
        paint(tmp_path, f"{number:02}.png", (255, 0, 51), side=SIDE if number else 2)
    (tmp_path / "._00.png").write_text("what a Mac leaves on a stick")
    color = read(tmp_path, model((SIDE, SIDE, 3)))
    assert color.calibration.x.shape == (10, SIDE, SIDE, 3)
    np.testing.assert_allclose(color.calibration.x[0, 0, 0], (1, 0, 0.2), atol=1e-6)
    grey = read(tmp_path, model(), input_range=(-1, 1))
    assert grey.calibration.x.shape == (10, SIDE, SIDE, 1)
    assert -1 < grey.calibration.x.min() == grey.calibration.x.max() < 0
    assert read(tmp_path, model((SIDE, SIDE))).calibration.x.shape == (10, SIDE, SIDE)
    for shape, dtype in (((SIDE, SIDE, 4), np.float32), ((5,), np.float32), ((SIDE, SIDE, 1), np.int32)):
        with pytest.raises(DataError, match=r"is read as pictures.*give an \.npz"):
            read(tmp_path, model(shape, dtype=dtype))


def test_sub_folders_are_classes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shades = {"ant": 51, "bee": 102, "zebra": 204}
    for name, shade in shades.items():
        for number in range(10):
            paint(tmp_path, f"{name}/more/{number}.png", (shade, shade, shade), side=SIDE)

    def expect(data: Data, labels: tuple[str, ...]) -> None:
        assert data.labels == labels
        for part in (data.calibration, data.validation):
            assert part.y is not None
            found = [labels[number] for number in part.y]
            assert [shades[name] for name in found] == np.rint(part.x[:, 0, 0, 0] * 255).tolist()

    expect(read(tmp_path), ("ant", "bee", "zebra"))
    expect(read(tmp_path, labels=LABELS), LABELS)
    expect(read(tmp_path, model(output=(4,)), labels=(*LABELS, "yak")), (*LABELS, "yak"))
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        for subject, labels in ((model(output=(5,)), None), (model(), ("ant", "bee", "cat"))):
            data = read(tmp_path, subject, labels=labels)
            assert data.labels is None
            assert data.calibration.y is None
    assert len(caplog.records) == 2
    assert "ant, bee, zebra" in caplog.messages[0]
    assert read(tmp_path, model(output=(4, 2))).calibration.y is None


def test_accuracy_counts_the_class_that_is_named() -> None:
    outputs = np.array([[3, 1, 0], [0, 1, 2], [0, 2, 1], [9, 0, 0]], np.float32)
    x = np.zeros((4, 1), np.float32)
    assert Samples(x, np.array([0, 2, 0, 0])).accuracy(outputs) == 0.75
    shares = np.array([[0.6, 0.4, 0], [0.6, 0, 0.4], [0, 1, 0], [0, 0, 1]], np.float32)
    assert Samples(x, shares).accuracy(outputs) == 0.5
    several = np.array([[1, 1, 0], [1, 0, 1], [0, 0, 1], [0, 0, 0]], np.int8)
    assert Samples(x, several).accuracy(outputs) == 0.5
    assert Samples(x, None).accuracy(outputs) is None
    with pytest.raises(DataError, match="3 targets for 4 samples"):
        Samples(x, np.zeros(3, int))


@pytest.mark.tensorflow
class TestSavedTensorFlowData:
    """Folders that tf.data.Dataset.save wrote."""

    @staticmethod
    def folder(path: Path, elements: Any, *, batch: int | None = None) -> Path:
        pytest.importorskip("tensorflow_model_optimization")
        from converter import environment

        environment.prepare()
        import tensorflow as tf

        dataset = tf.data.Dataset.from_tensor_slices(elements)
        (dataset.batch(batch) if batch else dataset).save(str(path))
        return path

    @pytest.mark.parametrize("batch", [None, 7])
    def test_pairs_in_batches_or_not(self, batch: int | None, tmp_path: Path) -> None:
        x, y = pixels(30), np.arange(30) % CLASSES
        data = read(self.folder(tmp_path / "set", (x, y), batch=batch))
        expected = read(save(tmp_path, x=x, y=y))
        assert np.array_equal(data.calibration.x, expected.calibration.x)
        assert data.validation.y is not None
        assert expected.validation.y is not None
        assert np.array_equal(data.validation.y, expected.validation.y)

    def test_input_alone(self, tmp_path: Path) -> None:
        x = np.random.default_rng(0).normal(size=(25, 5)).astype(np.float32)
        data = read(self.folder(tmp_path / "set", x), model((5,)))
        assert data.calibration.y is None
        assert len(data.calibration) + len(data.validation) == 25

    def test_what_cannot_be_read_is_named(self, tmp_path: Path) -> None:
        three = self.folder(tmp_path / "three", (pixels(3), pixels(3), pixels(3)))
        with pytest.raises(DataError, match=r"three: its elements are"):
            read(three)
        with pytest.raises(DataError, match=r"other: x has shape \(30, 5\)"):
            read(self.folder(tmp_path / "other", np.zeros((30, 5), np.float32)))
        whole = self.folder(tmp_path / "whole", pixels(30))
        largest = max((path for path in whole.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
        largest.write_bytes(largest.read_bytes()[:50])
        with pytest.raises(DataError, match="whole: its data cannot be read"):
            read(whole)
        (whole / "dataset_spec.pb").write_bytes(b"rubbish")
        with pytest.raises(DataError, match=r"whole: not a saved tf\.data set"):
            read(whole)


class _Recipes:
    """Stands for training's entry point."""

    asked: tuple[Any, ...] = ()

    def __call__(self, *asked: Any) -> sources.Raw:
        self.asked = asked
        return sources.Raw(pixels(4)[..., 0], None, pixels(2), np.array([0, 1]), LABELS)


def test_a_recipe_gives_its_own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "entry_points", lambda group: [])
    with pytest.raises(DataError, match=r"recipe:faces: name the folder.*--data-dir"):
        read_data("recipe:faces", model())
    with pytest.raises(DataError, match=r"affect-edge\[train\]"):
        read_data("recipe:faces", model(), data_dir=tmp_path)
    recipes = _Recipes()
    monkeypatch.setattr(EntryPoint, "load", lambda entry: recipes)
    monkeypatch.setattr(sources, "entry_points", lambda group: [EntryPoint("recipe", "nowhere:samples", group)])
    data = read_data("recipe:faces", model(), data_dir=tmp_path, most=9, seed=5)
    assert recipes.asked == ("faces", tmp_path, 9, 5, (SIDE, SIDE, 1))
    assert data.labels == LABELS
    assert (len(data.calibration), len(data.validation)) == (4, 2)
    assert data.source == "recipe:faces"
    np.testing.assert_allclose(data.calibration.x, pixels(4) / 255, atol=1e-6)
