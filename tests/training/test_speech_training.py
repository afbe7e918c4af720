"""The speech model's run: who is trained on, one command from recordings to two files, and going on after a stop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow_model_optimization")
pytest.importorskip("soundfile")

import keras

from edge.cli import main
from edge.errors import DataError
from edge.observation import NO_SPEECH
from tests.training.conftest import TinySpeech
from tests.training.test_speech_batches import spectrum
from training import speech
from training.datasets.speech_batches import Batch, SpeechBatches
from training.datasets.speech_corpora import Clip
from training.datasets.speech_spectra import Cleaning, Spectrum
from training.recipe import SpeechRecipe, read_recipe

pytestmark = pytest.mark.tensorflow


def recipe_of(tiny_speech: TinySpeech, **changes: Any) -> SpeechRecipe:
    recipe = read_recipe(str(tiny_speech.recipe))
    assert isinstance(recipe, SpeechRecipe)
    return recipe.model_copy(update=changes)


def splits_of(tiny_speech: TinySpeech, recipe: SpeechRecipe) -> speech.SpeechSplits:
    return speech.split(*speech.read(tiny_speech.data, recipe, progress=False), recipe)


def test_a_run_leaves_all_that_it_promises(tiny_speech: TinySpeech) -> None:
    left = {str(path.relative_to(tiny_speech.out)) for path in tiny_speech.out.rglob("*") if path.is_file()}
    assert left == {
        "checkpoint.npz",
        "curves.png",
        "qat.npz",
        "tiny.keras",
        "speech-encoder/tiny.tflite",
        "speech-encoder/tiny.json",
        "speech-emotion/tiny.tflite",
        "speech-emotion/tiny.json",
    }
    lines = tiny_speech.printed.splitlines()
    assert lines[0] == "training on 42 recordings, choosing by 26"
    assert "tiny.keras: validation unweighted average recall" in lines[1]
    assert f"{tiny_speech.head}: {tiny_speech.head.stat().st_size} bytes" in lines[2]
    assert lines[3] == (
        f"next: affect-edge evaluate {tiny_speech.head} --data {tiny_speech.data} --calibrate --write-manifest"
    )


def test_the_same_command_again_trains_nothing_and_gives_the_same_files(
    tiny_speech: TinySpeech, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = [tiny_speech.out / name for name in ("checkpoint.npz", "qat.npz", "curves.png")]
    files = [path.with_suffix(end) for path in (tiny_speech.head, tiny_speech.encoder) for end in (".tflite", ".json")]
    times, content = [path.stat().st_mtime_ns for path in kept], [path.read_bytes() for path in files]
    assert main(tiny_speech.words) == 0
    assert capsys.readouterr().out == tiny_speech.printed
    assert [path.stat().st_mtime_ns for path in kept] == times
    assert [path.read_bytes() for path in files] == content


def test_a_stopped_run_goes_on_as_if_nothing_had_been(
    tiny_speech: TinySpeech, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With dropout, augmentation and averaged weights: the same weights as without the stop, bit by bit."""
    recipe = recipe_of(tiny_speech)
    recipe = recipe.model_copy(update={"schedule": recipe.schedule.model_copy(update={"epochs": 3})})
    splits = splits_of(tiny_speech, recipe)
    whole, expected = speech.train_float(recipe, splits, tmp_path / "whole", progress=False)
    take = SpeechBatches.__getitem__

    def killed(self: SpeechBatches, index: int) -> Batch:
        if (self.epoch, index) == (1, 3):
            raise RuntimeError("the power is cut")
        return take(self, index)

    monkeypatch.setattr(SpeechBatches, "__getitem__", killed)
    with pytest.raises(RuntimeError, match="the power is cut"):
        speech.train_float(recipe, splits, tmp_path / "cut", progress=False)
    monkeypatch.setattr(SpeechBatches, "__getitem__", take)
    again, state = speech.train_float(recipe, splits, tmp_path / "cut", progress=False)
    assert state.history == expected.history
    for one, other in zip(again.full.get_weights(), whole.full.get_weights(), strict=True):
        assert np.array_equal(one, other)


def test_a_run_begins_with_another_one_s_weights(
    tiny_speech: TinySpeech, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = recipe_of(tiny_speech)
    recipe = recipe.model_copy(
        update={"schedule": recipe.schedule.model_copy(update={"epochs": 1, "learning_rate": 1e-9})}
    )
    splits = splits_of(tiny_speech, recipe)
    net, _ = speech.train_float(recipe, splits, tmp_path, start=tiny_speech.float_model, progress=False)
    first = keras.models.load_model(tiny_speech.float_model)
    theirs = first.get_layer("speech_head").get_layer("lstm1").get_weights()
    for one, other in zip(net.head.get_layer("lstm1").get_weights(), theirs, strict=True):
        assert one == pytest.approx(other, abs=1e-4)
    text = tiny_speech.recipe.read_text().replace('name = "tiny"', 'name = "second"\nstart = "first"')
    (tmp_path / "second.toml").write_text(text)
    words = [str(tmp_path / "second.toml"), "--data", str(tiny_speech.data), "--out", str(tmp_path / "runs" / "second")]
    assert main(["train", *words, "--quiet"]) == 1
    assert "no such model to begin with; first  affect-edge train first" in capsys.readouterr().err


# Who is trained on


def made(*rows: tuple[str, str, str]) -> list[Spectrum]:
    """Spectra of (corpus, speaker, emotion)."""
    one = spectrum(1.2)
    return [
        replace(one, clip=Clip(Path(f"{number}.wav"), corpus, f"{corpus} {speaker}", emotion))
        for number, (corpus, speaker, emotion) in enumerate(rows)
    ]


ROWS = [
    (corpus, speaker, emotion)
    for corpus in ("ravdess", "crema-d")
    for speaker in ("1", "2", "3")
    for emotion in ("angry", "calm", "happy", "surprised")
] + [("sounds", fold, NO_SPEECH) for fold in "123"]


def recipe_for(**data: Any) -> SpeechRecipe:
    document: dict[str, Any] = {
        "corpora": ["ravdess", "crema-d", "sounds"],
        "labels": ["angry", "happy", "neutral", NO_SPEECH],
        "merge": {"calm": "neutral"},
        "validation_speakers": ["ravdess 2", "crema-d 2", "sounds 2"],
        "test_speakers": ["ravdess 3", "crema-d 3", "sounds 3"],
    }
    return SpeechRecipe.model_validate({"name": "split", "task": "speech-emotion", "data": document | data})


def test_speakers_are_in_one_part_alone() -> None:
    recipe = recipe_for()
    splits = speech.split(made(*ROWS), Cleaning(), recipe)
    for part, number in ((splits.train, "1"), (splits.validation, "2"), (splits.test, "3")):
        assert {each.clip.speaker for each in part} == {f"ravdess {number}", f"crema-d {number}", f"sounds {number}"}
        assert len(part) == 7, "surprised is none of the labels"
        labels = speech.labels_of(part, recipe.data)
        # Calm stands for neutral.
        assert np.bincount(labels).tolist() == [2, 2, 2, 1]


def test_corpora_that_are_not_asked_for_are_left_out() -> None:
    recipe = recipe_for(corpora=["crema-d"], validation_speakers=["crema-d 2"], test_speakers=[], merge={})
    splits = speech.split(made(*ROWS), Cleaning(), recipe)
    assert not splits.test
    assert {each.clip.corpus for each in splits.train + splits.validation} == {"crema-d"}
    assert {each.clip.emotion for each in splits.train} == {"angry", "happy"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"validation_speakers": ["ravdess 9"]}, "no recordings of ravdess 9"),
        ({"test_speakers": ["ravdess 2"]}, "ravdess 2 cannot both choose among epochs and be the test"),
        ({"corpora": ["sounds"]}, "no recordings of crema-d 2, crema-d 3"),
        ({"test_speakers": [f"{corpus} {n}" for corpus in ("ravdess", "crema-d", "sounds") for n in (1, 3)]}, "no spe"),
    ],
)
def test_splits_that_cannot_be(data: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=rf"recipe 'split': .*{message}"):
        speech.split(made(*ROWS), Cleaning(), recipe_for(**data))


def test_mean_and_deviation_are_those_of_the_training_speakers() -> None:
    spectra = made(*ROWS)
    loud = [
        replace(each, decibels=each.decibels + np.float16(20)) if each.clip.speaker.endswith("3") else each
        for each in spectra
    ]
    document = recipe_for().as_dict() | {"features": {"bands": 64, "normalization": "fixed"}}
    splits = speech.split(loud, Cleaning(), SpeechRecipe.model_validate(document))
    quiet = speech.split(spectra, Cleaning(), SpeechRecipe.model_validate(document))
    assert splits.settings == quiet.settings, "the test speakers have no part in it"
    own = spectra[0].spoken
    assert splits.settings.mean == pytest.approx(own.mean(), abs=0.01)
    assert splits.settings.deviation == pytest.approx(own.std(), abs=0.01)


def test_classes_count_the_same_however_many_recordings_they_have() -> None:
    recipe = recipe_for()
    rows = [*ROWS, *[("ravdess", "1", "angry")] * 9]
    splits = speech.split(made(*rows), Cleaning(), recipe)
    targets = speech.targets_of(splits, recipe)
    labels = speech.labels_of(splits.train, recipe.data)
    weights = targets.sum(axis=1)
    assert [weights[labels == label].sum() for label in range(4)] == pytest.approx([len(labels) / 4] * 4)
    assert (targets.argmax(axis=1) == labels).all()
    nobody = [row for row in ROWS if row[2] != "happy" or row[1] != "1"]
    with pytest.raises(DataError, match="no recording of happy to train on"):
        speech.targets_of(speech.split(made(*nobody), Cleaning(), recipe), recipe)
