"""A folder of drawn photographs in the form of the face detector's data: faces that a network can learn in seconds."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np

from edge.observation import Image
from training.datasets.face_photos import BOX, FACES_FILE, IGNORE_FILE, POINTS

PARTS = {
    "right_eye": (0.3, 0.4),
    "left_eye": (0.7, 0.4),
    "nose": (0.5, 0.6),
    "mouth_right": (0.35, 0.8),
    "mouth_left": (0.65, 0.8),
}
"""Where the landmarks lie in a face's box, as parts of its sides."""


def draw_face(image: Image, x: int, y: int, width: int, height: int) -> list[float]:
    """A bright ellipse with dark eyes and mouth; returns the landmarks, x and y in turn."""
    middle = (x + width // 2, y + height // 2)
    cv2.ellipse(image, middle, (width // 2, height // 2), 0, 0, 360, (200, 210, 220), -1)
    points = []
    for part_x, part_y in PARTS.values():
        place = (round(x + part_x * width), round(y + part_y * height))
        cv2.circle(image, place, max(1, width // 12), (20, 20, 30), -1)
        points += [float(place[0]), float(place[1])]
    return points


def write_photos(folder: Path, sources: dict[str, tuple[int, int]], *, seed: int = 0) -> None:
    """Write photographs of 160x120.

    Parameters
    ----------
    sources
        For each source's name, how many photographs with a face and how many without.
    """
    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True)
    rows = []
    for source, (with_face, without) in sources.items():
        for number in range(with_face + without):
            name = f"{source}_{number:04}.jpg"
            image = rng.integers(0, 120, (120, 160, 3)).astype(np.uint8)
            image = cv2.GaussianBlur(image, (0, 0), 2)
            row: dict[str, object] = {"file": name, "width": 160, "height": 120}
            if number < with_face:
                width = int(rng.integers(24, 70))
                height = width * 5 // 4
                x, y = int(rng.integers(0, 160 - width)), int(rng.integers(0, 120 - height))
                points = draw_face(image, x, y, width, height)
                row |= dict(zip(BOX, (x, y, width, height), strict=True)) | dict(zip(POINTS, points, strict=True))
            rows.append(row)
            cv2.imwrite(str(folder / "images" / name), image)
    with (folder / FACES_FILE).open("w", newline="") as stream:
        table = csv.DictWriter(stream, ["file", "width", "height", "score", *BOX, *POINTS])
        table.writeheader()
        table.writerows(rows)
    (folder / IGNORE_FILE).write_text(
        "file,x,y,w,h,reason,score\n"
        f"{rows[0]['file']},1,2,30,40,yunet_0.3-0.6,0.4\n"
        f"{rows[0]['file']},100,60,20,25,human_box_no_landmarks,\n"
    )
