"""Which cut around a found face suits an expression model: accuracy on mounted faces, one row for each way to cut.

The detector searches whole frames (training/datasets/mounted_faces.py). What it finds is cut in many ways and read by
the model, as on a device. Faces that it misses count for none of the ways; how many it finds is told beside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from edge.errors import DataError
from edge.features.cells import LANDMARKS
from edge.features.face import CropGeometry
from edge.observation import Face, Image
from training.datasets.mounted_faces import MountedFaces, Place, Points

Cut = Callable[[Image, Face], Image]
"""A way to cut a face out of a frame: (size, size) uint8."""
Detector = Callable[[Image], Sequence[Face]]
Reader = Callable[[Image], npt.NDArray[np.float32]]
"""Probabilities of a crop's expression, (labels,)."""
Bools = npt.NDArray[np.bool_]

LEAST_OVERLAP = 0.3
"""Intersection over union with the mounted crop from which on a found face is that face. A crop is not drawn as close
around the face as a detector's box, so that they overlap by no more than some two thirds at best."""

READY_MADE, KNOWN_PLACE = "ready-made crops", "cut at the known place"
"""What no cut can be better than: the crops before they were mounted, and after, the camera's losses included."""

RESAMPLES = 10_000


@dataclass(frozen=True, eq=False)
class LandmarkPlaces:
    """Where a detector's landmarks lie in ready-made crops."""

    points: Points
    """(faces, 5, 2) x and y in the order of `LANDMARKS`, parts of the crop's side from its top left corner."""

    @property
    def quartiles(self) -> Points:
        """(3, 5, 2) first quartile, median, third quartile."""
        quartiles: Points = np.percentile(self.points, (25, 50, 75), axis=0)
        return quartiles

    @property
    def geometry(self) -> CropGeometry:
        """What lays eyes and mouth where most of the crops have them: each number is the median over the faces."""
        right, left = self.points[:, 0], self.points[:, 1]
        return CropGeometry(
            eye_distance=_median(np.hypot(*(left - right).T)),
            eyes_y=_median((left + right)[:, 1] / 2),
            mouth_y=_median(self.points[:, 3:, 1].mean(axis=1)),
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain types for JSON: first quartile, median and third quartile of x and of y."""
        places = np.round(self.quartiles, 4)
        named = {
            name: {"x": places[:, i, 0].tolist(), "y": places[:, i, 1].tolist()} for i, name in enumerate(LANDMARKS)
        }
        return {"faces": len(self.points), "quartiles": named, "geometry": asdict(self.geometry)}


@dataclass(frozen=True)
class Score:
    """How the model read the found faces, cut in one way."""

    accuracy: float
    nll: float
    """Mean negative log-likelihood of the true label, nats."""

    def as_dict(self) -> dict[str, float]:
        return {"accuracy": round(self.accuracy, 4), "nll": round(self.nll, 4)}


@dataclass(frozen=True)
class Answers:
    """What the model said of the found faces, each cut in every way."""

    right: Mapping[str, Bools]
    """(found,) by the way's name: whether the most probable label is the true one."""
    likelihood: Mapping[str, npt.NDArray[np.float64]]
    """(found,) by the way's name: probability of the true label."""

    def score(self, name: str) -> Score:
        # A probability of 0 is one too small for float32.
        nll = -np.log(np.maximum(self.likelihood[name], 1e-9)).mean()
        return Score(float(self.right[name].mean()), float(nll))

    def best(self, names: Sequence[str], among: Bools | None = None) -> str:
        """The way with the highest accuracy; of equal ones, the one that is surer of the true labels."""
        kept = slice(None) if among is None else among
        return max(names, key=lambda name: (self.right[name][kept].mean(), self.likelihood[name][kept].mean()))

    def choose_apart(self, names: Sequence[str]) -> Bools:
        """Whether each face is read rightly in the way that is best on the faces of the other half, (found,).

        The best of many ways flatters itself on the faces that it was chosen by; this accuracy does not.
        """
        result = np.zeros(len(self.right[names[0]]), bool)
        even = np.arange(len(result)) % 2 == 0
        for half in (even, ~even):
            result[half] = self.right[self.best(names, ~half)][half]
        return result


@dataclass(frozen=True)
class Difference:
    """Accuracy of one way minus that of another on the same faces."""

    value: float
    low: float
    """Of the 95 % interval, by a paired bootstrap over the faces."""
    high: float

    def as_dict(self) -> dict[str, float]:
        return {"value": round(self.value, 4), "low": round(self.low, 4), "high": round(self.high, 4)}

    def __str__(self) -> str:
        return f"{self.value * 100:+.1f} points, 95 % interval {self.low * 100:+.1f} to {self.high * 100:+.1f}"


def find_mounted(detector: Detector, frames: MountedFaces, *, progress: bool = False) -> list[Face | None]:
    """What the detector found at the place of each mounted face: the face that overlaps most, None where none does."""
    found = []
    for index, place in enumerate(tqdm(frames.places, desc="finding", unit="frame", disable=not progress, leave=False)):
        found.append(matching_face(detector(frames.frame(index)), place))
    return found


def matching_face(faces: Sequence[Face], place: Place) -> Face | None:
    """The face that overlaps most with a place, None where none does by `LEAST_OVERLAP`."""
    box = place.box
    best = max(faces, key=lambda face: face.box.iou(box), default=None)
    return best if best is not None and best.box.iou(box) >= LEAST_OVERLAP else None


def locate_landmarks(places: Sequence[Place], found: Sequence[Face | None]) -> LandmarkPlaces:
    """Where the landmarks of the found faces lie in the crops; of the faces that were not turned.

    Raises
    ------
    DataError
        No face was found that was not turned, or the detector gives no landmarks.
    """
    points = [
        place.in_crop(face.landmarks)
        for place, face in zip(places, found, strict=True)
        if face is not None and face.landmarks is not None and place.angle == 0
    ]
    if not points:
        raise DataError("no landmarks of upright faces were found: the detector finds none, or gives no landmarks")
    return LandmarkPlaces(np.stack(points))


def read_cuts(
    frames: MountedFaces,
    labels: npt.NDArray[np.int64],
    found: Sequence[Face | None],
    cuts: Mapping[str, Cut],
    read: Reader,
    *,
    progress: bool = False,
) -> Answers:
    """Cut each found face in every way, and as the two limits `READY_MADE` and `KNOWN_PLACE`, and read it.

    Parameters
    ----------
    frames
        The mounted faces.
    labels
        (n,) true labels, in the order of the model's.
    found
        (n,) as `find_mounted` gives them.
    cuts
        The ways by their names.
    read
        The model.

    Raises
    ------
    DataError
        No face was found.
    """
    names = (READY_MADE, KNOWN_PLACE, *cuts)
    indices = [index for index, face in enumerate(found) if face is not None]
    if not indices:
        raise DataError(f"none of {len(frames)} mounted faces was found: is the detector of use at its threshold?")
    size = frames.crops.shape[1]
    right = {name: np.zeros(len(indices), bool) for name in names}
    likelihood = {name: np.zeros(len(indices)) for name in names}
    for row, index in enumerate(tqdm(indices, desc="reading", unit="face", disable=not progress, leave=False)):
        face, image, label = found[index], frames.frame(index), labels[index]
        assert face is not None
        crops = {READY_MADE: frames.crops[index], KNOWN_PLACE: frames.places[index].cut(image, size)}
        crops |= {name: cut(image, face) for name, cut in cuts.items()}
        for name, crop in crops.items():
            probabilities = read(crop)
            right[name][row] = probabilities.argmax() == label
            likelihood[name][row] = probabilities[label]
    return Answers(right, likelihood)


def compare_paired(ours: Bools, theirs: Bools, *, seed: int) -> Difference:
    """Difference in accuracy on the same faces, with its bootstrap interval."""
    count = len(ours)
    only_ours, only_theirs = float(np.mean(ours & ~theirs)), float(np.mean(theirs & ~ours))
    # Only three kinds of faces differ in what they add, so that drawing faces is drawing how many of each kind.
    shares = (only_ours, only_theirs, max(0.0, 1 - only_ours - only_theirs))
    drawn = np.random.default_rng(seed).multinomial(count, shares, size=RESAMPLES)
    low, high = np.percentile((drawn[:, 0] - drawn[:, 1]) / count, (2.5, 97.5))
    return Difference(only_ours - only_theirs, float(low), float(high))


def _median(values: npt.NDArray[np.floating]) -> float:
    return round(float(np.median(values)), 3)
