"""The folds of the speech corpora: nobody is on two sides, everybody is the test once."""

from __future__ import annotations

import pytest

from edge.errors import DataError
from training.datasets.speech_corpora import CREMA_D, RAVDESS
from training.datasets.speech_folds import RAVDESS_FOLDS, crema_folds, speaker_folds

ACTORS = [f"crema-d {actor}" for actor in range(1001, 1092)]


def test_each_ravdess_actor_is_the_test_of_one_fold() -> None:
    assert sorted(actor for test, _ in RAVDESS_FOLDS for actor in test) == list(range(1, 25))


@pytest.mark.parametrize(("test", "validation"), RAVDESS_FOLDS)
def test_both_sexes_are_in_each_ravdess_group_and_nobody_in_two(
    test: tuple[int, ...], validation: tuple[int, ...]
) -> None:
    assert not set(test) & set(validation)
    for group in (test, validation):
        assert {actor % 2 for actor in group} == {0, 1}


def test_each_crema_speaker_is_the_test_of_one_fold() -> None:
    folds = crema_folds(reversed(ACTORS))
    assert sorted(speaker for test, _ in folds for speaker in test) == ACTORS
    for number, (test, validation) in enumerate(folds):
        assert test == tuple(ACTORS[number::5])
        assert validation == tuple(ACTORS[(number + 1) % 5 :: 5])
        assert not set(test) & set(validation)


def test_too_few_speakers_are_refused() -> None:
    with pytest.raises(ValueError, match="3 speakers are too few for 5 folds"):
        crema_folds(ACTORS[:3])


def test_folds_go_by_the_names_that_recordings_carry() -> None:
    speakers = [f"ravdess {actor}" for actor in range(1, 25)]
    folds = speaker_folds(RAVDESS, speakers)
    assert folds[4] == (("ravdess 1", "ravdess 4", "ravdess 9", "ravdess 22"), ("ravdess 2", "ravdess 5"))
    assert sorted(name for test, _ in folds for name in test) == sorted(speakers)
    assert speaker_folds(CREMA_D, ACTORS) == crema_folds(ACTORS)


@pytest.mark.parametrize(
    ("corpus", "speakers", "message"),
    [
        (RAVDESS, [f"ravdess {actor}" for actor in range(3, 25)], "no recordings of ravdess 2, ravdess 1; .* all 24"),
        (CREMA_D, ACTORS[:3], "3 speakers are too few"),
    ],
)
def test_folds_of_a_part_of_a_corpus_are_refused(corpus: str, speakers: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        speaker_folds(corpus, speakers)
