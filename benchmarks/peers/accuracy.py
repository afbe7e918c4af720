"""Expressions of faces alone, FER-2013's PrivateTest, by every system that takes a face alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks import measuring
from benchmarks.peers.places import Ready
from benchmarks.peers.process import Item, SystemFailedError, SystemProcess
from training.datasets.fer2013 import LABELS, FaceSet, read_faces


def measure(
    systems: Sequence[Ready], folder: Path, *, limit: int | None, patience: float, progress: bool
) -> measuring.Results:
    """Give each system the same faces, one by one, and count what it names rightly.

    Parameters
    ----------
    systems
        Those that take no faces alone are passed over.
    folder
        FER-2013.
    limit
        Only so many faces; None: all of them.
    patience
        Seconds that one answer may take.
    progress
        Draw a progress bar.

    Raises
    ------
    DataError
        There is no FER-2013 in the folder.
    """
    from tqdm import tqdm

    sets = read_faces(folder, progress=progress)
    test = sets["test"]
    count = min(limit or len(test), len(test))
    repeated = also_in(test, sets["train"])[:count]
    rows = {}
    for ready in systems:
        if not ready.system.scored:
            continue
        answers = np.full(count, -1)
        try:
            with SystemProcess(ready, patience=patience) as process:
                for place in tqdm(range(count), desc=ready.system.name, disable=not progress, leave=False):
                    told = process.take(Item.face(test.images[place]))["answer"]
                    answers[place] = LABELS.index(max(told, key=lambda label: told[label]))
        except SystemFailedError as error:
            rows[ready.system.name] = {"failure": str(error)}
            continue
        rows[ready.system.name] = score(answers, test.labels[:count], repeated)
    return {
        "data": "FER-2013, PrivateTest",
        "faces": count,
        "faces_also_in_training": int(repeated.sum()),
        "systems": rows,
    }


def also_in(faces: FaceSet, others: FaceSet) -> npt.NDArray[np.bool_]:
    """(n,) whether a face stands among others too, pixel by pixel."""
    known = {image.tobytes() for image in others.images}
    return np.array([image.tobytes() in known for image in faces.images])


def score(
    answers: npt.NDArray[np.int64], labels: npt.NDArray[np.int64], repeated: npt.NDArray[np.bool_]
) -> measuring.Results:
    """Accuracy with its 95 % interval (Wilson), mean recall of the classes, and accuracy without repeated faces."""
    from training.evaluation.intervals import wilson

    right = answers == labels
    low, high = wilson(int(right.sum()), len(right))
    fresh = right[~repeated]
    return {
        "accuracy": round(float(right.mean()), 4),
        "interval": [round(low, 4), round(high, 4)],
        "balanced_accuracy": round(float(np.mean([right[labels == each].mean() for each in np.unique(labels)])), 4),
        "accuracy_without_repeated": round(float(fresh.mean()), 4) if len(fresh) else None,
    }
