"""Speech recipes on speakers that they were not trained on: actor-disjoint folds, and one corpus after the other.

Each fold is a run of its own in a folder of its own, and its figures are written there when it ends: what is stopped
goes on where it was.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from edge.errors import DataError
from training import quantize_speech, speech
from training.datasets.speech_corpora import CREMA_D, RAVDESS, Clip
from training.datasets.speech_folds import RAVDESS_FOLDS, crema_folds
from training.datasets.speech_spectra import Cleaning, Spectrum
from training.fit import save_float
from training.recipe import SpeechRecipe

Protocol = Literal["ravdess", "crema-d", "cross"]

LABELS = {
    RAVDESS: ("angry", "calm", "disgust", "fearful", "happy", "neutral", "sad", "surprised"),
    CREMA_D: ("angry", "disgust", "fearful", "happy", "neutral", "sad"),
}

COMMON = LABELS[CREMA_D]
"""What both corpora have; RAVDESS's calm counts as neutral, its surprised is left out."""


@dataclass(frozen=True)
class Fold:
    """One run: who is trained on, who chooses, who is the test."""

    name: str
    """Of the run; 'ravdess_2_seed1'."""
    test: str
    """What runs that belong together have in common: the protocol, or the way from corpus to corpus."""
    recipe: SpeechRecipe


@dataclass(frozen=True)
class FoldFigures:
    """What a fold's model is worth on its test speakers."""

    name: str
    test: str
    seed: int
    recordings: int
    epoch: int
    """That the validation speakers chose."""
    validation_recall: float
    recall: float
    """Unweighted average recall of the float model on the test speakers, 0 to 1."""
    recall_int8: float
    accuracy: float
    accuracy_int8: float
    per_class: dict[str, float]
    """Recall of each class, int8."""


def corpora_of(recipe: SpeechRecipe, protocol: Protocol) -> tuple[str, ...]:
    """What a protocol's runs read: what else the recipe is trained on may help; nobody in it is tested."""
    if protocol == "cross":
        return (CREMA_D, RAVDESS)
    return recipe.data.corpora if protocol in recipe.data.corpora else (protocol,)


def folds(recipe: SpeechRecipe, protocol: Protocol, clips: Sequence[Clip], seeds: Sequence[int]) -> list[Fold]:
    """All runs of a protocol, fold by fold, for each seed.

    Parameters
    ----------
    recipe
        Its network, features, augmentation and schedule; data and seed are the protocol's.
    protocol
        'ravdess': 8 classes, five folds; 'crema-d': 6 classes, five folds; 'cross': trained on one corpus, tested on
        the whole other one, both ways, with the labels that both have.
    """
    found = []
    for seed in seeds:
        if protocol == "cross":
            found += [_across(recipe, seed, *pair, clips) for pair in ((CREMA_D, RAVDESS), (RAVDESS, CREMA_D))]
            continue
        for number, (test, validation) in enumerate(_speakers(protocol, clips), start=1):
            data = {
                "corpora": corpora_of(recipe, protocol),
                "most_each_epoch": recipe.data.most_each_epoch,
                "labels": LABELS[protocol],
                "test_speakers": test,
                "validation_speakers": validation,
            }
            found.append(_fold(recipe, protocol, f"_{number}", seed, data))
    return found


def run_fold(
    fold: Fold,
    spectra: Sequence[Spectrum],
    cleaning: Cleaning,
    out: Path,
    *,
    start: Path | None = None,
    progress: bool = False,
) -> FoldFigures:
    """Train, quantise and score one fold, or read its figures where it was done before.

    Parameters
    ----------
    out
        Folder of all folds' runs; this one's is below.
    start
        A float model that the weights begin with; none of the test speakers may have been used for it.
    """
    folder = out / fold.name
    result = folder / "figures.json"
    if result.is_file():
        return _read(result, fold)
    recipe = fold.recipe
    splits = speech.split(spectra, cleaning, recipe)
    net, state = speech.train_float(recipe, splits, folder, start=start, progress=progress)
    save_float(net.full, folder / f"{fold.name}.keras")
    written = quantize_speech.quantize_speech(recipe, net, state, splits, folder, folder, progress=progress)
    test = speech.validation_of(splits, splits.test, recipe)
    reference = np.asarray(net.full.predict(test.windows, batch_size=128, verbose=0), np.float32)
    answers = quantize_speech.answer(written.path, test.windows)
    hits = answers.argmax(axis=1) == test.labels
    figures = FoldFigures(
        name=fold.name,
        test=fold.test,
        seed=recipe.seed,
        recordings=len(test.labels),
        epoch=state.best_epoch,
        validation_recall=state.best_score,
        recall=speech.unweighted_recall(reference, test.labels),
        recall_int8=speech.unweighted_recall(answers, test.labels),
        accuracy=float((reference.argmax(axis=1) == test.labels).mean()),
        accuracy_int8=float(hits.mean()),
        per_class={
            label: float(hits[test.labels == number].mean())
            for number, label in enumerate(recipe.data.labels)
            if (test.labels == number).any()
        },
    )
    partial = result.with_suffix(".partial")
    partial.write_text(json.dumps(asdict(figures) | {"recipe": recipe.as_dict()}, indent=1) + "\n")
    partial.replace(result)
    return figures


def summarise(figures: Sequence[FoldFigures]) -> dict[str, dict[str, dict[str, float]]]:
    """For each test and figure: mean over folds and seeds, and the standard deviation of the seeds' means."""
    summary: dict[str, dict[str, dict[str, float]]] = {}
    for test in dict.fromkeys(each.test for each in figures):
        runs = [each for each in figures if each.test == test]
        summary[test] = {}
        for key in ("recall", "recall_int8", "accuracy", "accuracy_int8"):
            by_seed = [
                statistics.mean(getattr(each, key) for each in runs if each.seed == seed)
                for seed in sorted({each.seed for each in runs})
            ]
            summary[test][key] = {
                "mean": statistics.mean(by_seed),
                "deviation_over_seeds": statistics.stdev(by_seed) if len(by_seed) > 1 else 0.0,
            }
    return summary


def _speakers(corpus: str, clips: Sequence[Clip]) -> list[tuple[list[str], list[str]]]:
    """(test, validation) speakers of each fold."""
    if corpus == RAVDESS:
        return [
            ([f"{RAVDESS} {actor}" for actor in test], [f"{RAVDESS} {actor}" for actor in validation])
            for test, validation in RAVDESS_FOLDS
        ]
    return [(list(test), list(validation)) for test, validation in crema_folds(_all_speakers(CREMA_D, clips))]


def _all_speakers(corpus: str, clips: Sequence[Clip]) -> list[str]:
    return sorted({clip.speaker for clip in clips if clip.corpus == corpus})


def _across(recipe: SpeechRecipe, seed: int, trained: str, tested: str, clips: Sequence[Clip]) -> Fold:
    data = {
        "corpora": [trained, tested],
        "labels": COMMON,
        "merge": {"calm": "neutral"},
        "test_speakers": _all_speakers(tested, clips),
        "validation_speakers": _speakers(trained, clips)[0][1],
    }
    return _fold(recipe, f"{trained}_to_{tested}", "", seed, data)


def _fold(recipe: SpeechRecipe, test: str, number: str, seed: int, data: Mapping[str, object]) -> Fold:
    name = f"{test}{number}_seed{seed}"
    own = {"name": name, "seed": seed, "data": {"trim": recipe.data.trim, **data}}
    return Fold(name, test, SpeechRecipe.model_validate(recipe.as_dict() | own))


def _read(path: Path, fold: Fold) -> FoldFigures:
    try:
        document = json.loads(path.read_text())
        if document.pop("recipe") != fold.recipe.as_dict():
            raise DataError(f"{path}: figures of another recipe; name another --out, or delete the folder")
        return FoldFigures(**document)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not the figures of a fold: {error}; delete it to run the fold again") from None
