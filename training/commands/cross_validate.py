"""Measure a speech recipe on speakers that it was not trained on: actor-disjoint folds, or one corpus after the other.

  ravdess   8 emotions, five folds of RAVDESS's 24 actors
  crema-d   6 emotions, five folds of CREMA-D's 91 actors
  cross     6 emotions: trained on CREMA-D and tested on all of RAVDESS, and the other way round

Every run chooses its epoch on validation actors and touches its test actors once, float and int8. A run that was
stopped goes on when the same command is given again; runs that are done are read from their figures.json.

examples:
  affect-edge cross-validate speech_ravdess --protocol ravdess --data DIR --seeds 1 2 3 --jobs 2
  affect-edge cross-validate speech_ravdess --protocol ravdess --data DIR --start runs/speech_crema/speech_crema.keras
  affect-edge cross-validate speech_crema --protocol cross --data DIR --json
"""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.cross_validation import Fold, FoldFigures
    from training.datasets.speech_spectra import Cleaning, Spectrum

HELP = "measure a speech recipe on actor-disjoint folds and across corpora"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="RECIPE", help="a speech recipe's name, or a .toml file")
    parser.add_argument("--protocol", choices=("ravdess", "crema-d", "cross"), required=True, help="which folds")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of the public data sets")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the runs (default: runs/<protocol>)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], metavar="N", help="a run of each fold for each")
    parser.add_argument(
        "--only", metavar="NAME", help="only the runs with this in their names, such as crema-d_to_ravdess"
    )
    parser.add_argument("--start", type=Path, metavar="KERAS", help="a float model of another corpus to begin with")
    parser.add_argument("--epochs", type=int, metavar="N", help="in place of the recipe's")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="runs at once, each on one core (default: 1)")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")


def run(arguments: argparse.Namespace) -> int:
    from edge.errors import ConfigError
    from training.recipe import SpeechRecipe, override, read_recipe

    recipe = override(read_recipe(arguments.recipe), epochs=arguments.epochs)
    if not isinstance(recipe, SpeechRecipe):
        raise ConfigError(f"recipe '{arguments.recipe}' trains no speech model; cross-validation is for those")
    from training.commands.train import require_packages

    require_packages()
    from converter import environment

    environment.prepare()
    from training import cross_validation, speech
    from training.datasets.speech_corpora import of_corpora, read_clips
    from training.datasets.speech_spectra import read_spectra

    progress = not arguments.quiet and sys.stderr.isatty()
    corpora = cross_validation.corpora_of(recipe, arguments.protocol)
    clips = of_corpora(read_clips(arguments.data), corpora, arguments.data)
    folds = cross_validation.folds(recipe, arguments.protocol, clips, arguments.seeds)
    if arguments.only:
        names = [fold.name for fold in folds]
        folds = [fold for fold in folds if arguments.only in fold.name]
        if not folds:
            raise ConfigError(f"--only {arguments.only}: none of the runs is called that; they are {', '.join(names)}")
    spectra, cleaning = read_spectra(clips, speech.settings_of(recipe.features), progress=progress)
    out: Path = arguments.out or Path("runs") / arguments.protocol
    figures = _run_all(folds, spectra, cleaning, out, arguments.start, jobs=arguments.jobs, progress=progress)
    if arguments.json:
        _print_json(figures)
    else:
        _print_table(figures)
    return 0


def _run_all(
    folds: Sequence[Fold],
    spectra: list[Spectrum],
    cleaning: Cleaning,
    out: Path,
    start: Path | None,
    *,
    jobs: int,
    progress: bool,
) -> list[FoldFigures]:
    from multiprocessing import get_context

    from tqdm import tqdm

    from training.cross_validation import run_fold

    one = partial(run_fold, spectra=spectra, cleaning=cleaning, out=out, start=start)
    if jobs == 1:
        return [one(fold, progress=progress) for fold in folds]
    # A process is told to use one core before it imports anything: small networks gain nothing from more.
    os.environ.update(OMP_NUM_THREADS="1", TF_NUM_INTRAOP_THREADS="1", TF_NUM_INTEROP_THREADS="1")
    figures = []
    # Each run is a new process: TensorFlow gives back no memory.
    with get_context("spawn").Pool(jobs, maxtasksperchild=1) as pool:
        for each in tqdm(pool.imap(one, folds), total=len(folds), desc="folds", unit="run", disable=not progress):
            figures.append(each)
            print(_line(each), file=sys.stderr, flush=True)
    return figures


def _line(figures: FoldFigures) -> str:
    return (
        f"{figures.name}: UAR {figures.recall:.4f}, int8 {figures.recall_int8:.4f} on {figures.recordings} recordings"
    )


def _print_json(figures: Sequence[FoldFigures]) -> None:
    import json
    from dataclasses import asdict

    from training.cross_validation import summarise

    print(json.dumps({"runs": [asdict(each) for each in figures], "summary": summarise(figures)}))


def _print_table(figures: Sequence[FoldFigures]) -> None:
    from training.cross_validation import summarise

    print(f"{'run':<34} {'n':>5} {'epoch':>5} {'validation':>10} {'UAR':>7} {'int8':>7} {'accuracy':>8} {'int8':>7}")
    for each in figures:
        print(
            f"{each.name:<34} {each.recordings:>5} {each.epoch:>5} {each.validation_recall:>10.4f} {each.recall:>7.4f} "
            f"{each.recall_int8:>7.4f} {each.accuracy:>8.4f} {each.accuracy_int8:>7.4f}"
        )
    for name, summary in summarise(figures).items():
        text = ", ".join(
            f"{key.replace('_', ' ')} {value['mean']:.4f} (±{value['deviation_over_seeds']:.4f} over seeds)"
            for key, value in summary.items()
        )
        print(f"{name}: {text}")
