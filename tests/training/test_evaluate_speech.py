"""`affect-edge evaluate` on a speech model: whom it scores, what it prints, what it keeps."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow_model_optimization")
pytest.importorskip("soundfile")

import keras

from edge.cli import main
from edge.inference.manifest import Manifest, manifest_path, read_manifest, verify_model
from edge.recognizers.speech_emotion import SpeechRecognizer
from tests.training.conftest import TinySpeech
from tests.training.speech_corpus import RATE, tone, write_sound
from training.evaluation.card import card_path
from training.evaluation.speech_predict import open_speech_model, read_held_out

pytestmark = pytest.mark.tensorflow


@pytest.fixture
def head(tiny_speech: TinySpeech, tmp_path: Path) -> Path:
    """A copy that may be written to."""
    for path in (tiny_speech.encoder, tiny_speech.head):
        shutil.copytree(path.parent, tmp_path / "models" / path.parent.name)
    return tmp_path / "models" / "speech-emotion" / "tiny.tflite"


def evaluated(capsys: pytest.CaptureFixture[str], head: Path, data: Path, *words: str) -> dict[str, Any]:
    assert main(["evaluate", str(head), "--data", str(data), "--json", *words]) == 0
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return report


def refused(capsys: pytest.CaptureFixture[str], head: Path, data: Path, *words: str) -> str:
    assert main(["evaluate", str(head), "--data", str(data), *words]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("affect-edge evaluate: error: ")
    return error


def change(head: Path, **keys: Any) -> None:
    """Write other things into the manifest."""
    path = manifest_path(head)
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))


def test_it_scores_those_who_were_held_out(
    tiny_speech: TinySpeech, head: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = manifest_path(head).read_bytes()
    report = evaluated(capsys, head, tiny_speech.data)
    assert report["split"] == "validation"
    assert (report["recordings"], report["speakers"]) == (26, 2)
    assert report["protocol"]["data"]["speakers"] == ["ravdess 3", "crema-d 1003", "sounds 2"]
    counts = {name: row["support"] for name, row in report["per_class"].items()}
    # Calm is neutral; two sound sad where they should be angry.
    assert counts == {"angry": 6, "happy": 4, "neutral": 6, "sad": 4, "no speech": 6}
    assert sum(map(sum, report["confusion"])) == 26
    assert report["unweighted_average_recall"] > 0.7
    recalls = [row["recall"] for row in report["per_class"].values()]
    assert report["unweighted_average_recall"] == pytest.approx(np.mean(recalls), abs=1e-4)
    assert report["emotions"]["unweighted_average_recall"] == pytest.approx(np.mean(recalls[:4]), abs=1e-4)
    assert {name: row["recordings"] for name, row in report["corpora"].items()} == {
        "crema-d": 9,
        "ravdess": 11,
        "sounds": 6,
    }
    # The woman of CREMA-D's table, and the man of RAVDESS's odd number.
    assert {name: row["recordings"] for name, row in report["groups"]["sex"].items()} == {"female": 9, "male": 11}
    assert report["groups"]["race"]["african american"]["too_few"]
    assert report["unweighted_average_recall_interval"] is None, "two speakers tell of no others"
    assert report["float"] is report["unsure"] is None
    assert manifest_path(head).read_bytes() == before, "nothing was asked to be kept"
    assert str(tiny_speech.data) not in json.dumps(report)
    assert str(head.parent) not in json.dumps(report)


def test_listeners_are_told_of_where_their_votes_lie(
    tiny_speech: TinySpeech, head: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listeners = evaluated(capsys, head, tiny_speech.data)["listeners"]
    # They hear neutral in all but the sad ones, where they are divided; the slip has no votes.
    assert (listeners["recordings"], listeners["ties"]) == (8, 2)
    assert listeners["accuracy"] == 0.25
    assert listeners["unweighted_average_recall"] == 0.25
    assert listeners["model_accuracy"] >= 0.75
    shutil.copytree(tiny_speech.data, tmp_path / "data")
    (tmp_path / "data" / "crema" / "summaryTable.csv").unlink()
    assert evaluated(capsys, head, tmp_path / "data")["listeners"] is None


def test_calibration_is_fitted_on_validation_and_kept(
    tiny_speech: TinySpeech, head: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = evaluated(capsys, head, tiny_speech.data, "--split", "test", "--calibrate", "--target-accuracy", "0.6")
    assert report["protocol"]["data"]["speakers"] == ["ravdess 4", "crema-d 1004", "sounds 3"]
    manifest = verify_model(head)
    assert manifest.calibration.fitted_on is not None
    assert manifest.calibration.fitted_on.startswith(
        "crema-d, ravdess, sounds, validation: 26 recordings of 2 speakers"
    )
    assert manifest.calibration.temperature == report["calibrated"]["temperature"] != 1
    assert report["calibrated"]["nll"] <= report["raw"]["nll"] + 0.1
    assert manifest.evaluation == {}, "figures were not asked to be kept"
    again = evaluated(capsys, head, tiny_speech.data)
    assert again["calibrated"]["temperature"] == manifest.calibration.temperature
    recognizer = SpeechRecognizer(head)
    assert recognizer.manifest.calibration == manifest.calibration


def test_unsure_is_measured_on_what_names_an_emotion(
    tiny_speech: TinySpeech, head: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(head, calibration={"temperature": 1.0, "unsure_below": 0.01})
    report = evaluated(capsys, head, tiny_speech.data)
    named = np.array(report["confusion"])[:, :4]
    right = np.trace(named[:4]) / named.sum()
    assert report["unsure"] == {"threshold": 0.01, "coverage": 1.0, "accuracy": pytest.approx(right, abs=1e-5)}


def test_float_beside_int8(tiny_speech: TinySpeech, head: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = evaluated(capsys, head, tiny_speech.data, "--float", str(tiny_speech.float_model))
    beside = report["float"]
    assert beside["float_model"] == "tiny.keras"
    assert beside["agreement"] > 0.9
    difference = report["unweighted_average_recall"] - beside["float_unweighted_average_recall"]
    assert beside["recall_difference"] == pytest.approx(difference, abs=1e-4)


def test_figures_and_cards_are_written(
    tiny_speech: TinySpeech, head: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    encoder = head.parents[1] / "speech-encoder" / "tiny.tflite"
    encoder_before = manifest_path(encoder).read_bytes()
    out = tmp_path / "figures"
    words = ["--calibrate", "--target-accuracy", "0.6", "--float", str(tiny_speech.float_model), "--write-manifest"]
    report = evaluated(capsys, head, tiny_speech.data, *words, "--out", str(out))
    manifest = verify_model(head)
    kept = manifest.evaluation["validation"]
    assert kept == {key: value for key, value in report.items() if key not in ("model", "split", "labels")}
    assert isinstance(kept["accuracy"], float)
    assert isinstance(kept["unweighted_average_recall"], float)
    assert str(tmp_path) not in manifest_path(head).read_text()
    assert kept["protocol"]["command"] == (
        "affect-edge evaluate tiny.tflite --data DIR --split validation --calibrate --target-accuracy 0.6 "
        "--float tiny.keras --write-manifest"
    )
    assert manifest_path(encoder).read_bytes() == encoder_before

    card = card_path(head).read_text()
    for needed in (
        "It cannot tell",
        "what a person feels",
        "CC BY-NC-SA 4.0",
        "ODbL 1.0",
        "Article 5(1)(f)",
        "Annex III",
        "Article 50(3)",
        "held out for test: ravdess 4; crema-d 1004; sounds 3",
        "| unweighted average recall (UAR) |",
        "| sex: female (too few to tell) | 9 | 1 |",
        "Listeners, by voice alone, on the same 8 recordings of CREMA-D",
        "| float model's UAR |",
        "calm as neutral",
    ):
        assert needed in card, needed
    short = card_path(encoder).read_text()
    assert "`speech-emotion/tiny.md`" in short
    assert "64 frames of 64 mel bands, 60 to 5200 Hz" in short
    assert "Article 5(1)(f)" in short

    pictures = {path.name for path in out.iterdir()}
    names = ("confusion", "reliability", "roc", "risk_coverage", "classes", "parts")
    assert pictures == {*(f"{name}.png" for name in names), "evaluation.json"}
    assert all((out / f"{name}.png").read_bytes().startswith(b"\x89PNG") for name in names)
    assert json.loads((out / "evaluation.json").read_text()) == report

    # The test split, later, beside what is there; scored again it says so.
    evaluated(capsys, head, tiny_speech.data, "--split", "test", "--write-manifest")
    assert set(read_manifest(manifest_path(head)).evaluation) == {"validation", "test"}
    assert main(["evaluate", str(head), "--data", str(tiny_speech.data), "--split", "test"]) == 0
    assert "already holds figures of the test split" in capsys.readouterr().err


def test_what_is_printed_for_people(tiny_speech: TinySpeech, head: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", str(head), "--data", str(tiny_speech.data), "--float", str(tiny_speech.float_model)]
    assert main(words) == 0
    printed = capsys.readouterr().out
    first, *lines = printed.splitlines()
    assert first.startswith("tiny.tflite on validation (crema-d, ravdess, sounds): 26 recordings, 2 speakers")
    assert any(line.startswith("UAR, emotions alone") for line in lines)
    assert any(line.startswith("race: african american") and line.endswith("too few") for line in lines)
    assert "too few: under 30 recordings or 5 speakers" in printed
    assert "beside CREMA-D's listeners, by voice alone, on the same 8 recordings" in printed
    assert "beside tiny.keras: UAR " in printed


def test_the_digest_is_that_of_the_recordings(tiny_speech: TinySpeech, head: Path, tmp_path: Path) -> None:
    model = open_speech_model(head)
    shutil.copytree(tiny_speech.data, tmp_path / "data")
    first = read_held_out(tiny_speech.data, model, "validation").digest()
    assert read_held_out(tmp_path / "data", model, "validation").digest() == first
    other = next((tmp_path / "data").rglob("03-01-01-01-01-01-03.wav"))
    write_sound(other, tone(700, np.random.default_rng(0)), RATE)
    assert read_held_out(tmp_path / "data", model, "validation").digest() != first


# What it says where it cannot go on


def test_data_that_lack_somebody(
    tiny_speech: TinySpeech, head: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(tiny_speech.data / "crema", tmp_path / "data" / "crema")
    error = refused(capsys, head, tmp_path / "data")
    assert "data: has no recordings of ravdess 3, sounds 2, held out for validation" in error
    assert "no such folder" in refused(capsys, head, tmp_path / "gone")


def test_models_that_do_not_tell_who_was_held_out(
    tiny_speech: TinySpeech, head: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = json.loads(manifest_path(head).read_text())["training"]["settings"]
    settings["data"]["test_speakers"] = []
    change(head, training={"settings": settings})
    assert "its recipe held no speakers out for test" in refused(capsys, head, tiny_speech.data, "--split", "test")
    broken: list[dict[str, Any]] = [{}, {"settings": {}}, {"settings": {"data": {"corpora": "all"}}}]
    for training in broken:
        change(head, training=training)
        assert "does not tell which speakers were held out" in refused(capsys, head, tiny_speech.data)


def test_half_a_model(tiny_speech: TinySpeech, head: Path, capsys: pytest.CaptureFixture[str]) -> None:
    encoder = head.parents[1] / "speech-encoder" / "tiny.tflite"
    assert "half a model; evaluate the one in speech-emotion/" in refused(capsys, encoder, tiny_speech.data)
    encoder.unlink()
    assert "speech-encoder/tiny.tflite" in refused(capsys, head, tiny_speech.data)


def test_other_float_models(
    tiny_speech: TinySpeech, head: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.keras"
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save(other)
    assert "other.keras: takes (4,) and gives (2,), the int8 model (2, 64, 64) and (5,)" in refused(
        capsys, head, tiny_speech.data, "--float", str(other)
    )
    other.write_bytes(b"PK nonsense")
    assert "not a readable Keras model" in refused(capsys, head, tiny_speech.data, "--float", str(other))
    other.unlink()
    assert "no such model file" in refused(capsys, head, tiny_speech.data, "--float", str(other))


def test_a_manifest_that_cannot_be_written(
    tiny_speech: TinySpeech, head: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(self: Manifest, path: Path) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Manifest, "write", full)
    error = refused(capsys, head, tiny_speech.data, "--write-manifest")
    assert "tiny.json: cannot be written: No space left on device" in error
