"""Whether an expression label stays when the photograph is turned or scaled; true labels are not needed for that.

A face keeps its expression however the camera is held, so that a label which changes with it tells of the cut.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from edge.errors import DataError
from edge.observation import Face, Image
from training.datasets.face_photos import FloatArray, Photo
from training.datasets.mounted_faces import HEIGHT, WIDTH, Place
from training.evaluation.crop_geometry import Cut, Detector, Reader, matching_face

FACE_PIXELS = 120.0
"""Larger side of the face's box in the unchanged frame; beneath the largest scale and above the smallest, the whole
head stays in the frame and is no smaller than a detector finds."""
LEAST_PIXELS = 40.0
"""Faces smaller than this in the photograph hold too little to name an expression by."""


@dataclass(frozen=True)
class Change:
    """What is done to a photograph."""

    name: str
    angle: float = 0.0
    """Degrees, clockwise as seen."""
    scale: float = 1.0


CHANGES = (
    *(Change(f"turned {angle:+d} degrees", angle=angle) for angle in (-30, -20, -10, 10, 20, 30)),
    *(Change(f"scaled by {scale}", scale=scale) for scale in (0.7, 1.4)),
)
ALL = "all changes"


@dataclass(frozen=True)
class StabilityRow:
    """How often the labels of some pairs, a photograph and its changed copy, agree."""

    name: str
    """Of the change, or of the photographs' source over all changes."""
    pairs: int
    """Photographs whose face was found unchanged."""
    found: int
    """Those of them whose face was found in the copy too: agreement is told of these."""
    agreement: Mapping[str, float]
    """By the way of cutting, 0 to 1; empty where none was found."""

    def as_dict(self) -> dict[str, Any]:
        agreement = {name: round(value, 4) for name, value in self.agreement.items()}
        return {"name": self.name, "pairs": self.pairs, "found": self.found, "agreement": agreement}


def measure_stability(
    photos: Sequence[Photo],
    detector: Detector,
    cuts: Mapping[str, Cut],
    read: Reader,
    *,
    progress: bool = False,
) -> list[StabilityRow]:
    """Compare the labels of photographs with those of their changed copies.

    Parameters
    ----------
    photos
        The largest face of each that has one of at least `LEAST_PIXELS` is looked at.
    detector, cuts, read
        As in `crop_geometry.read_cuts`.

    Returns
    -------
    A row for each of `CHANGES`, one for all of them, and one for each source of photographs.

    Raises
    ------
    DataError
        No photograph has a large enough face that the detector finds.
    """
    # (source, change, whether each way's labels agree; None where the copy's face was not found)
    pairs: list[tuple[str, str, dict[str, bool] | None]] = []
    for photo in tqdm(photos, desc="turning", unit="photo", disable=not progress, leave=False):
        box = _largest(photo.boxes)
        if box is None:
            continue
        labels = _labels(photo, box, Change("none"), detector, cuts, read)
        if labels is None:
            continue
        for change in CHANGES:
            changed = _labels(photo, box, change, detector, cuts, read)
            agree = None if changed is None else {name: changed[name] == labels[name] for name in cuts}
            pairs.append((photo.source, change.name, agree))
    if not pairs:
        raise DataError(
            f"none of {len(photos)} photographs has a face of {LEAST_PIXELS:.0f} pixels or more that the detector finds"
        )
    rows = [_row(change.name, [agree for _, name, agree in pairs if name == change.name]) for change in CHANGES]
    rows.append(_row(ALL, [agree for _, _, agree in pairs]))
    sources = dict.fromkeys(source for source, _, _ in pairs)
    rows += [_row(source, [agree for name, _, agree in pairs if name == source]) for source in sources]
    return rows


def stage(photo: Photo, box: FloatArray, change: Change) -> tuple[Image, Place]:
    """A frame of the photograph with one face in its middle, and the face's place.

    The face is `FACE_PIXELS` large before the change; what the photograph does not cover repeats its border.
    """
    place = Place(FACE_PIXELS * change.scale, change.angle, (WIDTH / 2, HEIGHT / 2))
    linear = place.linear / float(max(box[2:]))
    middle = box[:2] + box[2:] / 2
    shift = np.array(place.middle) - 0.5 - linear @ (middle - 0.5)
    frame: Image = cv2.warpAffine(
        photo.image, np.column_stack([linear, shift]), (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE
    )
    return frame, place


def _largest(boxes: FloatArray) -> FloatArray | None:
    box: FloatArray | None = max(boxes, key=lambda box: float(box[2] * box[3]), default=None)
    return box if box is not None and max(box[2:]) >= LEAST_PIXELS else None


def _labels(
    photo: Photo, box: FloatArray, change: Change, detector: Detector, cuts: Mapping[str, Cut], read: Reader
) -> dict[str, int] | None:
    """The label's index by the way of cutting; None where the face is not found."""
    image, place = stage(photo, box, change)
    face: Face | None = matching_face(detector(image), place)
    return None if face is None else {name: int(read(cut(image, face)).argmax()) for name, cut in cuts.items()}


def _row(name: str, pairs: Sequence[dict[str, bool] | None]) -> StabilityRow:
    known = [agree for agree in pairs if agree is not None]
    agreement = {way: float(np.mean([agree[way] for agree in known])) for way in known[0]} if known else {}
    return StabilityRow(name, len(pairs), len(known), agreement)
