"""A speech model's figures: recall by speaker, corpus and group, its uncertainty, and listeners beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.metrics import recall_score

from training.datasets.speech_corpora import Clip
from training.evaluation.speech_figures import (
    Answers,
    beside_listeners,
    by_corpus,
    by_group,
    measure_part,
    voices,
)

NAMES = ("angry", "happy", "neutral", "no speech")


def clip(number: int, speaker: str, corpus: str = "crema-d", **groups: str) -> Clip:
    return Clip(Path(f"{number}.wav"), corpus, f"{corpus} {speaker}", "", groups=groups)


def drawn(speakers: int, each: int, spread: float, *, corpus: str = "crema-d", seed: int = 0) -> Answers:
    """Three classes; each speaker is understood in a part of the cases that varies by `spread` between speakers."""
    rng = np.random.default_rng(seed)
    clips, labels, answers = [], [], []
    for speaker in range(speakers):
        skill = np.clip(rng.normal(0.6, spread), 0, 1)
        for number in range(each):
            label = number % 3
            clips.append(clip(speaker * each + number, str(speaker), corpus))
            labels.append(label)
            answers.append(label if rng.random() < skill else (label + rng.integers(1, 3)) % 3)
    return Answers(clips, np.array(labels), np.array(answers), NAMES)


def test_recall_and_accuracy() -> None:
    labels, answers = np.array([0, 0, 0, 0, 1, 2, 2]), np.array([0, 0, 0, 1, 0, 2, 3])
    part = measure_part(Answers([clip(n, "1") for n in range(7)], labels, answers, NAMES))
    assert part.unweighted_average_recall == pytest.approx((0.75 + 0 + 0.5) / 3), "no speech does not occur in truth"
    assert part.accuracy == pytest.approx(4 / 7)
    assert (part.recordings, part.speakers, part.too_few) == (7, 1, True)
    assert part.unweighted_average_recall_interval is part.accuracy_interval is None, "one speaker tells of no other"


def test_recall_is_scikit_learn_s() -> None:
    answers = drawn(12, 15, 0.2)
    expected = recall_score(answers.labels, answers.answers, average="macro")
    assert measure_part(answers).unweighted_average_recall == pytest.approx(expected)


def test_the_interval_is_that_of_speakers() -> None:
    """Twenty speakers who differ say less than as many recordings of speakers who are alike."""
    alike, differing = (measure_part(drawn(20, 60, spread)).accuracy_interval for spread in (0.0, 0.25))
    assert alike is not None
    assert differing is not None
    by_recording = 2 * 1.96 * np.sqrt(0.6 * 0.4 / 1200)
    assert alike[1] - alike[0] == pytest.approx(by_recording, rel=0.4)
    # What the mean of twenty draws with a deviation of a quarter, and the recordings, leave open.
    assert differing[1] - differing[0] == pytest.approx(2 * 1.96 * np.sqrt(0.22**2 / 20 + 0.24 / 1200), rel=0.4)


def test_the_interval_holds_the_truth_nearly_always() -> None:
    held = 0
    for seed in range(60):
        interval = measure_part(drawn(25, 12, 0.15, seed=seed)).accuracy_interval
        assert interval is not None
        held += interval[0] <= 0.6 <= interval[1]
    assert 50 <= held <= 60


def test_the_interval_is_the_same_each_time() -> None:
    assert measure_part(drawn(8, 9, 0.2)) == measure_part(drawn(8, 9, 0.2))


def test_corpora_are_drawn_apart() -> None:
    """Each resample has as many speakers of each corpus: what differs between corpora is not uncertainty."""
    good, bad = drawn(10, 30, 0.0), drawn(10, 30, 0.0, corpus="ravdess")
    answers = Answers(
        [*good.clips, *bad.clips],
        np.concatenate([good.labels, bad.labels]),
        np.concatenate([good.labels, (bad.labels + 1) % 3]),
        NAMES,
    )
    part = measure_part(answers)
    assert part.accuracy == 0.5
    assert part.accuracy_interval == (0.5, 0.5)


def test_sounds_are_drawn_one_by_one() -> None:
    clips = [clip(number, str(number % 2), "sounds") for number in range(40)]
    labels = np.full(40, 3)
    answers = np.where(np.arange(40) < 30, 3, 0)
    part = measure_part(Answers(clips, labels, answers, NAMES))
    assert part.speakers == 0
    assert part.accuracy_interval is not None
    assert part.accuracy_interval[0] == pytest.approx(0.75 - 1.96 * np.sqrt(0.75 * 0.25 / 40), abs=0.03)


def with_sounds() -> Answers:
    voice = drawn(6, 9, 0.1)
    clips = [*voice.clips, *(clip(900 + number, "1", "sounds") for number in range(30))]
    return Answers(
        clips,
        np.concatenate([voice.labels, np.full(30, 3)]),
        np.concatenate([voice.answers, np.full(30, 3)]),
        NAMES,
    )


def test_what_is_spoken_alone() -> None:
    answers = with_sounds()
    spoken, whole = voices(answers), measure_part(answers)
    assert spoken is not None
    assert (spoken.recordings, spoken.speakers) == (54, 6)
    assert (whole.recordings, whole.speakers) == (84, 6)
    # The fourth class, which is always right, lifts the mean of four.
    assert whole.unweighted_average_recall == pytest.approx((3 * spoken.unweighted_average_recall + 1) / 4)
    sounds = answers.part(np.array([each.corpus == "sounds" for each in answers.clips]))
    assert voices(sounds) is None


def test_by_corpus() -> None:
    found = by_corpus(with_sounds())
    assert list(found) == ["crema-d", "sounds"]
    assert found["sounds"].accuracy == 1.0
    assert found["crema-d"] == voices(with_sounds())


def test_by_group() -> None:
    groups = [{"sex": "female", "race": "asian"}, {"sex": "male"}, {"sex": "female", "race": "caucasian"}, {}]
    clips = [clip(number, str(number % 4), **groups[number % 4]) for number in range(160)]
    labels = np.arange(160) // 4 % 3
    answers = np.where(np.arange(160) % 4 == 1, (labels + 1) % 3, labels)
    found = by_group(Answers(clips, labels, answers, NAMES))
    assert list(found) == ["sex", "race"], "nobody's age is told"
    assert list(found["sex"]) == ["female", "male"]
    assert (found["sex"]["female"].recordings, found["sex"]["female"].speakers) == (80, 2)
    assert (found["sex"]["female"].accuracy, found["sex"]["male"].accuracy) == (1.0, 0.0)
    assert found["race"]["asian"].too_few, "one speaker, whatever the number of recordings"


@pytest.mark.parametrize(("speakers", "each", "too_few"), [(5, 6, False), (4, 60, True), (29, 1, True), (30, 1, False)])
def test_parts_that_are_too_small_are_marked(speakers: int, each: int, too_few: bool) -> None:
    assert measure_part(drawn(speakers, each, 0.1)).too_few == too_few


def test_listeners_beside_the_model() -> None:
    stems = ["1001_DFA_ANG_XX", "1001_DFA_HAP_XX", "1001_DFA_NEU_XX", "1002_ITH_NEU_X", "03-01-01-01-01-01-01"]
    clips = [Clip(Path(f"{stem}.wav"), "ravdess" if "-" in stem else "crema-d", "", "") for stem in stems]
    answers = Answers(clips, np.array([0, 1, 2, 2, 2]), np.array([0, 0, 2, 0, 2]), NAMES)
    votes = {
        "1001_DFA_ANG_XX": ("angry",),
        "1001_DFA_HAP_XX": ("happy", "neutral"),
        "1001_DFA_NEU_XX": ("calm",),
        "1002_ITH_NEU_XX": ("angry",),
        "1099_DFA_NEU_XX": ("neutral",),
    }
    found = beside_listeners(answers, votes, {"calm": "neutral"})
    assert found is not None
    assert (found.recordings, found.ties) == (4, 1), "RAVDESS has no votes"
    assert found.accuracy == pytest.approx(2 / 4), "the tie is wrong, and so is an angry one that was neutral"
    assert found.unweighted_average_recall == pytest.approx((1 + 0 + 0.5) / 3)
    assert found.model_accuracy == pytest.approx(2 / 4)
    assert found.model_unweighted_average_recall == pytest.approx((1 + 0 + 0.5) / 3)
    assert found.model_agreement == 1.0, "on the three without a tie"
    assert beside_listeners(answers.part(np.arange(5) == 4), votes, {}) is None
