"""The baselines' folds and runs: who is on which side, what chooses the epoch, what a random split gives away."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras")
pytest.importorskip("sklearn")

import keras
from sklearn.neighbors import KNeighborsClassifier

from edge.errors import DataError
from training.baselines.networks import NETWORKS
from training.baselines.runs import (
    FoldFigures,
    Network,
    Split,
    actor_splits,
    random_splits,
    run_all,
    run_fold,
    summarise,
)
from training.datasets.speech_corpora import RAVDESS, Clip

pytestmark = pytest.mark.tensorflow

EMOTIONS = ("angry", "calm", "happy", "sad")
TAKES = 2
SIZE = 24


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    """Two takes of four emotions by all 24 actors."""
    return [
        Clip(Path(f"{actor}-{emotion}-{take}.wav"), RAVDESS, f"ravdess {actor}", emotion)
        for actor in range(1, 25)
        for emotion in EMOTIONS
        for take in range(TAKES)
    ]


@pytest.fixture(scope="module")
def emotions(clips: list[Clip]) -> list[str]:
    return [clip.emotion for clip in clips]


@pytest.fixture(scope="module")
def telling(emotions: list[str]) -> np.ndarray:
    """Features that tell the emotion, whoever speaks: it is their level."""
    levels = np.array([EMOTIONS.index(emotion) for emotion in emotions])[:, None]
    noise = np.random.default_rng(1).normal(0, 0.1, (len(emotions), SIZE))
    return (levels + noise).astype(np.float32)


@pytest.fixture(scope="module")
def murmured(telling: np.ndarray) -> np.ndarray:
    """The same under noise, so that figures differ from run to run."""
    return telling + np.random.default_rng(2).normal(0, 8, telling.shape).astype(np.float32)


def _parts(split: Split) -> tuple[np.ndarray, ...]:
    return split.train, split.validation, split.test


def test_no_actor_is_in_two_parts(clips: list[Clip]) -> None:
    splits = actor_splits(clips, RAVDESS)
    assert sorted(np.concatenate([split.test for split in splits]).tolist()) == list(range(len(clips)))
    for split in splits:
        assert sorted(np.concatenate(_parts(split)).tolist()) == list(range(len(clips)))
        people = [{clips[index].speaker for index in part} for part in _parts(split)]
        assert [len(each) for each in people] == [24 - len(people[1]) - len(people[2]), 2, len(people[2])]
        assert len(set.union(*people)) == 24


def test_folds_of_too_few_actors_are_refused(clips: list[Clip]) -> None:
    with pytest.raises(DataError, match="no recordings of ravdess 24"):
        actor_splits([clip for clip in clips if clip.speaker != "ravdess 24"], RAVDESS)


def test_a_random_split_has_all_actors_on_all_sides(clips: list[Clip], emotions: list[str]) -> None:
    splits = random_splits(clips, 1)
    assert sorted(np.concatenate([split.test for split in splits]).tolist()) == list(range(len(clips)))
    for split in splits:
        assert sorted(np.concatenate(_parts(split)).tolist()) == list(range(len(clips)))
        assert len(split.validation) == len(clips) / 12
        assert len({clips[index].speaker for index in split.train}) == 24
        counts = [sum(emotions[index] == emotion for index in split.test) for emotion in EMOTIONS]
        assert max(counts) - min(counts) <= 1


def test_a_random_split_is_its_seeds(clips: list[Clip]) -> None:
    first, again, other = (random_splits(clips, seed)[0] for seed in (1, 1, 2))
    for one, same in zip(_parts(first), _parts(again), strict=True):
        np.testing.assert_array_equal(one, same)
    assert not np.array_equal(first.test, other.test)


@pytest.mark.parametrize("network", NETWORKS)
def test_networks_answer_with_logits(network: str) -> None:
    model = NETWORKS[network](168, 8)
    assert model.output_shape == (None, 8)
    inputs = np.random.default_rng(1).normal(0, 50, (3, 168, 1)).astype(np.float32)
    assert not np.allclose(keras.ops.convert_to_numpy(model(inputs)).sum(axis=1), 1)


@pytest.mark.parametrize(("network", "parameters"), [("cnn", 104328), ("lstm", 77160)])
def test_networks_are_as_large_as_the_tutorials(network: str, parameters: int) -> None:
    assert NETWORKS[network](168, 8).count_params() == parameters


@pytest.mark.parametrize("network", NETWORKS)
def test_networks_learn_what_the_features_tell(
    clips: list[Clip], emotions: list[str], telling: np.ndarray, network: Network
) -> None:
    ticks: list[None] = []
    split = actor_splits(clips, RAVDESS)[0]
    figures = run_fold(network, telling, emotions, split, seed=1, epochs=12, tick=partial(ticks.append, None))
    assert figures.recall > 0.6  # the chance is a quarter
    assert figures.recordings == len(split.test)
    assert len(ticks) == 12


def test_the_same_seed_gives_the_same_figures(clips: list[Clip], emotions: list[str], murmured: np.ndarray) -> None:
    split = actor_splits(clips, RAVDESS)[1]
    first, again, other = (run_fold("cnn", murmured, emotions, split, seed=seed, epochs=3) for seed in (1, 1, 2))
    assert first == again
    assert (first.recall, first.validation_recall) != (other.recall, other.validation_recall)


def test_the_test_recordings_change_nothing_that_is_trained_or_chosen(
    clips: list[Clip], emotions: list[str], murmured: np.ndarray
) -> None:
    split = actor_splits(clips, RAVDESS)[2]
    changed = murmured.copy()
    changed[split.test] = 100 * changed[split.test][::-1]
    first, second = (run_fold("cnn", vectors, emotions, split, seed=1, epochs=3) for vectors in (murmured, changed))
    assert (first.epoch, first.validation_recall) == (second.epoch, second.validation_recall)
    assert first.recall != second.recall


def test_the_epoch_that_does_best_on_validation_is_scored(
    clips: list[Clip], emotions: list[str], telling: np.ndarray
) -> None:
    """The validation recordings are labelled wrongly: the more is learned, the worse they are read."""
    split = actor_splits(clips, RAVDESS)[3]
    wrong = list(emotions)
    for index in split.validation:
        wrong[index] = EMOTIONS[EMOTIONS.index(emotions[index]) - 2]
    figures = run_fold("cnn", telling, wrong, replace(split, test=split.validation), seed=1, epochs=10)
    assert figures.epoch < 10
    assert figures.recall == figures.validation_recall


def test_a_random_split_rewards_knowing_the_voice(clips: list[Clip], emotions: list[str]) -> None:
    """Each actor shows an emotion in a way of their own: nothing to learn for another voice, all for a known one."""
    rng = np.random.default_rng(3)
    own = np.repeat(rng.normal(size=(24 * len(EMOTIONS), SIZE)), TAKES, axis=0)
    vectors = own + rng.normal(0, 0.02, own.shape)
    words = np.array(emotions)

    def nearest(split: Split) -> float:
        known = KNeighborsClassifier(1).fit(vectors[split.train], words[split.train])
        return float(known.score(vectors[split.test], words[split.test]))

    assert np.mean([nearest(split) for split in actor_splits(clips, RAVDESS)]) < 0.4
    assert np.mean([nearest(split) for split in random_splits(clips, 1)]) > 0.7


def test_every_fold_asked_for_runs_with_every_seed(clips: list[Clip], emotions: list[str], telling: np.ndarray) -> None:
    figures = run_all(
        "cnn",
        telling,
        emotions,
        lambda _: actor_splits(clips, RAVDESS),
        folds=(2, 5),
        seeds=2,
        epochs=1,
        progress=False,
    )
    assert [(each.seed, each.fold) for each in figures] == [(1, 2), (1, 5), (2, 2), (2, 5)]


def test_the_deviation_is_that_of_the_seeds_means() -> None:
    recalls = {(1, 1): 0.2, (2, 1): 0.6, (1, 2): 0.5, (2, 2): 0.5}
    figures = [FoldFigures(fold, seed, 10, 1, 0.5, recall, 0.5) for (fold, seed), recall in recalls.items()]
    summary = summarise(figures)
    assert summary["recall"]["mean"] == pytest.approx(0.45)
    assert summary["recall"]["deviation_over_seeds"] == pytest.approx(np.std([0.4, 0.5], ddof=1))
    assert summarise(figures[:1])["recall"] == {"mean": 0.2, "deviation_over_seeds": 0.0}
