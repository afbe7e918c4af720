"""What a speech model is worth, speaker by speaker: recall with its uncertainty, by corpus, by group, beside listeners.

The recordings of one speaker resemble each other: an interval that took each as new evidence would be far too narrow.
Speakers are drawn anew instead (a cluster bootstrap), within each corpus; sounds, in which nobody speaks, one by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from training.datasets.speech_corpora import CREMA_D, SOUNDS, Clip
from training.datasets.speech_votes import vote_key
from training.evaluation.metrics import Integers

ROUNDS = 4000
"""Of the bootstrap."""

LEAST_SPEAKERS = 5
"""Below, there is no interval: a handful of speakers drawn again and again says nothing about others."""

LEAST_RECORDINGS = 30
"""Parts with fewer, or with fewer than `LEAST_SPEAKERS`, are marked: their figures are no evidence."""

GROUPS = ("sex", "age", "race", "ethnicity")

Interval = tuple[float, float]


@dataclass(frozen=True)
class Answers:
    """A model's answers to recordings whose labels are known."""

    clips: Sequence[Clip]
    labels: Integers
    """(n,)"""
    answers: Integers
    """(n,)"""
    names: Sequence[str]
    """The classes, in the order of their numbers."""

    def part(self, chosen: npt.NDArray[np.bool_]) -> Answers:
        """The recordings that are chosen."""
        clips = [clip for clip, take in zip(self.clips, chosen, strict=True) if take]
        return Answers(clips, self.labels[chosen], self.answers[chosen], self.names)


@dataclass(frozen=True)
class PartFigures:
    """Figures on all recordings, or on some."""

    recordings: int
    speakers: int
    unweighted_average_recall: float
    """UAR: mean recall of the classes that occur in truth, 0 to 1."""
    unweighted_average_recall_interval: Interval | None
    """95 % bootstrap interval over speakers; None where there are fewer than `LEAST_SPEAKERS`."""
    accuracy: float
    accuracy_interval: Interval | None
    too_few: bool
    """Fewer than `LEAST_RECORDINGS` recordings or `LEAST_SPEAKERS` speakers."""

    def as_dict(self) -> dict[str, Any]:
        """Plain types for JSON; floats rounded to five places."""
        return rounded(asdict(self))


@dataclass(frozen=True)
class Listeners:
    """People beside the model, on the same recordings, by voice alone (Cao et al. 2014)."""

    recordings: int
    """CREMA-D's with votes."""
    accuracy: float
    """Part of them in which the emotion that most listeners named is the acted one; a tie counts as wrong."""
    unweighted_average_recall: float
    ties: int
    model_accuracy: float
    """The model's, of the same recordings and the same acted emotions."""
    model_unweighted_average_recall: float
    model_agreement: float | None
    """Part of the recordings without a tie in which the model names what most listeners named."""

    def as_dict(self) -> dict[str, Any]:
        """Plain types for JSON; floats rounded to five places."""
        return rounded(asdict(self))


def measure_part(answers: Answers) -> PartFigures:
    """Figures of a non-empty part, with intervals over its speakers."""
    counts, corpora = _counts_by_unit(answers)
    recall, accuracy = _figures(counts.sum(axis=0))
    # Recordings of nobody are as many units as there are recordings.
    speakers = {clip.speaker for clip in answers.clips if clip.corpus != SOUNDS}
    recalls, accuracies = _figures(_drawn_anew(counts, corpora))
    enough = len(speakers or answers.clips) >= LEAST_SPEAKERS
    return PartFigures(
        recordings=len(answers.clips),
        speakers=len(speakers),
        unweighted_average_recall=float(recall),
        unweighted_average_recall_interval=_interval(recalls) if enough else None,
        accuracy=float(accuracy),
        accuracy_interval=_interval(accuracies) if enough else None,
        too_few=not enough or len(answers.clips) < LEAST_RECORDINGS,
    )


def voices(answers: Answers) -> PartFigures | None:
    """Figures on what is spoken alone: the emotions, where 'no speech' is as wrong as any other; None without any."""
    chosen = np.array([clip.corpus != SOUNDS for clip in answers.clips], bool)
    return measure_part(answers.part(chosen)) if chosen.any() else None


def by_corpus(answers: Answers) -> dict[str, PartFigures]:
    """Figures on each corpus."""
    return _by_value(answers, [clip.corpus for clip in answers.clips])


def by_group(answers: Answers) -> dict[str, dict[str, PartFigures]]:
    """Figures on the speakers of each sex, age, race and ethnicity, where the corpora tell them."""
    found = {}
    for group in GROUPS:
        if rows := _by_value(answers, [clip.groups.get(group, "") for clip in answers.clips]):
            found[group] = rows
    return found


def beside_listeners(
    answers: Answers, votes: Mapping[str, tuple[str, ...]], merge: Mapping[str, str]
) -> Listeners | None:
    """The model and CREMA-D's listeners on the same recordings.

    Parameters
    ----------
    votes
        As `read_voice_votes` gives them.
    merge
        The recipe's: emotions that are taken as another one.

    Returns
    -------
    None where no recording has votes.
    """
    keys = [vote_key(clip.path.stem) if clip.corpus == CREMA_D else "" for clip in answers.clips]
    used = answers.part(np.array([key in votes for key in keys], bool))
    if not used.clips:
        return None
    numbers = {name: number for number, name in enumerate(answers.names)}
    heard = np.array([_most(votes[key], merge, numbers) for key in keys if key in votes], np.int64)
    single = np.array([len(votes[key]) == 1 for key in keys if key in votes], bool)
    right = heard == used.labels
    model_right = used.answers == used.labels
    classes = np.unique(used.labels)
    return Listeners(
        recordings=len(used.clips),
        accuracy=float(right.mean()),
        unweighted_average_recall=_mean_recall(right, used.labels, classes),
        ties=int((~single).sum()),
        model_accuracy=float(model_right.mean()),
        model_unweighted_average_recall=_mean_recall(model_right, used.labels, classes),
        model_agreement=float((used.answers == heard)[single].mean()) if single.any() else None,
    )


def rounded(values: dict[str, Any]) -> dict[str, Any]:
    """Floats to five places, tuples as lists."""
    return {
        key: round(value, 5)
        if isinstance(value, float)
        else [round(each, 5) for each in value]
        if isinstance(value, tuple)
        else value
        for key, value in values.items()
    }


def _by_value(answers: Answers, values: Sequence[str]) -> dict[str, PartFigures]:
    """Figures on the recordings of each value; those with an empty one are left out."""
    column = np.array(values)
    return {value: measure_part(answers.part(column == value)) for value in sorted(set(values) - {""})}


def _most(named: tuple[str, ...], merge: Mapping[str, str], numbers: Mapping[str, int]) -> int:
    """Number of the label that most listeners named; -1 for a tie and for what is none of the labels."""
    return numbers.get(merge.get(named[0], named[0]), -1) if len(named) == 1 else -1


def _mean_recall(right: npt.NDArray[np.bool_], labels: Integers, classes: Integers) -> float:
    return float(np.mean([right[labels == each].mean() for each in classes]))


def _counts_by_unit(answers: Answers) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.str_]]:
    """(units, classes, classes) confusion of each speaker or sound, and (units,) its corpus."""
    units: dict[str, int] = {}
    corpora: list[str] = []
    index = []
    for clip in answers.clips:
        name = str(clip.path) if clip.corpus == SOUNDS else clip.speaker
        if name not in units:
            units[name] = len(units)
            corpora.append(clip.corpus)
        index.append(units[name])
    shape = len(units), len(answers.names), len(answers.names)
    cells = np.ravel_multi_index((np.array(index), answers.labels, answers.answers), shape)
    return np.bincount(cells, minlength=int(np.prod(shape))).reshape(shape), np.array(corpora)


def _drawn_anew(counts: npt.NDArray[np.int64], corpora: npt.NDArray[np.str_]) -> npt.NDArray[np.int64]:
    """(rounds, classes, classes) confusion of as many units, drawn with replacement within each corpus."""
    rng = np.random.default_rng(0)
    flat = counts.reshape(len(counts), -1)
    total = np.zeros((ROUNDS, flat.shape[1]), np.int64)
    for corpus in np.unique(corpora):
        own = flat[corpora == corpus]
        total += rng.multinomial(len(own), np.full(len(own), 1 / len(own)), size=ROUNDS) @ own
    return total.reshape(ROUNDS, *counts.shape[1:])


def _figures(counts: npt.NDArray[np.int64]) -> tuple[Any, Any]:
    """UAR and accuracy of confusions (..., classes, classes); classes that do not occur are left out."""
    right = np.diagonal(counts, axis1=-2, axis2=-1)
    support = counts.sum(axis=-1)
    recall = np.where(support > 0, right / np.maximum(support, 1), 0)
    return recall.sum(axis=-1) / (support > 0).sum(axis=-1), right.sum(axis=-1) / support.sum(axis=-1)


def _interval(values: Any) -> Interval:
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)
