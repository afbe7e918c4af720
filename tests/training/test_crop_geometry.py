"""Ways to cut faces, measured with a detector and a model whose answers can be foreseen.

A face is a light square with a dark band whose height names the class; the detector finds what is light on a dark
photograph and knows where such a face has its eyes. The band is on one side of the face, so that a face cut too high,
or not turned upright, is read as another class.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("sklearn")

from edge.errors import DataError
from edge.features.face import CropGeometry
from edge.observation import Box, Face, Image
from training.datasets.face_photos import Photo
from training.datasets.mounted_faces import SURROUND, MountedFaces, Place
from training.evaluation.crop_geometry import (
    KNOWN_PLACE,
    READY_MADE,
    Answers,
    compare_paired,
    find_mounted,
    locate_landmarks,
    matching_face,
    read_cuts,
)
from training.evaluation.crop_report import CropReport, FoundRates
from training.evaluation.crop_stability import ALL, CHANGES, FACE_PIXELS, Change, measure_stability, stage
from training.evaluation.crop_ways import MARGINS, OFFSETS, SCALES, list_ways

BAND, CLASSES = 6, 7
GEOMETRY = CropGeometry(eye_distance=0.34, eyes_y=0.4, mouth_y=0.74)
LANDMARKS = np.array([[0.33, 0.4], [0.67, 0.4], [0.5, 0.58], [0.38, 0.74], [0.62, 0.74]])


def banded(count: int) -> tuple[Image, npt.NDArray[np.int64]]:
    labels = np.arange(count) % CLASSES
    crops = np.full((count, 48, 48), 230, np.uint8)
    for crop, label in zip(crops, labels, strict=True):
        top = 3 + BAND * label
        crop[top : top + BAND, 6:22] = 150
    return crops, labels


def read_band(crop: Image) -> npt.NDArray[np.float32]:
    rows = crop[3 : 3 + BAND * CLASSES, 6:22].reshape(CLASSES, -1).mean(axis=1)
    odds = np.exp((rows.min() - rows) / 10)
    probabilities: npt.NDArray[np.float32] = (odds / odds.sum()).astype(np.float32)
    return probabilities


def light_places(image: Image) -> list[Place]:
    gray = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    light = cv2.morphologyEx((gray > 120).astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5)))
    contours, _ = cv2.findContours(light, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    places = []
    for contour in contours:
        middle, size, angle = cv2.minAreaRect(contour)
        # Half way out of the surround, the face is half as light as within.
        places.append(Place(max(size) / (1 + SURROUND / 2), (angle + 45) % 90 - 45, middle))
    return places


def detect(image: Image) -> list[Face]:
    faces = []
    for place in light_places(image):
        points = (LANDMARKS - 0.5) @ place.linear.T + place.middle
        faces.append(Face(place.box, 0.9, tuple((float(x), float(y)) for x, y in points)))
    return faces


def dark_photo() -> Photo:
    none = np.zeros((0, 4), np.float32)
    return Photo("dark_1.jpg", np.full((60, 80, 3), 10, np.uint8), none, np.zeros((0, 5, 2), np.float32), none)


def portrait(name: str, label: int) -> Photo:
    image = np.full((200, 260, 3), 10, np.uint8)
    image[60:140, 90:170] = cv2.resize(banded(CLASSES)[0][label], (80, 80))[:, :, None]
    # As wide as `light_places` takes a face to be.
    boxes = np.array([[90, 60, 80, 80]], np.float32)
    return Photo(name, image, boxes, np.zeros((1, 5, 2), np.float32), np.zeros((0, 4), np.float32))


@pytest.fixture(scope="module")
def report() -> CropReport:
    crops, labels = banded(56)
    frames = MountedFaces(crops, [dark_photo()], seed=5)
    found = find_mounted(detect, frames)
    landmarks = locate_landmarks(frames.places, found)
    ways = list_ways(landmarks.geometry, 48)
    cuts = {way.name: way.cut for way in ways.all()}
    few = {way.name: way.cut for way in (ways.estimate, ways.without_turning, ways.box)}
    portraits = [portrait(f"{source}_{label}.jpg", label) for source in ("one", "two") for label in range(CLASSES)]
    return CropReport(
        source="made",
        backdrops=len(frames.backdrops),
        model="bands",
        detector="light",
        seed=5,
        rates=FoundRates.of(frames.places, found),
        landmarks=landmarks,
        ways=ways,
        answers=read_cuts(frames, labels, found, cuts, read_band),
        is_turned=np.array([place.angle != 0 for place, face in zip(frames.places, found, strict=True) if face]),
        stability=measure_stability(portraits, detect, few, read_band),
    )


def test_the_geometry_of_the_crops_is_recovered() -> None:
    rng = np.random.default_rng(0)
    places = [Place(side, angle, (320.0, 200.0)) for side in (60.0, 90.5, 200.0) for angle in (0.0, 0.0, 25.0)]
    found: list[Face | None] = []
    for place in places:
        points = LANDMARKS + rng.normal(0, 0.001, (5, 2))
        if place.angle:
            points = points + 0.2  # of turned faces nothing is told: these must not count
        pixels = (points - 0.5) @ place.linear.T + place.middle
        found.append(Face(place.box, 0.5, tuple((float(x), float(y)) for x, y in pixels)))
    landmarks = locate_landmarks([*places, places[0]], [*found, None])
    assert landmarks.points.shape == (6, 5, 2)
    assert landmarks.quartiles[1] == pytest.approx(LANDMARKS, abs=0.003)
    assert landmarks.geometry.eye_distance == pytest.approx(0.34, abs=0.003)
    assert landmarks.geometry.eyes_y == pytest.approx(0.4, abs=0.003)
    assert landmarks.geometry.mouth_y == pytest.approx(0.74, abs=0.003)
    with pytest.raises(DataError, match="no landmarks of upright faces"):
        locate_landmarks(places, [None] * len(places))
    with pytest.raises(DataError, match="no landmarks of upright faces"):
        locate_landmarks(places[:1], [Face(Box(0, 0, 9, 9), 0.5)])


def test_the_face_at_the_place_is_the_one_that_counts() -> None:
    place = Place(100, 0.0, (200.0, 200.0))
    near, nearer, far = (Face(Box(x, 155, 80, 90), 0.5) for x in (180, 165, 400))
    assert matching_face([far, near, nearer], place) is nearer
    assert matching_face([far], place) is None
    assert matching_face([], place) is None


def test_the_best_way_is_the_one_that_undoes_the_mounting(report: CropReport) -> None:
    assert report.rates.found == report.rates.faces == 56
    estimate = report.landmarks.geometry
    assert (estimate.eye_distance, estimate.eyes_y, estimate.mouth_y) == pytest.approx((0.34, 0.4, 0.74), abs=0.02)
    score = report.answers.score
    assert score(READY_MADE).accuracy == 1
    assert score(KNOWN_PLACE).accuracy > 0.95
    assert score(report.ways.estimate.name).accuracy > 0.95
    best = report.best.geometry
    assert best is not None
    assert (best.scale, best.offset) == (1.0, 0.0)
    grid = report.grid()
    assert (len(grid), {len(row) for row in grid}) == (len(SCALES), {len(OFFSETS)})
    # Higher by 0.08 of the side is two thirds of a band: another class.
    assert max(row[0].accuracy for row in grid) < 0.8
    assert score("box, margin +0.3").accuracy < 0.85
    turned = report.is_turned
    assert report.answers.right[report.ways.without_turning.name][turned].mean() < 0.95
    assert report.answers.right[report.ways.estimate.name][turned].mean() > 0.95


def test_labels_that_do_not_stay(report: CropReport) -> None:
    rows = {row.name: row for row in report.stability}
    assert list(rows) == [*(change.name for change in CHANGES), ALL, "one", "two"]
    assert rows[ALL].pairs == rows["one"].pairs + rows["two"].pairs == 14 * len(CHANGES)
    assert rows[ALL].found > 0.9 * rows[ALL].pairs
    upright, turned = report.ways.without_turning.name, report.ways.estimate.name
    assert rows[ALL].agreement[turned] > 0.95
    assert rows["turned +30 degrees"].agreement[turned] > rows["turned +30 degrees"].agreement[upright]
    with pytest.raises(DataError, match="none of 1 photographs has a face"):
        measure_stability([dark_photo()], detect, {}, read_band)


@pytest.mark.parametrize("change", [Change("none"), Change("turned", angle=20.0), Change("larger", scale=1.4)])
def test_a_staged_face_lies_where_it_is_said_to(change: Change) -> None:
    photo = portrait("one_1.jpg", 3)
    image, place = stage(photo, photo.boxes[0], change)
    (seen,) = light_places(image)
    assert seen.middle == pytest.approx(place.middle, abs=1.5)
    assert seen.angle == pytest.approx(change.angle, abs=1.5)
    assert seen.side * (1 + SURROUND / 2) == pytest.approx(FACE_PIXELS * change.scale, rel=0.03)


def test_the_tables(report: CropReport, tmp_path: Path) -> None:
    lines = report.as_text().splitlines()
    assert lines[0].startswith("56 faces of made, mounted in 1 photographs; light finds 56: 100.0% of the upright")
    for name in (READY_MADE, KNOWN_PLACE, report.ways.estimate.name, *(way.name for way in report.ways.boxes)):
        assert sum(line.startswith(f"{name}  ") for line in lines) == 1, name
    assert sum(line.endswith(("<- best", "<- estimate")) for line in lines) == 1
    for scale in SCALES:
        assert sum(line.startswith(f"{scale:<8.1f}") for line in lines) == 1
    document = json.loads(json.dumps(report.as_dict()))
    assert len(document["ways"]) == 1 + len(SCALES) * (len(OFFSETS) + 1) + len(MARGINS)
    assert document["best"]["geometry"]["rotate"] is True
    assert document["differences"]["best - estimate"]["value"] == 0
    assert len(document["stability"]) == len(CHANGES) + 3
    report.draw(tmp_path / "crop.png")
    picture = cv2.imread(str(tmp_path / "crop.png"))
    assert picture is not None
    assert min(picture.shape[:2]) > 400
    assert picture.std() > 5


def bools(text: str) -> npt.NDArray[np.bool_]:
    return np.array([letter == "1" for letter in text], bool)


def test_paired_differences() -> None:
    ours, theirs = bools("1" * 70 + "0" * 30), bools("1" * 60 + "0" * 40)
    difference = compare_paired(ours, theirs, seed=1)
    assert difference.value == pytest.approx(0.1)
    # Ten faces in a hundred: a binomial, whose standard deviation is 0.03.
    assert difference.low == pytest.approx(0.04, abs=0.011)
    assert difference.high == pytest.approx(0.16, abs=0.011)
    assert compare_paired(ours, ours, seed=1).high == 0
    # The same accuracies, unpaired, would leave the sign open.
    mixed = compare_paired(ours, theirs[::-1], seed=1)
    assert mixed.low < 0 < mixed.high


def test_the_best_of_many_does_not_flatter_itself() -> None:
    rng = np.random.default_rng(0)
    right = {str(number): rng.random(100) < 0.5 for number in range(200)}
    answers = Answers(right, {name: values.astype(float) for name, values in right.items()})
    names: Sequence[str] = list(right)
    assert right[answers.best(names)].mean() > 0.6
    assert answers.choose_apart(names).mean() == pytest.approx(0.5, abs=0.12)


def test_nothing_found() -> None:
    crops, labels = banded(2)
    frames = MountedFaces(crops, [dark_photo()], seed=1)
    with pytest.raises(DataError, match="none of 2 mounted faces was found"):
        read_cuts(frames, labels, [None, None], {}, read_band)
