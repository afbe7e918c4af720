"""The conversion matrix: its models, its data and its page; the command on one small model. No test looks at a time."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import convert_matrix, matrix_models, matrix_page, measuring
from benchmarks.matrix_models import Entry, entries
from converter import environment
from tests.benchmarks.conftest import Benchmark

pytest.importorskip("tensorflow_model_optimization")

# They wait for the CPU when the machine is busy.
pytestmark = [pytest.mark.timeout(900), pytest.mark.tensorflow]

OURS = ("expression", "face_near", "face_far", "speech_encoder", "speech_head", "speech_net", "text", "traits")
PUBLIC = ("MobileNetV2", "MobileNetV3Small", "EfficientNetB0", "NASNetMobile", "DenseNet121")


def small_net() -> Any:
    import keras

    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(4, 3, use_bias=False)(inputs)
    x = keras.layers.BatchNormalization(momentum=0.9)(x)
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(x))
    return keras.Model(inputs, keras.layers.Dense(3)(x), name="small")


SMALL = Entry("small", small_net, partial(matrix_models.patterns, ends=(0.0, 1.0)))


@pytest.fixture(scope="module")
def results() -> measuring.Results:
    """Of a small model, and of one that cannot be built."""

    def impossible() -> Any:
        from edge.errors import ModelError

        raise ModelError("nobody can build it")

    other = Entry("impossible", impossible, SMALL.data)
    return convert_matrix.measure(
        [SMALL, other], convert_matrix.METHODS, samples=8, threads=(1,), turns=5, progress=False
    )


def test_the_rows_are_ours_and_the_public_ones() -> None:
    assert tuple(entry.name for entry in entries()) == (*OURS, *PUBLIC)
    assert not any(entry.trained for entry in entries())


def test_public_networks_have_the_sides_that_are_asked_for() -> None:
    environment.prepare()
    small = {entry.name: entry for entry in entries(size=64)}["MobileNetV3Small"].build()
    assert tuple(small.input.shape[1:]) == (64, 64, 3) and tuple(small.output.shape[1:]) == (1000,)
    usual = {entry.name: entry for entry in entries()}["MobileNetV3Small"].build()
    assert tuple(usual.input.shape[1:]) == (224, 224, 3)


def test_our_networks_are_those_of_the_recipes() -> None:
    environment.prepare()
    from edge.errors import AffectEdgeError
    from edge.inference.catalog import find_model
    from edge.inference.manifest import manifest_path, read_manifest

    tasks = {
        "expression": ("expression", "expression"),
        "face_near": ("face-detection", "face_near"),
        "speech_encoder": ("speech-encoder", "speech"),
        "speech_head": ("speech-emotion", "speech"),
        "traits": ("traits", "traits"),
    }
    for entry in entries():
        if entry.name not in tasks:
            continue
        try:
            manifest = read_manifest(manifest_path(find_model(*tasks[entry.name])))
        except AffectEdgeError as error:
            pytest.skip(str(error))
        model = entry.build()
        assert tuple(model.output.shape[1:]) == manifest.output.shape[1:], entry.name
        assert tuple(model.input.shape[1:]) == manifest.input.shape[1:], entry.name
        x = entry.data(manifest.input.shape[1:], 3)
        assert x.shape == (3, *manifest.input.shape[1:]), entry.name
        assert x.dtype == (np.int32 if manifest.input.dtype == "int32" else np.float32)


def test_trained_weights_are_taken_where_a_run_has_them(tmp_path: Path) -> None:
    environment.prepare()
    model = next(entry for entry in entries() if entry.name == "face_near").build()
    kernel = model.get_layer("quarter").kernel
    kernel.assign(kernel * 0 + 7)
    (tmp_path / "face_near").mkdir()
    model.save(tmp_path / "face_near" / "face_near.keras")
    found = {entry.name: entry for entry in entries(runs=tmp_path)}
    assert [name for name, entry in found.items() if entry.trained] == ["face_near"]
    assert float(np.asarray(found["face_near"].build().get_layer("quarter").kernel).mean()) == 7


def test_patterns_are_of_many_kinds_and_always_the_same() -> None:
    x = matrix_models.patterns((16, 24, 3), 20, ends=(-1.0, 1.0))
    np.testing.assert_array_equal(x, matrix_models.patterns((16, 24, 3), 20, ends=(-1.0, 1.0)))
    assert x.shape == (20, 16, 24, 3) and x.dtype == np.float32
    assert -1 <= x.min() < -0.5 and 0.5 < x.max() <= 1
    means = x.mean(axis=(1, 2))
    assert means.std(axis=0).min() > 0.1, "to the average, all samples are the same"


def test_settling_gives_batch_normalisation_the_statistics_of_the_data() -> None:
    environment.prepare()
    model = small_net()
    x = SMALL.data((8, 8, 1), 16)
    matrix_models.settle(model, x)
    norm = model.layers[2]
    expected = np.asarray(model.layers[1](x))
    np.testing.assert_allclose(np.asarray(norm.moving_mean), expected.mean(axis=(0, 1, 2)), atol=1e-5)
    np.testing.assert_allclose(np.asarray(norm.moving_variance), expected.var(axis=(0, 1, 2)), atol=1e-5)
    assert norm.momentum == 0.9


def test_each_method_has_its_figures(results: measuring.Results) -> None:
    row, failed = results["rows"]
    assert failed == {"model": "impossible", "trained": False, "error": "nobody can build it"}
    assert row["bridge_difference"] < 1e-5
    assert row["parameters"] == 9 * 4 + 4 * 4 + 4 * 3 + 3
    assert row["multiply_adds"] == 36 * 36 + 12
    cells = row["cells"]
    assert list(cells) == list(convert_matrix.METHODS)
    assert [method for method, cell in cells.items() if "error" in cell] == []
    assert cells["float32"]["ratio"] == {"1": 1.0}
    assert cells["float32"]["sqnr_db"] > 100 > cells["int8"]["sqnr_db"] > 15
    assert cells["int16x8"]["sqnr_db"] > cells["int8"]["sqnr_db"]
    for method in ("int8", "qat", "int16x8"):
        assert cells[method]["floating"] == {}, method
    assert cells["float32"]["floating"]
    for cell in cells.values():
        assert 0 <= cell["top1"] <= 1 and cell["size_bytes"] > 500 and cell["milliseconds"]["1"] > 0


def test_the_page_holds_all_figures(results: measuring.Results, tmp_path: Path) -> None:
    page = tmp_path / "matrix.md"
    matrix_page.write(page, results, measuring.environment())
    text = page.read_text()
    assert list(tmp_path.iterdir()) == [page]
    for title in (
        "Models",
        "Size in kB",
        "Milliseconds",
        "Same class",
        "Signal to",
        "Operators that work",
        "What failed",
    ):
        assert f"\n## {title}" in text
    assert "- impossible: nobody can build it" in text
    sizes = next(line for line in text.partition("## Size in kB")[2].splitlines() if line.startswith("| small"))
    cells = [cell.strip() for cell in sizes.strip("|").split("|")]
    expected = [f"{results['rows'][0]['cells'][method]['size_bytes'] / 1000:.1f}" for method in results["methods"]]
    assert cells == ["small", *expected]
    for line in text.splitlines():
        if line.startswith("| small"):
            assert "failed" not in line


def test_what_failed_stands_in_the_tables(results: measuring.Results) -> None:
    row = results["rows"][0]
    broken = {**row, "cells": row["cells"] | {"qat": {"error": "no such layer"}}}
    text = matrix_page.table({**results, "rows": [broken]})
    assert "- small, qat: no such layer" in text
    assert text.count(" failed |") == 5


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ({}, "0"),
        ({"SOFTMAX": 1}, "SOFTMAX"),
        ({"ADD": 2, "MUL": 1}, "2 ADD, MUL"),
        ({"ADD": 2, "MUL": 1, "SUB": 1, "DIV": 3}, "7"),
    ],
)
def test_operators_in_float_are_named_while_they_are_few(cell: dict[str, int], expected: str) -> None:
    assert matrix_page._floating({"floating": cell}) == expected


def test_the_command_converts_a_model(benchmark: Benchmark) -> None:
    chosen = ("--models", "traits", "--methods", "int8", "float32", "--threads", "1")
    done = benchmark("convert_matrix", "--quick", "--json", *chosen)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["methods"] == ["float32", "int8"]
    (row,) = found["rows"]
    assert row["model"] == "traits" and row["bridge_difference"] < 1e-5
    assert row["cells"]["int8"]["size_bytes"] < row["cells"]["float32"]["size_bytes"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--models", "unheard-of"), 1, "no model 'unheard-of'; there are expression, "),
        (("--methods", "int4"), 2, "invalid choice: 'int4'"),
        (("--samples", "0"), 2, "0 is not 1 or more"),
    ],
)
def test_bad_arguments_are_told(benchmark: Benchmark, arguments: tuple[str, ...], code: int, message: str) -> None:
    done = benchmark("convert_matrix", *arguments)
    assert done.returncode == code
    assert message in done.stderr.splitlines()[-1]
