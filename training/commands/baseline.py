"""Train and score what the field uses, to compare with: small networks for speech, word counts for text.

For speech, each recording becomes one vector, the time means of 40 MFCC and 128 mel bands by librosa, scaled to 0 to 1
by the training recordings. 'cnn' is the 1-D convolutional network of De Pinto et al. 2020 and many RAVDESS tutorials,
'lstm' the LSTM beside it. Five folds, each trained anew with each seed, are scored on actors that were not trained on;
other actors choose the epoch. Told is the unweighted average recall (UAR): the mean of the classes' recalls.

--random-split does the same again with recordings drawn at random, as the field usually does. Then the same actors
say the same sentences on both sides: what that gives beyond the first figure is a leak, not skill with unknown voices.

For text, 'tfidf' weighs words and pairs of words (TF-IDF) in a logistic regression for each label: on GoEmotions
(Ekman's classes; strength and thresholds chosen on validation) and on the essays (ten folds; strengths chosen within
the training folds), whichever lies there.

DIR holds RAVDESS or CREMA-D under their public file names (wav, flac or ogg), or GoEmotions' train.tsv, dev.tsv,
test.tsv with labels.txt or emotions.txt, and essays.csv; in any folders.

examples:
  affect-edge baseline cnn --data ravdess/
  affect-edge baseline lstm --data ravdess/ --random-split
  affect-edge baseline cnn --data ravdess/ --folds 1 --seeds 1 --epochs 5      see that everything works
  affect-edge baseline cnn --data crema_d/ --corpus crema-d --json > cnn.json
  affect-edge baseline tfidf --data text/
  affect-edge baseline tfidf --data text/ --corpus goemotions --test           once, after every choice
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.commands import baseline_text

if TYPE_CHECKING:
    from training.baselines.runs import Split

HELP = "score the field's usual models of speech and text, to compare with"

SPEECH = ("ravdess", "crema-d")
SEEDS, FOLDS, EPOCHS = 3, (1, 2, 3, 4, 5), 50
"""Of the speech networks, where nothing else is asked for."""

PACKAGES = ("keras", "librosa", "sklearn", "tensorflow", "tf_keras", "tensorflow_model_optimization")
TEXT_PACKAGES = ("scipy", "sklearn")

TITLES = {
    "actors": "Actors that were not trained on (UAR):",
    "random": "Recordings drawn at random, the same actors on both sides (UAR); not a figure for unknown voices:",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "network", choices=("cnn", "lstm", "tfidf"), help="networks for speech, or word counts for text"
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of the recordings or texts")
    parser.add_argument(
        "--corpus",
        choices=(*SPEECH, *baseline_text.SETS),
        help="which of them (default: for speech ravdess, for text what is there)",
    )
    speech = parser.add_argument_group("for speech")
    speech.add_argument("--seeds", type=_count, metavar="N", help=f"runs of each fold (default: {SEEDS})")
    speech.add_argument("--folds", type=_folds, metavar="1,2", help="default: all five")
    speech.add_argument("--epochs", type=_count, metavar="N", help=f"of each run (default: {EPOCHS})")
    speech.add_argument(
        "--random-split", action="store_true", help="score recordings drawn at random too, to show what that leaks"
    )
    text = parser.add_argument_group("for text")
    text.add_argument("--test", action="store_true", help="score GoEmotions' test split too; once, after all choices")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")


def run(arguments: argparse.Namespace) -> int:
    from edge.errors import MissingDependencyError

    text = arguments.network == "tfidf"
    _check_fit(arguments, text=text)
    for package in TEXT_PACKAGES if text else PACKAGES:
        if find_spec(package) is None:
            raise MissingDependencyError(package, "train", "the baseline")
    return baseline_text.run(arguments) if text else _run_speech(arguments)


def _run_speech(arguments: argparse.Namespace) -> int:
    from converter import environment
    from edge.errors import DataError

    environment.prepare()
    from edge.features.logmel import LogMelSettings
    from training.baselines import runs
    from training.baselines.features import SIZE, read_vectors
    from training.baselines.networks import NETWORKS
    from training.datasets.speech_corpora import read_clips
    from training.datasets.speech_spectra import read_spectra

    progress = not arguments.quiet and sys.stderr.isatty()
    corpus, epochs = arguments.corpus or "ravdess", arguments.epochs or EPOCHS
    clips = [clip for clip in read_clips(arguments.data) if clip.corpus == corpus]
    if not clips:
        raise DataError(f"{arguments.data}: no recordings of {corpus}; --corpus names what lies there")
    runs.actor_splits(clips, corpus)  # before the minutes of reading: are all actors there?
    # Cleaned as for the speech recipes: the figures are of the same recordings.
    spectra, cleaning = read_spectra(clips, LogMelSettings(), progress=progress)
    clips = [each.clip for each in spectra]
    vectors = read_vectors(clips, progress=progress)

    def by_actor(_: int) -> list[Split]:
        return runs.actor_splits(clips, corpus)

    def at_random(seed: int) -> list[Split]:
        return runs.random_splits(clips, seed)

    ways: dict[str, Callable[[int], list[Split]]] = {"actors": by_actor}
    if arguments.random_split:
        ways["random"] = at_random
    document: dict[str, Any] = {
        "network": arguments.network,
        "parameters": NETWORKS[arguments.network](SIZE, len({clip.emotion for clip in clips})).count_params(),
        "features": SIZE,
        "corpus": corpus,
        "recordings": len(clips),
        "cleaning": cleaning.as_dict(),
        "epochs": epochs,
        "splits": {},
    }
    for way, splits in ways.items():
        figures = runs.run_all(
            arguments.network,
            vectors,
            [clip.emotion for clip in clips],
            splits,
            folds=arguments.folds or FOLDS,
            seeds=arguments.seeds or SEEDS,
            epochs=epochs,
            progress=progress,
        )
        document["splits"][way] = {**runs.summarise(figures), "runs": [asdict(each) for each in figures]}
    print(json.dumps(document, indent=1) if arguments.json else as_table(document))
    return 0


def _check_fit(arguments: argparse.Namespace, *, text: bool) -> None:
    """Refuse what goes with the other kind of network."""
    from edge.errors import AffectEdgeError

    speech_alone = ("seeds", "folds", "epochs", "random_split")
    for name in speech_alone if text else ("test",):
        if getattr(arguments, name):
            kind = "the networks for speech, cnn and lstm" if text else "tfidf, for text"
            raise AffectEdgeError(f"--{name.replace('_', '-')} goes with {kind}")
    if arguments.corpus and (arguments.corpus in SPEECH) == text:
        kind = "speech" if text else "text"
        raise AffectEdgeError(f"--corpus {arguments.corpus} is of {kind}, which '{arguments.network}' does not take")


def as_table(document: dict[str, Any]) -> str:
    """Recall of each fold and seed, and their means, for people."""
    lines = [
        f"{document['network']}: {document['parameters']} parameters on {document['features']} features; "
        f"{document['recordings']} recordings of {document['corpus']}, {document['epochs']} epochs"
    ]
    for way, split in document["splits"].items():
        seeds = sorted({each["seed"] for each in split["runs"]})
        by_fold: dict[int, list[float]] = {}
        for each in split["runs"]:
            by_fold.setdefault(each["fold"], []).append(each["recall"])
        lines += ["", TITLES[way], "fold" + "".join(f"{f'seed {seed}':>10}" for seed in seeds) + f"{'mean':>10}"]
        for fold, recalls in sorted(by_fold.items()):
            cells = [*recalls, sum(recalls) / len(recalls)]
            lines.append(f"{fold:>4}" + "".join(f"{cell:10.3f}" for cell in cells))
        for key, name in (("recall", "UAR"), ("accuracy", "accuracy")):
            spread = f" +- {split[key]['deviation_over_seeds']:.3f} over the seeds" if len(seeds) > 1 else ""
            lines.append(f"{name} {split[key]['mean']:.3f}{spread}")
    if "random" in document["splits"]:
        actors, drawn = (document["splits"][way]["recall"]["mean"] for way in ("actors", "random"))
        lines += ["", f"the leak: {drawn - actors:+.3f} UAR for having heard the same voices in training"]
    return "\n".join(lines)


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text}: at least 1")
    return number


def _folds(text: str) -> tuple[int, ...]:
    try:
        numbers = sorted({int(part) for part in text.split(",")})
    except ValueError:
        numbers = []
    if not numbers or numbers[0] < 1 or numbers[-1] > 5:
        raise argparse.ArgumentTypeError(f"{text}: numbers from 1 to 5 with commas between, such as 1,2")
    return tuple(numbers)
