"""Train and score what the field uses, to compare with: small networks on time-averaged MFCC and mel features.

Each recording becomes one vector, the time means of 40 MFCC and 128 mel bands by librosa, scaled to 0 to 1 by the
training recordings. 'cnn' is the 1-D convolutional network of De Pinto et al. 2020 and many RAVDESS tutorials, 'lstm'
the LSTM beside it. Five folds, each trained anew with each seed, are scored on actors that were not trained on; other
actors choose the epoch. Told is the unweighted average recall (UAR): the mean of the classes' recalls.

--random-split does the same again with recordings drawn at random, as the field usually does. Then the same actors
say the same sentences on both sides: what that gives beyond the first figure is a leak, not skill with unknown voices.

DIR holds RAVDESS or CREMA-D under their public file names (wav, flac or ogg), in any folders.

examples:
  affect-edge baseline cnn --data ravdess/
  affect-edge baseline lstm --data ravdess/ --random-split
  affect-edge baseline cnn --data ravdess/ --folds 1 --seeds 1 --epochs 5      see that everything works
  affect-edge baseline cnn --data crema_d/ --corpus crema-d --json > cnn.json
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

if TYPE_CHECKING:
    from training.baselines.runs import Split

HELP = "score the field's usual speech networks, to compare with"

PACKAGES = ("keras", "librosa", "sklearn", "tensorflow", "tf_keras", "tensorflow_model_optimization")

TITLES = {
    "actors": "Actors that were not trained on (UAR):",
    "random": "Recordings drawn at random, the same actors on both sides (UAR); not a figure for unknown voices:",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("network", choices=("cnn", "lstm"), help="which network")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of the recordings")
    parser.add_argument(
        "--corpus", choices=("ravdess", "crema-d"), default="ravdess", help="which of them (default: ravdess)"
    )
    parser.add_argument("--seeds", type=_count, default=3, metavar="N", help="runs of each fold (default: 3)")
    parser.add_argument("--folds", type=_folds, default=(1, 2, 3, 4, 5), metavar="1,2", help="default: all five")
    parser.add_argument("--epochs", type=_count, default=50, metavar="N", help="of each run (default: 50)")
    parser.add_argument(
        "--random-split", action="store_true", help="score recordings drawn at random too, to show what that leaks"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")


def run(arguments: argparse.Namespace) -> int:
    from edge.errors import DataError, MissingDependencyError

    for package in PACKAGES:
        if find_spec(package) is None:
            raise MissingDependencyError(package, "train", "the baseline")
    from converter import environment

    environment.prepare()
    from edge.features.logmel import LogMelSettings
    from training.baselines import runs
    from training.baselines.features import SIZE, read_vectors
    from training.baselines.networks import NETWORKS
    from training.datasets.speech_corpora import read_clips
    from training.datasets.speech_spectra import read_spectra

    progress = not arguments.quiet and sys.stderr.isatty()
    clips = [clip for clip in read_clips(arguments.data) if clip.corpus == arguments.corpus]
    if not clips:
        raise DataError(f"{arguments.data}: no recordings of {arguments.corpus}; --corpus names what lies there")
    runs.actor_splits(clips, arguments.corpus)  # before the minutes of reading: are all actors there?
    # Cleaned as for the speech recipes: the figures are of the same recordings.
    spectra, cleaning = read_spectra(clips, LogMelSettings(), progress=progress)
    clips = [each.clip for each in spectra]
    vectors = read_vectors(clips, progress=progress)

    def by_actor(_: int) -> list[Split]:
        return runs.actor_splits(clips, arguments.corpus)

    def at_random(seed: int) -> list[Split]:
        return runs.random_splits(clips, seed)

    ways: dict[str, Callable[[int], list[Split]]] = {"actors": by_actor}
    if arguments.random_split:
        ways["random"] = at_random
    document: dict[str, Any] = {
        "network": arguments.network,
        "parameters": NETWORKS[arguments.network](SIZE, len({clip.emotion for clip in clips})).count_params(),
        "features": SIZE,
        "corpus": arguments.corpus,
        "recordings": len(clips),
        "cleaning": cleaning.as_dict(),
        "epochs": arguments.epochs,
        "splits": {},
    }
    for way, splits in ways.items():
        figures = runs.run_all(
            arguments.network,
            vectors,
            [clip.emotion for clip in clips],
            splits,
            folds=arguments.folds,
            seeds=arguments.seeds,
            epochs=arguments.epochs,
            progress=progress,
        )
        document["splits"][way] = {**runs.summarise(figures), "runs": [asdict(each) for each in figures]}
    print(json.dumps(document, indent=1) if arguments.json else as_table(document))
    return 0


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
