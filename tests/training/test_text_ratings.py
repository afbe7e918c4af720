"""Valence, arousal and dominance as further outputs of the text emotion model, learned from texts of their own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow_model_optimization")

from edge.cli import main
from edge.errors import DataError
from edge.inference.manifest import manifest_path, read_manifest, verify_model
from edge.recognizers.text_emotion import TextRecognizer
from tests.training.test_text_training import FILLERS, RECIPE, SIGNS, rows
from tests.training.text_data import write, write_goemotions
from training import text
from training.datasets import emobank
from training.evaluation.card import card_path
from training.recipe import TextRecipe, read_recipe

pytestmark = pytest.mark.tensorflow

RATED = {"lovely": (4.5, 3.0, 3.5), "awful": (1.5, 4.0, 2.5), "chair": (3.0, 3.0, 3.0)}


def rated_rows(split: str, count: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    words = list(RATED)
    lines = []
    for number in range(count):
        word = words[number % len(words)]
        sentence = " ".join(rng.permutation([*rng.choice(FILLERS, rng.integers(1, 7)), word]))
        ratings = ",".join(f"{rating:.2f}" for rating in RATED[word])
        lines.append(f"{split}{number},{split},{ratings},{sentence} {split}{number}")
    return lines


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rated") / "data"
    # Some wrong labels, for no temperature could be found where all are right.
    held = [(line, label if each % 10 else str((int(label) + 1) % 7)) for each, (line, label) in enumerate(rows(70, 2))]
    write_goemotions(folder / "labels", {"train": rows(224, 1), "dev": held, "test": rows(70, 3)})
    lines = [*rated_rows("train", 96, 1), *rated_rows("dev", 9, 2), *rated_rows("test", 9, 3)]
    write(folder / "ratings" / "emobank.csv", "\n".join(["id,split,V,A,D,text", *lines, ""]))
    return folder


@pytest.fixture(scope="module")
def recipe(data: Path) -> Path:
    path = data.parent / "tiny.toml"
    path.write_text(RECIPE.format(epochs=16) + "\n[data]\nratings = true\n")
    return path


@pytest.fixture(scope="module")
def model(data: Path, recipe: Path) -> Path:
    out = data.parent / "runs"
    assert main(["train", str(recipe), "--data", str(data), "--out", str(out), "--quiet"]) == 0
    return out / "tiny.tflite"


def test_the_int8_file_rates_what_it_learned_and_names_emotions_too(model: Path) -> None:
    recognizer = TextRecognizer(model)
    lovely, chair, awful = (recognizer.recognize(f"the {word} one") for word in ("lovely", "chair", "awful"))
    assert lovely is not None and chair is not None and awful is not None
    assert list(lovely.ratings) == ["valence", "arousal", "dominance"]
    assert lovely.ratings["valence"] > chair.ratings["valence"] + 0.5 > awful.ratings["valence"] + 1
    assert lovely.ratings["arousal"] + 0.3 < awful.ratings["arousal"]
    assert lovely.ratings["dominance"] > awful.ratings["dominance"] + 0.3
    names = dict(zip(SIGNS, ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"), strict=True))
    for sign, name in names.items():
        found = recognizer.recognize(f"the {sign} one")
        assert found is not None
        assert (found.label, found.present) == (name, (name,))


def test_the_manifest_tells_of_both_data_sets(model: Path) -> None:
    manifest = verify_model(model, task="text-emotion")
    assert manifest.ratings == ("valence", "arousal", "dominance")
    assert manifest.output.shape == (1, 10)
    assert len(manifest.calibration.thresholds) == len(manifest.labels) == 7
    assert {*RATED, *SIGNS} <= set(manifest.text_input.text.words)
    assert "GoEmotions" in manifest.training["data"] and "EmoBank" in manifest.training["data"]
    assert manifest.training["settings"]["data"]["ratings"] is True
    assert manifest.training["cleaning_of_rated"]["read"] == 96


def test_targets_are_unknown_where_a_text_has_none(data: Path, recipe: Path) -> None:
    tiny = read_recipe(str(recipe))
    assert isinstance(tiny, TextRecipe)
    splits = text.prepare(data, tiny)
    targets = text.all_targets_of(splits, tiny.label_smoothing)
    assert splits.rated is not None
    labelled = len(splits.train)
    assert targets.shape == (len(splits.tokens), 10) == (labelled + len(splits.rated), 10)
    assert targets.dtype == np.float32
    assert np.array_equal(targets[:labelled, :7], text.targets_of(splits.train.targets, tiny.label_smoothing))
    assert np.isnan(targets[:labelled, 7:]).all() and np.isnan(targets[labelled:, :7]).all()
    lovely = labelled + next(place for place, own in enumerate(splits.rated.texts) if "lovely" in own)
    assert "lovely" in splits.tokens[lovely]
    assert targets[lovely].tolist()[7:] == [1.5, 0.0, 0.5]  # 4.5, 3 and 3.5, from the middle


def test_without_ratings_its_file_is_not_looked_at(data: Path, recipe: Path, tmp_path: Path) -> None:
    tiny = read_recipe(str(recipe))
    assert isinstance(tiny, TextRecipe)
    plain = tiny.model_copy(update={"data": tiny.data.model_copy(update={"ratings": False})})
    splits = text.prepare(data / "labels", plain)
    assert splits.ratings == ()
    assert "lovely" not in splits.settings.words
    targets = text.all_targets_of(splits, 0.05)
    assert np.array_equal(targets, text.targets_of(splits.train.targets, 0.05))
    with pytest.raises(DataError, match=r"no emobank\.csv"):
        text.prepare(data / "labels", tiny)


def test_evaluation_measures_the_ratings_on_the_same_split(
    data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / model.name
    for path in (model, manifest_path(model)):
        shutil.copyfile(path, tmp_path / path.name)
    words = ["evaluate", str(copy), "--data", str(data), "--float", str(model.with_suffix(".keras"))]
    assert main([*words, "--json", "--write-manifest"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["accuracy"] > 0.8
    assert abs(report["float"]["float_accuracy"] - report["accuracy"]) < 0.1
    held, device = emobank.read(data)["validation"], TextRecognizer(model)
    answers = [found.ratings for sentence in held.texts if (found := device.recognize(sentence))]
    assert report["ratings"]["texts"] == len(answers) == 9
    for place, name in enumerate(held.labels):
        figures = report["ratings"]["per_rating"][name]
        given = np.array([answer[name] for answer in answers])
        assert figures["pearson"] == pytest.approx(np.corrcoef(given, held.targets[:, place])[0, 1], abs=1e-4)
        assert figures["mean_absolute_error"] == pytest.approx(np.abs(given - held.targets[:, place]).mean(), abs=1e-4)
    assert report["ratings"]["per_rating"]["valence"]["pearson"] > 0.8
    assert read_manifest(manifest_path(copy)).evaluation["validation"]["ratings"] == report["ratings"]
    assert "| valence | 0.9" in card_path(copy).read_text() or "| valence | 1.0" in card_path(copy).read_text()
    assert main([*words, "--split", "test"]) == 0
    assert "EmoBank, test: 9 texts" in capsys.readouterr().out
