from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.cli import main
from tests.training.speech_corpus import tone, write_sound
from training.datasets.speech_corpora import CREMA_D, RAVDESS, Clip, read_clips
from training.datasets.speech_folds import RAVDESS_FOLDS
from training.recipe import SpeechRecipe, read_recipe

pytest.importorskip("tensorflow_model_optimization")

RECIPE = """
name = "tiny"
task = "speech-emotion"
[data]
corpora = ["crema-d"]
labels = ["angry", "sad"]
validation_speakers = ["crema-d 1002"]
[features]
normalization = "fixed"
[network]
channels = [8, 8, 16, 16]
embedding = 16
lstm = 8
windows = 2
[schedule]
epochs = 2
batch_size = 6
learning_rate = 1e-2
[quantization]
epochs = 0
calibration_images = 12
"""

BOTH = (RAVDESS, CREMA_D)
RAVDESS_ACTORS = (1, 3, 6)
CREMA_ACTORS = range(1001, 1007)


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every emotion of both corpora once by each actor, a tone for each."""
    folder = tmp_path_factory.mktemp("corpora")
    rng = np.random.default_rng(5)
    for actor in RAVDESS_ACTORS:
        for number in range(1, 9):
            name = f"03-01-{number:02}-01-01-01-{actor:02}.wav"
            write_sound(folder / name, tone(300.0 * number, rng, seconds=0.6))
    for crema_actor in CREMA_ACTORS:
        for number, code in enumerate(("ANG", "DIS", "FEA", "HAP", "NEU", "SAD"), start=1):
            write_sound(folder / f"{crema_actor}_DFA_{code}_XX.wav", tone(310.0 * number, rng, seconds=0.6))
    (folder / "tiny.toml").write_text(RECIPE)
    return folder


def speech_recipe(path: Path) -> SpeechRecipe:
    recipe = read_recipe(str(path))
    assert isinstance(recipe, SpeechRecipe)
    return recipe


def actors(corpus: str, numbers: range) -> list[Clip]:
    return [Clip(Path(f"{number}.wav"), corpus, f"{corpus} {number}", "sad") for number in numbers]


@pytest.mark.parametrize(
    ("protocol", "clips", "count", "labels"),
    [
        ("ravdess", actors(RAVDESS, range(1, 25)), 24, 8),
        ("crema-d", actors(CREMA_D, range(1001, 1092)), 91, 6),
    ],
)
def test_each_actor_is_the_test_of_one_fold(
    protocol: Any, clips: list[Clip], count: int, labels: int, corpora: Path
) -> None:
    from training.cross_validation import folds

    found = folds(speech_recipe(corpora / "tiny.toml"), protocol, clips, [1, 2])
    assert len({fold.name for fold in found}) == len(found) == 10
    for seed in (1, 2):
        runs = [fold.recipe for fold in found if fold.recipe.seed == seed]
        tested = [speaker for recipe in runs for speaker in recipe.data.test_speakers]
        assert len(tested) == len(set(tested)) == count
        for recipe in runs:
            assert not set(recipe.data.test_speakers) & set(recipe.data.validation_speakers)
            assert len(recipe.data.labels) == labels
            assert recipe.network == speech_recipe(corpora / "tiny.toml").network


def test_the_first_fold_of_ravdess_is_the_fields() -> None:
    assert RAVDESS_FOLDS[0] == ((2, 5, 14, 15, 16), (3, 6))


def test_across_corpora_all_of_the_other_is_the_test(corpora: Path) -> None:
    from training.cross_validation import folds

    one, other = folds(speech_recipe(corpora / "tiny.toml"), "cross", read_clips(corpora), [1])
    assert one.name == "crema-d_to_ravdess_seed1"
    assert set(one.recipe.data.test_speakers) == {f"ravdess {actor}" for actor in RAVDESS_ACTORS}
    assert set(other.recipe.data.test_speakers) == {f"crema-d {actor}" for actor in CREMA_ACTORS}
    assert other.recipe.data.validation_speakers == ("ravdess 3", "ravdess 6")


@pytest.mark.tensorflow
def test_the_command_from_recordings_to_figures(
    corpora: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["cross-validate", str(corpora / "tiny.toml"), "--protocol", "cross", "--data", str(corpora)]
    words += ["--out", str(tmp_path), "--quiet"]
    assert main([*words, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    first, second = document["runs"]
    # Ravdess's surprised has no counterpart, and its calm counts as neutral.
    assert (first["recordings"], second["recordings"]) == (3 * 7, 6 * 6)
    for run in (first, second):
        assert 0 <= run["recall_int8"] <= 1
        assert run["recall_int8"] == pytest.approx(np.mean(list(run["per_class"].values())))
        assert document["summary"][run["test"]]["recall"]["mean"] == run["recall"]
        assert (tmp_path / run["name"] / f"{run['name']}.keras").is_file()

    # What is done is read, not run again: its checkpoint may be gone.
    for checkpoint in tmp_path.glob("*/checkpoint.npz"):
        checkpoint.write_bytes(b"gone")
    assert main(words) == 0
    table = capsys.readouterr().out
    assert f"{first['recall_int8']:.4f}" in table
    assert main([*words, "--only", second["name"]]) == 0
    table = capsys.readouterr().out
    assert second["name"] in table
    assert first["name"] not in table
    assert main([*words, "--epochs", "3"]) == 1
    assert "figures of another recipe" in capsys.readouterr().err
    (tmp_path / first["name"] / "figures.json").write_text("{")
    assert main(words) == 1
    assert "not the figures of a fold" in capsys.readouterr().err


def test_what_else_a_recipe_is_trained_on_is_in_its_folds(corpora: Path) -> None:
    from training.cross_validation import corpora_of, folds

    recipe = speech_recipe(corpora / "tiny.toml")
    clips = actors(RAVDESS, range(1, 25))
    more = SpeechRecipe.model_validate(recipe.as_dict() | {"data": recipe.data.model_dump() | {"corpora": BOTH}})
    assert all(fold.recipe.data.corpora == BOTH for fold in folds(more, "ravdess", clips, [1]))
    assert all(fold.recipe.data.corpora == (RAVDESS,) for fold in folds(recipe, "ravdess", clips, [1]))
    assert corpora_of(more, "ravdess") == BOTH


def test_means_are_over_folds_and_deviations_over_seeds() -> None:
    from training.cross_validation import FoldFigures, summarise

    def run(seed: int, recall: float) -> FoldFigures:
        return FoldFigures("x", "ravdess", seed, 10, 1, 0.5, recall, recall, recall, recall, {})

    found = summarise([run(1, 0.2), run(1, 0.4), run(2, 0.6), run(2, 0.4)])["ravdess"]["recall"]
    assert found["mean"] == pytest.approx(0.4)
    assert found["deviation_over_seeds"] == pytest.approx(np.std([0.3, 0.5], ddof=1))


def test_wrong_input(tmp_path: Path, corpora: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["cross-validate", "expression", "--protocol", "ravdess", "--data", str(corpora)]
    assert main(words) == 78
    assert "trains no speech model" in capsys.readouterr().err
    words[1:2] = [str(corpora / "tiny.toml")]
    assert main([*words, "--only", "fold nine"]) == 78
    assert "fold nine: none of the runs is called that; they are ravdess_1_seed1" in capsys.readouterr().err
    words[-1] = str(tmp_path / "absent")
    assert main(words) == 1
    assert "no such folder" in capsys.readouterr().err
