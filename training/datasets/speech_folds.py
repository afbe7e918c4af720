"""Actor-disjoint folds of the acted speech corpora: who is the test, and who chooses among epochs."""

from __future__ import annotations

from collections.abc import Iterable

from edge.errors import DataError
from training.datasets.speech_corpora import CREMA_D, RAVDESS

FOLDS = 5

RAVDESS_FOLDS: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = (
    ((2, 5, 14, 15, 16), (3, 6)),
    ((3, 6, 7, 13, 18), (10, 11)),
    ((10, 11, 12, 19, 20), (8, 17)),
    ((8, 17, 21, 23, 24), (1, 14)),
    ((1, 4, 9, 22), (2, 5)),
)
"""(test actors, validation actors) of each fold; all other actors are trained on. The test actors are those of
Luna-Jiménez et al. 2021 ("Multimodal emotion recognition on RAVDESS dataset using transfer learning"), so that figures
compare; both sexes are in every test and validation group."""

SpeakerFold = tuple[tuple[str, ...], tuple[str, ...]]
"""Names of the test speakers and of the validation speakers."""


def crema_folds(speakers: Iterable[str]) -> list[SpeakerFold]:
    """Test and validation speakers of five folds of CREMA-D: each speaker is the test of one.

    Parameters
    ----------
    speakers
        Names, in any order, as `Clip.speaker` has them.

    Returns
    -------
    One (test speakers, validation speakers) each.

    Raises
    ------
    ValueError
        Fewer speakers than folds.
    """
    names = sorted(set(speakers))
    if len(names) < FOLDS:
        raise ValueError(f"{len(names)} speakers are too few for {FOLDS} folds")
    groups = [tuple(names[first::FOLDS]) for first in range(FOLDS)]
    return [(test, groups[(fold + 1) % FOLDS]) for fold, test in enumerate(groups)]


def speaker_folds(corpus: str, speakers: Iterable[str]) -> list[SpeakerFold]:
    """The folds of a corpus, by the names of its speakers.

    Parameters
    ----------
    corpus
        RAVDESS or CREMA_D.
    speakers
        Of all its recordings, as `Clip.speaker` has them.

    Raises
    ------
    DataError
        Recordings of a speaker are missing: folds of other speakers would not compare.
    """
    names = set(speakers)
    if corpus == CREMA_D:
        try:
            return crema_folds(names)
        except ValueError as error:
            raise DataError(f"{corpus}: {error}; the folds need the whole corpus") from None
    folds = [(_named(test), _named(validation)) for test, validation in RAVDESS_FOLDS]
    if missing := [name for test, _ in folds for name in test if name not in names]:
        raise DataError(f"{corpus}: no recordings of {', '.join(missing)}; the folds need all 24 actors")
    return folds


def _named(actors: Iterable[int]) -> tuple[str, ...]:
    return tuple(f"{RAVDESS} {actor}" for actor in actors)
