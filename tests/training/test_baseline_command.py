"""`affect-edge baseline`: from recordings to a table, and what it says where it cannot go on."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("librosa")
pytest.importorskip("tensorflow_model_optimization")
pytest.importorskip("soundfile")

import soundfile

from edge.errors import DataError
from training.commands import baseline

pytestmark = pytest.mark.tensorflow

EMOTIONS = 8
RATE = 16000


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """RAVDESS's 24 actors, each of whom hums every emotion at a pitch of its own."""
    folder = tmp_path_factory.mktemp("hummed")
    rng = np.random.default_rng(1)
    for actor in range(1, 25):
        for emotion in range(1, EMOTIONS + 1):
            phase = 2 * np.pi * 450 * emotion * np.arange(RATE // 5) / RATE
            sound = 0.3 * np.sin(phase) + rng.normal(0, 0.01, len(phase))
            soundfile.write(folder / f"03-01-{emotion:02}-01-01-01-{actor:02}.wav", sound, RATE)
    return folder


def run(*words: object) -> int:
    parser = argparse.ArgumentParser()
    baseline.add_arguments(parser)
    return baseline.run(parser.parse_args([str(word) for word in words]))


def test_recordings_become_figures(recordings: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("cnn", "--data", recordings, "--folds", "5", "--seeds", 1, "--epochs", 10, "--random-split", "--json")
    assert run(*words) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["network"], document["corpus"], document["recordings"]) == ("cnn", "ravdess", 24 * EMOTIONS)
    assert (document["features"], document["parameters"], document["epochs"]) == (168, 104328, 10)
    [actors] = document["splits"]["actors"]["runs"]
    assert (actors["fold"], actors["seed"], actors["recordings"]) == (5, 1, 4 * EMOTIONS)
    assert actors["recall"] > 0.9  # the chance is an eighth
    assert document["splits"]["actors"]["recall"] == {"mean": actors["recall"], "deviation_over_seeds": 0}
    table = baseline.as_table(document)
    for way in ("actors", "random"):
        assert f"UAR {document['splits'][way]['recall']['mean']:.3f}\n" in table


def _document(**means: float) -> dict[str, object]:
    """What two folds and seeds gave, each 0.1 off the mean."""
    splits = {
        way: {
            "recall": {"mean": mean, "deviation_over_seeds": 0.1414},
            "accuracy": {"mean": 0.3, "deviation_over_seeds": 0.0123},
            "runs": [
                {"fold": fold, "seed": seed, "recall": mean + (0.1 if seed == 1 else -0.1)}
                for seed in (1, 2)
                for fold in (2, 4)
            ],
        }
        for way, mean in means.items()
    }
    base = {"network": "cnn", "parameters": 9, "features": 168, "recordings": 7, "corpus": "ravdess", "epochs": 3}
    return {**base, "splits": splits}


def test_a_table_has_a_row_for_each_fold_and_a_column_for_each_seed() -> None:
    lines = baseline.as_table(_document(actors=0.4)).splitlines()
    assert "cnn: 9 parameters on 168 features; 7 recordings of ravdess, 3 epochs" in lines
    assert "fold    seed 1    seed 2      mean" in lines
    assert "   2     0.500     0.300     0.400" in lines
    assert "   4     0.500     0.300     0.400" in lines
    assert "UAR 0.400 +- 0.141 over the seeds" in lines
    assert "accuracy 0.300 +- 0.012 over the seeds" in lines
    assert not any("random" in line or "leak" in line for line in lines)


def test_a_table_tells_what_a_random_split_leaks() -> None:
    table = baseline.as_table(_document(actors=0.4, random=0.65))
    assert "not a figure for unknown voices" in table
    assert table.endswith("the leak: +0.250 UAR for having heard the same voices in training")


def test_an_incomplete_corpus_is_refused_before_it_is_read(recordings: Path, tmp_path: Path) -> None:
    for path in recordings.glob("*.wav"):
        if not path.stem.endswith("-07"):
            (tmp_path / path.name).write_bytes(b"not looked into")
    with pytest.raises(DataError, match="no recordings of ravdess 7; the folds need all 24 actors"):
        run("cnn", "--data", tmp_path)


def test_another_corpus_than_lies_there_is_refused(recordings: Path) -> None:
    with pytest.raises(DataError, match="no recordings of crema-d; --corpus"):
        run("lstm", "--data", recordings, "--corpus", "crema-d")


@pytest.mark.parametrize("words", [("--folds", "0"), ("--folds", "1,6"), ("--folds", "one"), ("--seeds", "0")])
def test_wrong_words_are_refused(words: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run("cnn", "--data", ".", *words)
    assert caught.value.code == 2
    assert words[1] in capsys.readouterr().err
