"""`affect-edge convert` as its user meets it: what is written, what is told, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge import cli
from edge.features.face import pixel_table
from edge.inference.manifest import ArrayInput, read_manifest, verify_model
from tests.converter.conftest import LABELS, SIDE, Trained

pytestmark = pytest.mark.tensorflow

METHODS = ["int8", "qat", "int16x8", "dynamic", "float16", "float32"]
GOOD = np.random.default_rng(0).integers(0, 256, (24, SIDE, SIDE, 1), np.uint8)


def save(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "data.npz", **arrays)
    return folder / "data.npz"


@dataclass(frozen=True)
class Run:
    out: Path
    answer: dict[str, Any]

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.out.iterdir())


@pytest.fixture(scope="module")
def auto(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run that tries all and writes all."""
    folder = tmp_path_factory.mktemp("auto")
    data = save(folder, x=trained.pixels[:400], y=trained.classes[:400])
    command = [sys.executable, "-m", "edge", "convert", str(trained.path), "--data", str(data)]
    command += ["--out", str(folder / "out"), "--labels", ",".join(LABELS), "--epochs", "1", "--keep-all"]
    command += ["--formats", "onnx", "c", "snippets", "--threads", "1", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Run(folder / "out", json.loads(done.stdout))


def test_auto_tries_every_method_and_takes_one_by_its_rule(auto: Run) -> None:
    report = auto.answer["report"]
    assert [variant["method"] for variant in report["variants"]] == METHODS
    assert all(variant["error"] is None for variant in report["variants"])
    taken = report["recommendation"]
    assert taken["method"] in METHODS
    assert "fastest" in taken["rule"]
    chosen = next(variant for variant in report["variants"] if variant["method"] == taken["method"])
    assert chosen["drop"] <= taken["max_drop"]
    manifest = verify_model(auto.out / "small.tflite", task="other")
    assert manifest.quantization["method"] == taken["method"]
    assert manifest.size_bytes == chosen["size_bytes"]


def test_auto_s_figures_are_those_of_the_labels(auto: Run) -> None:
    report = auto.answer["report"]
    assert report["measure"] == "accuracy"
    assert report["samples"] == 40
    assert report["float_model"] > 0.9
    chosen = report["recommendation"]["method"]
    for variant in report["variants"]:
        name = "small.tflite" if variant["method"] == chosen else f"small-{variant['method']}.tflite"
        assert variant["size_bytes"] == (auto.out / name).stat().st_size
    for method in ("int8", "qat"):
        variant = next(each for each in report["variants"] if each["method"] == method)
        assert variant["floating"] == {}
        assert variant["agreement"]["top1"] >= 0.9
    assert {"int8", "qat"} <= set(report["layers"])


def test_auto_writes_what_it_says(auto: Run) -> None:
    assert sorted(Path(path).name for path in auto.answer["files"] if Path(path).parent == auto.out) == [
        name for name in auto.files if (auto.out / name).is_file()
    ]
    chosen = auto.answer["report"]["recommendation"]["method"]
    others = [f"small-{method}.tflite" for method in METHODS if method != chosen]
    for name in ["small.tflite", *others]:
        assert verify_model(auto.out / name).labels == LABELS
    assert {"small.onnx", "small_model.h", "small_model.cc", "small_python.py"} <= set(auto.files)
    assert (auto.out / "small_labels.txt").read_text().split() == list(LABELS)
    page = (auto.out / "small_report.html").read_text()
    assert "<svg" in page
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert json.loads((auto.out / "small_report.json").read_text()) == auto.answer["report"]


def test_the_file_runs_in_every_interpreter_and_delegates_are_named(auto: Run) -> None:
    checks = {each["runtime"]: each for each in auto.answer["interpreters"]}
    assert {"litert", "tensorflow"} <= set(checks)
    assert all(each["error"] is None and each["within_bound"] for each in checks.values())
    assert {each["delegate"] for each in auto.answer["delegates"]} == {"xnnpack", "gpu", "edge-tpu"}


def test_the_manifest_says_what_the_input_holds(auto: Run) -> None:
    entry = read_manifest(auto.out / "small.json").input
    assert isinstance(entry, ArrayInput)
    assert (entry.holds, entry.real_range) == ("gray", (0.0, 1.0))


def test_an_expression_model_is_one_that_the_runtime_takes(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("\n".join(LABELS) + "\n")
    line = ["convert", str(trained.path), "--data", str(save(tmp_path, x=trained.pixels[:300, ..., 0]))]
    line += ["--out", str(tmp_path / "out"), "--labels", str(labels), "--task", "expression", "--method", "int8"]
    assert cli.main([*line, "--threads", "1"]) == 0
    told = capsys.readouterr().out
    assert "take      int8" in told
    assert "agreement" in told
    manifest = verify_model(tmp_path / "out" / "small.tflite", task="expression")
    assert manifest.labels == LABELS
    assert manifest.quantization["calibration_samples"] == 270
    assert manifest.quantization["in_float"] == []
    assert pixel_table(manifest.image_input).tolist() == list(range(-128, 128))


def test_the_layers_that_cost_most_stay_in_float(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["convert", str(trained.path), "--data", str(save(tmp_path, x=trained.pixels[:100]))]
    line += ["--out", str(tmp_path / "out"), "--method", "int8", "--keep-float", "1", "--threads", "1", "--json"]
    assert cli.main(line) == 0
    answer = json.loads(capsys.readouterr().out)
    kept = answer["report"]["kept_in_float"]
    assert len(kept) == 1
    assert kept[0] in {layer.name for layer in trained.legacy.layers}
    int8 = next(variant for variant in answer["report"]["variants"] if variant["method"] == "int8")
    assert int8["floating"]


@pytest.fixture(scope="module")
def wrong(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Models and data that cannot be converted."""
    import keras

    folder = tmp_path_factory.mktemp("wrong")
    color = folder / "color.keras"
    keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(4)]).save(color)
    open_sides = folder / "open.keras"
    entry = keras.Input((None, None, 1))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(entry))
    keras.Model(entry, keras.layers.Dense(4)(x)).save(open_sides)
    two = folder / "two.keras"
    entries = [keras.Input((4,), name="left"), keras.Input((4,), name="right")]
    keras.Model(entries, keras.layers.Dense(2)(keras.layers.Concatenate()(entries))).save(two)
    cut = folder / "cut.keras"
    cut.write_bytes(trained.path.read_bytes()[:2000])
    return {
        "none": folder / "none.keras",
        "good": trained.path,
        "color": color,
        "open": open_sides,
        "two": two,
        "cut": cut,
        "data": save(folder, x=GOOD),
    }


@pytest.mark.parametrize(
    ("model", "more", "says"),
    [
        ("none", [], "no such model"),
        ("cut", [], "cut.keras"),
        ("two", [], "2 inputs"),
        ("open", [], "--input-shape"),
        ("color", [], "where the model takes"),
        ("good", ["--labels", "a,b"], "2 labels (a, b) for 4 outputs"),
        ("good", ["--labels", "a,a"], "at least two different labels"),
        ("good", ["--task", "expression"], "--labels"),
        ("color", ["--task", "expression", "--labels", "a,b,c,d"], "grey"),
        ("good", ["--pixel-range", "1", "0"], "--pixel-range"),
        ("good", ["--max-drop", "2"], "--max-drop"),
        ("good", ["--bench-on", "http://board"], "ssh://"),
        ("good", ["--method", "int8", "--keep-float", "nobody"], "nobody"),
        ("good", ["--out", "/proc/here"], "/proc"),
    ],
)
def test_what_is_wrong_is_told_in_one_line_and_nothing_is_written(
    model: str,
    more: list[str],
    says: str,
    wrong: dict[str, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    line = ["convert", str(wrong[model]), "--data", str(wrong["data"]), "--out", str(out), *more]
    assert cli.main(line) == 1
    told = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
    assert len(told) == 1
    assert says in told[0]
    assert not out.exists()


def test_open_sides_are_closed_by_the_command(
    wrong: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["convert", str(wrong["open"]), "--data", str(wrong["data"]), "--out", str(tmp_path / "out")]
    shape = f"{SIDE},{SIDE},1"
    assert cli.main([*line, "--method", "int8", "--input-shape", shape, "--threads", "1", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert verify_model(Path(answer["file"])).input.shape == (1, SIDE, SIDE, 1)


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk that holds 8 KB."""
    folder = tmp_path / "full"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_leaves_nothing_half_written(
    trained: Trained, full: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = save(tmp_path, x=trained.pixels[:60])
    line = ["convert", str(trained.path), "--data", str(data), "--out", str(full), "--method", "int8"]
    assert cli.main([*line, "--threads", "1"]) == 1
    told = capsys.readouterr().err
    assert f"{full}/small.tflite: cannot be written" in told
    assert list(full.iterdir()) == []
