"""What face detectors find on photographs of sources that ours were not trained on, side by side in one run.

Average precision at an intersection over union of 0.5, and recall at one false alarm in ten photographs, for faces of
at least 10 % and of at least 5 % of the photograph's width, each with the interval that holds 95 % of the values when
the photographs are drawn anew (bootstrap). The time is the median for one stored photograph (longest side 128 to 320
pixels) on one thread, at the threshold that each detector is used with; the detectors take turns.

The boxes of the photographs are YuNet's (FACEDET.md of the data set): that favours YuNet, and the shape of its boxes.
Others draw theirs wider or narrower, so one constant change of the box, the median over the validation photographs, is
fitted to each of them first; "as drawn" is recall without it. Ours are as they ship: they learnt from such boxes.

examples:
  python -m benchmarks.detection --data DIR                               the validation photographs
  python -m benchmarks.detection --data DIR --split test                  those that are scored once, at the end
  python -m benchmarks.detection --data DIR --split test --peers-only     the others alone, which saw neither
  python -m benchmarks.detection --data DIR --picture found.png           also scenes, and what is found in them
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks import face_scenes, measuring
from benchmarks.bootstrap import intervals
from benchmarks.box_fit import BoxFit, fit_boxes
from benchmarks.detectors import PEERS, Absent, Detector, installed_detectors, ours, peers
from edge.errors import ConfigError
from training.datasets.face_photos import Photo, read_photos
from training.evaluation.detection import FALSE_ALARMS_PER_IMAGE, Found, Marked, score_detections
from training.evaluation.searching import mark
from training.recipe import DetectorRecipe, read_recipe

RECIPE = "face_near"
"""Its [data] names the sources that are held out."""
WIDTHS = (0.10, 0.05)
"""Least widths of the faces that count, as parts of the photograph's."""
RESAMPLES = 1000
TIMED = 100
"""Photographs, about, that the time is taken for."""
_WARMUP = 3


def held_out(split: str) -> tuple[str, ...]:
    """The sources of a split, 'test' or 'validation'."""
    recipe = read_recipe(RECIPE)
    if not isinstance(recipe, DetectorRecipe):
        raise ConfigError(f"the recipe '{RECIPE}' is for {recipe.task}, not for face-detection")
    return recipe.data.test_sources if split == "test" else recipe.data.validation_sources


def measure(
    folder: Path, split: str, detectors: Sequence[Detector], *, resamples: int, progress: bool
) -> measuring.Results:
    """Run the detectors over a split and score them."""
    photos = read_photos(folder, sources=held_out(split), progress=progress)
    marked = [mark(photo) for photo in photos]
    found = _search(photos, detectors, progress)
    seconds = _time(photos, detectors)
    fits = _fits(folder, split, marked, found, detectors, progress)
    rows = []
    for detector in detectors:
        drawn = found[detector.name]
        fit = fits.get(detector.name, BoxFit())
        fitted = [fit.apply(answer) for answer in drawn]
        rows.append(
            {
                "name": detector.name,
                "ours": detector.ours,
                "trained_on": detector.trained_on,
                "file_kb": round(detector.file_bytes / 1e3),
                "milliseconds": measuring.spread(seconds[detector.name], 1e3, 2),
                "box_fit": fit.as_dict(),
                "faces": {f"{width:.0%}": _figures(marked, drawn, fitted, width, resamples) for width in WIDTHS},
            }
        )
    return {
        "protocol": {
            "split": split,
            "sources": list(held_out(split)),
            "photographs": len(photos),
            "without_faces": sum(not len(photo.boxes) for photo in photos),
            "false_alarms_per_photograph": FALSE_ALARMS_PER_IMAGE,
            "boxes_fitted_on": "validation",
            "resamples": resamples,
            "threads": 1,
        },
        "detectors": rows,
    }


def _search(photos: Sequence[Photo], detectors: Sequence[Detector], progress: bool) -> dict[str, list[Found]]:
    """What each detector finds, down to low scores."""
    from tqdm import tqdm

    found: dict[str, list[Found]] = {detector.name: [] for detector in detectors}
    for photo in tqdm(photos, desc="search", unit="photo", disable=not progress):
        for detector in detectors:
            found[detector.name].append(detector.find(photo.image))
    return found


def _time(photos: Sequence[Photo], detectors: Sequence[Detector]) -> dict[str, npt.NDArray[np.float64]]:
    """Seconds that each detector takes as it is used, for some of the photographs, in turns."""
    images = [photo.image for photo in photos[:: -(-len(photos) // TIMED)]]
    calls: dict[str, Callable[[int], object]] = {
        detector.name: lambda turn, use=detector.use: use(images[turn % len(images)])  # type: ignore[misc]
        for detector in detectors
    }
    return measuring.interleaved(calls, rounds=len(images), warmup=_WARMUP)


def _fits(
    folder: Path,
    split: str,
    marked: Sequence[Marked],
    found: dict[str, list[Found]],
    detectors: Sequence[Detector],
    progress: bool,
) -> dict[str, BoxFit]:
    others = [detector for detector in detectors if not detector.ours]
    if split != "validation" and others:
        photos = read_photos(folder, sources=held_out("validation"), progress=progress)
        photos = [photo for photo in photos if len(photo.boxes)]
        marked = [mark(photo) for photo in photos]
        found = _search(photos, others, progress)
    return {detector.name: fit_boxes(marked, found[detector.name]) for detector in others}


def _figures(
    marked: Sequence[Marked], drawn: Sequence[Found], fitted: Sequence[Found], width: float, resamples: int
) -> measuring.Results:
    figures = score_detections(marked, fitted, least_width=width)
    precision, recall = intervals(marked, fitted, least_width=width, resamples=resamples)
    return {
        **figures.as_dict(),
        "average_precision_95": [round(end, 4) for end in precision],
        "recall_95": [round(end, 4) for end in recall],
        "recall_as_drawn": round(score_detections(marked, drawn, least_width=width).recall, 4),
    }


def table(results: measuring.Results) -> str:
    """The figures for people."""
    return "\n".join(_lines(results))


def _lines(results: measuring.Results) -> Iterator[str]:
    protocol, rows = results["protocol"], results["detectors"]
    if rows:
        counts = ", ".join(f"{figures['faces']} from {width}" for width, figures in rows[0]["faces"].items())
        yield (
            f"{protocol['photographs']} photographs of the {protocol['split']} sources "
            f"({', '.join(protocol['sources'])}), {protocol['without_faces']} without a face; "
            f"faces: {counts} of the width"
        )
        yield f"recall is at {protocol['false_alarms_per_photograph']:g} false alarms a photograph; 95 % intervals"
        yield "the boxes are YuNet's, which favours YuNet"
    for width in (f"{width:.0%}" for width in WIDTHS):
        if rows:
            yield ""
            yield (
                f"{'faces from ' + width:<24}{'AP at IoU 0.5':<23}{'recall':<23}{'as drawn':>8}{'score':>8}"
                f"{'ms':>8}{'KB':>7}"
            )
        for row in rows:
            each = row["faces"][width]
            yield (
                f"{row['name']:<24}{_with_interval(each, 'average_precision'):<23}{_with_interval(each, 'recall'):<23}"
                f"{each['recall_as_drawn']:>8.3f}{each['threshold']:>8.2f}{row['milliseconds']['median']:>8.2f}"
                f"{row['file_kb']:>7}"
            )
    if rows:
        yield ""
    for row in rows:
        yield f"{row['name']}: trained on {row['trained_on']}{_told(row)}"
    for absent in results["absent"]:
        yield f"{absent['name']}: absent: {absent['reason']}"
    if "scenes" in results:
        yield ""
        yield from face_scenes.lines(results["scenes"])


def _with_interval(figures: measuring.Results, name: str) -> str:
    low, high = figures[f"{name}_95"]
    return f"{figures[name]:.3f} ({low:.3f}-{high:.3f})"


def _told(row: measuring.Results) -> str:
    if row["ours"]:
        return ""
    fit = row["box_fit"]
    return (
        f"; boxes changed by {fit['width']:.2f} in width, {fit['height']:.2f} in height, "
        f"moved by {fit['x']:+.2f} and {fit['y']:+.2f}"
    )


def run(arguments: argparse.Namespace) -> int:
    cv2.setNumThreads(1)
    present: list[Detector] = []
    absent: list[Absent] = []
    models = [] if arguments.peers_only else installed_detectors(arguments.model)
    if not (models or arguments.peers_only):
        absent.append(Absent("ours", "no face-detection model is installed; --model names a file"))
    for each in (*map(ours, models), *peers(arguments.peers, yunet=arguments.yunet)):
        (present if isinstance(each, Detector) else absent).append(each)  # type: ignore[arg-type]
    # Before the minutes that the photographs take: the file may not be writable.
    scenes = face_scenes.measure(models, arguments.picture) if arguments.picture else None
    results = measure(
        arguments.data,
        arguments.split,
        present,
        resamples=20 if arguments.quick else RESAMPLES,
        progress=measuring.show_progress(arguments),
    )
    results["absent"] = [{"name": each.name, "reason": each.reason} for each in absent]
    if scenes:
        results["scenes"] = scenes
    measuring.report("detection", results, table, as_json=arguments.json)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    parser = measuring.parser("benchmarks.detection", __doc__)
    parser.add_argument(
        "--data", type=Path, required=True, metavar="DIR", help="holds train.csv, train_ignore.csv and images/"
    )
    parser.add_argument(
        "--split", choices=("test", "validation"), default="validation", help="which sources (default: validation)"
    )
    parser.add_argument(
        "--model", nargs="+", metavar="NAME|FILE", help="ours to compare (default: every installed face detector)"
    )
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=PEERS, help="others to compare (default: all)")
    parser.add_argument("--peers-only", action="store_true", help="leave ours out")
    parser.add_argument("--yunet", type=Path, metavar="FILE", help="YuNet's .onnx file, to compare with it too")
    parser.add_argument(
        "--picture", type=Path, metavar="FILE.png", help="also draw scenes with faces and what is found in them"
    )
    arguments = parser.parse_args(argv)
    return measuring.main(parser.prog, lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
