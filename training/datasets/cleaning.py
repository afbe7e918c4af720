"""What is dropped from FER-2013's training faces, and why: leaks, blanks, doubles and pictures without a face."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from training.datasets.fer2013 import LABELS, FaceSet


@dataclass(frozen=True)
class CleaningReport:
    """How many training faces each rule took away."""

    read: int
    leaked: int
    """Stand in validation or test too, pixel by pixel."""
    blank: int
    """One grey value all over."""
    not_a_face: int
    """At least half of FER+'s annotators saw no face."""
    doubles: int
    """Further copies of a face that is kept once."""
    kept: int

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


def clean_training(sets: dict[str, FaceSet]) -> tuple[FaceSet, npt.NDArray[np.float32], CleaningReport]:
    """Drop from the training faces what would flatter the figures or teach nothing.

    Parameters
    ----------
    sets
        As `read_faces` gives them; validation and test are left as they are, so that figures compare with others'.

    Returns
    -------
    faces
        The faces kept, in file order.
    targets
        (n, 7) label distributions: one-hot, or shared out where copies of one face have different labels.
    report
        The counts.
    """
    faces = sets["train"]
    keys = _keys(faces)
    held_out = {key for name in ("validation", "test") for key in _keys(sets[name])}
    leaked = np.array([key in held_out for key in keys], bool)
    flat = faces.images.reshape(len(faces), -1)
    blank = (flat.min(axis=1) == flat.max(axis=1)) & ~leaked
    absent = np.zeros(len(faces), bool) if faces.not_a_face is None else faces.not_a_face >= 0.5
    absent &= ~leaked & ~blank
    targets = np.eye(len(LABELS), dtype=np.float32)[faces.labels]
    first: dict[bytes, int] = {}
    double = np.zeros(len(faces), bool)
    for index in np.flatnonzero(~(leaked | blank | absent)):
        kept = first.setdefault(keys[index], int(index))
        if kept != index:
            double[index] = True
            targets[kept] += targets[index]
    keep = ~(leaked | blank | absent | double)
    targets = targets[keep]
    report = CleaningReport(
        read=len(faces),
        leaked=int(leaked.sum()),
        blank=int(blank.sum()),
        not_a_face=int(absent.sum()),
        doubles=int(double.sum()),
        kept=int(keep.sum()),
    )
    return faces.take(keep), targets / targets.sum(axis=1, keepdims=True), report


def _keys(faces: FaceSet) -> list[bytes]:
    return [image.tobytes() for image in faces.images]
