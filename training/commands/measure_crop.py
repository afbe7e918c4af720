"""Measure how a found face is best cut out for an expression model, on faces found in whole photographs.

An expression model learns from ready-made crops, FER-2013's, but on a device a detector finds the face and something
has to cut it as those crops were cut. Which cut is best is measured here on the device's own path: labelled faces are
enlarged, turned and mounted into photographs without a face, the detector searches the frames, and each face that it
finds is cut in many ways and read by the model:

  by landmarks   turned upright and scaled so that eyes and mouth lie where the crops have them, and a grid around that:
                 wider and narrower, higher and lower; also without turning
  by the box     the detector's box with several margins
  limits         the ready-made crops themselves, and the frame cut at the known place

Faces are of the validation split (PublicTest) alone. Where the detector's landmarks lie within the ready-made crops is
told first: it is where the grid begins. Then the labels of photographs with faces are compared with those of turned
and scaled copies; a label that changes with the camera's angle tells of the cut.

DIR of --photos is a folder for face detection: images/, train.csv, train_ignore.csv (training/datasets/face_photos.py).

examples:
  affect-edge measure-crop --faces fer2013/ --photos face_detection/
  affect-edge measure-crop --faces fer2013/ --photos face_detection/ --limit 200 --portraits 0      a first look
  affect-edge measure-crop --faces fer2013/ --photos face_detection/ --limit 0 --json crop.json --plot crop.png
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import AffectEdgeError, DataError, MissingDependencyError, ModelError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from edge.recognizers.expression import ExpressionRecognizer
    from edge.recognizers.face_detector import FaceDetector
    from training.datasets.face_photos import Photo
    from training.evaluation.crop_report import CropReport

HELP = "measure how found faces are best cut for an expression model"

BACKDROPS = "bsd,nfs"
PORTRAITS = "c1b,c1f,obs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--faces", type=Path, required=True, metavar="DIR", help="folder of fer2013.csv, or of folders")
    parser.add_argument("--photos", type=Path, required=True, metavar="DIR", help="folder of train.csv and images/")
    parser.add_argument("--model", metavar="MODEL", help="expression model, a name or a file (default: expression)")
    parser.add_argument(
        "--detector", default="face_near", metavar="MODEL", help="face detector, a name or a file (default: face_near)"
    )
    parser.add_argument("--threshold", type=_score, metavar="SCORE", help="of the detector (default: its manifest's)")
    parser.add_argument(
        "--limit", type=_count, default=1000, metavar="N", help="faces, drawn at random; 0: all (default: 1000)"
    )
    parser.add_argument(
        "--backdrops",
        type=_names,
        default=_names(BACKDROPS),
        metavar="SOURCES",
        help=f"sources of --photos whose photographs without a face are mounted in (default: {BACKDROPS})",
    )
    parser.add_argument(
        "--turned",
        type=_names,
        default=_names(PORTRAITS),
        metavar="SOURCES",
        help=f"sources of --photos whose faces are looked at turned and scaled (default: {PORTRAITS})",
    )
    parser.add_argument(
        "--portraits", type=_count, default=60, metavar="N", help="photographs of each of those; 0: none (default: 60)"
    )
    parser.add_argument("--seed", type=_count, default=1, metavar="N", help="of all that is drawn (default: 1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw accuracy over scale and offset there, as PNG")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")


def run(arguments: argparse.Namespace) -> int:
    for path, option in ((arguments.faces, "--faces"), (arguments.photos, "--photos")):
        if not path.is_dir():
            raise DataError(f"{path}: no such folder; {option} names the folder of a public data set")
    for path in (arguments.json, arguments.plot):
        if path is not None and not path.parent.is_dir():
            raise AffectEdgeError(f"{path}: there is no folder {path.parent}")
    try:
        import matplotlib  # noqa: F401
        import sklearn  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(error.name or "scikit-learn", "train", "evaluation") from None
    from edge.inference.catalog import find_model
    from edge.recognizers.expression import ExpressionRecognizer
    from edge.recognizers.face_detector import FaceDetector

    recognizer = ExpressionRecognizer(find_model("expression", arguments.model))
    detector = FaceDetector(find_model("face-detection", arguments.detector), threshold=arguments.threshold)
    report = _measure(arguments, recognizer, detector)
    try:
        if arguments.json:
            text = json.dumps(report.as_dict(), indent=2, ensure_ascii=False) + "\n"
            arguments.json.write_text(text, encoding="utf-8")
        if arguments.plot:
            report.draw(arguments.plot)
    except OSError as error:
        raise AffectEdgeError(f"{error.filename}: cannot be written: {error.strerror}") from None
    print(report.as_text())
    return 0


def _measure(arguments: argparse.Namespace, recognizer: ExpressionRecognizer, detector: FaceDetector) -> CropReport:
    import numpy as np

    from edge.features.face import FACE_SIZE
    from training.datasets.face_photos import read_photos
    from training.datasets.fer2013 import LABELS, read_faces
    from training.datasets.mounted_faces import MountedFaces
    from training.evaluation import crop_geometry
    from training.evaluation.crop_report import CropReport, FoundRates
    from training.evaluation.crop_stability import measure_stability
    from training.evaluation.crop_ways import list_ways
    from training.evaluation.report import data_source

    takes = recognizer.manifest.input.shape
    if recognizer.labels != LABELS or takes[1:3] != (FACE_SIZE, FACE_SIZE):
        raise ModelError(
            f"{arguments.model}: takes {takes[2]}x{takes[1]} pixels and names {', '.join(recognizer.labels)}, where "
            f"the faces have {FACE_SIZE}x{FACE_SIZE} and {', '.join(LABELS)}"
        )
    progress = not arguments.quiet and sys.stderr.isatty()
    portraits = arguments.turned if arguments.portraits else []
    sources = list(dict.fromkeys([*arguments.backdrops, *portraits]))
    photos = read_photos(arguments.photos, sources=sources, progress=progress)
    faces = read_faces(arguments.faces, progress=progress)["validation"]
    faces = faces.take(_draw(len(faces), arguments.limit, arguments.seed))
    backdrops = [photo for photo in photos if photo.source in arguments.backdrops]
    frames = MountedFaces(faces.images, backdrops, seed=arguments.seed)

    found = crop_geometry.find_mounted(detector, frames, progress=progress)
    landmarks = crop_geometry.locate_landmarks(frames.places, found)
    ways = list_ways(landmarks.geometry, size=FACE_SIZE)
    cuts = {way.name: way.cut for way in ways.all()}
    answers = crop_geometry.read_cuts(frames, faces.labels, found, cuts, recognizer.recognize, progress=progress)
    stability = []
    if portraits:
        chosen = _pick_portraits(photos, portraits, arguments.portraits, arguments.seed)
        few = {way.name: way.cut for way in (ways.installed, ways.estimate, ways.without_turning, ways.box)}
        stability = measure_stability(chosen, detector, few, recognizer.recognize, progress=progress)
    is_turned = [place.angle != 0 for place, face in zip(frames.places, found, strict=True) if face is not None]
    return CropReport(
        source=data_source(arguments.faces, "validation"),
        backdrops=len(frames.backdrops),
        model=recognizer.manifest.name,
        detector=detector.manifest.name,
        seed=arguments.seed,
        rates=FoundRates.of(frames.places, found),
        landmarks=landmarks,
        ways=ways,
        answers=answers,
        is_turned=np.array(is_turned, bool),
        stability=stability,
    )


def _draw(count: int, limit: int, seed: int) -> npt.NDArray[np.intp]:
    """Indices of `limit` faces in random order; a larger limit adds to the faces of a smaller one."""
    import numpy as np

    drawn: npt.NDArray[np.intp] = np.random.default_rng(seed).permutation(count)[: limit or count]
    return drawn


def _pick_portraits(photos: Sequence[Photo], sources: Sequence[str], limit: int, seed: int) -> list[Photo]:
    """So many photographs with a face of each source."""
    picked = []
    for source in sources:
        own = [photo for photo in photos if photo.source == source and len(photo.boxes)]
        picked += [own[index] for index in sorted(_draw(len(own), limit, seed))]
    return picked


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is less than 0")
    return value


def _score(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} does not lie between 0 and 1")
    return value


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise argparse.ArgumentTypeError("names no source; give them as in bsd,nfs")
    return names
