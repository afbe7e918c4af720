"""Scenes: the faces lie where they are said to lie, the same seed gives the same scene, and cells are asked rightly."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge.features.cells import CellGrid, decode
from tests.training.photo_folder import write_photos
from training.datasets.cell_targets import EMPTY, FACE, LANDMARKS_KNOWN, LEFT_OUT, NUMBERS, STATE, assign
from training.datasets.face_photos import Photo, read_photos
from training.datasets.face_scenes import Scene, SceneMaker
from training.datasets.scene_light import change_light
from training.recipe_parts import DetectorTargets, SceneAugmentation

PLAIN = {
    "occlusion": 0.0, "blur": 0.0, "coarse": 0.0, "gamma": 0.0, "contrast": 0.0, "brightness": 0.0, "low_light": 0.0,
    "shade": 0.0, "noise": 0.0, "jpeg": 0.0,
}  # fmt: skip
KINDS = {
    "placed": {"mosaic": 0.0, "paste": 0.0, "empty": 0.0},
    "mosaic": {"mosaic": 1.0, "paste": 0.0, "empty": 0.0},
    "pasted": {"mosaic": 0.0, "paste": 1.0, "empty": 0.0},
    "empty": {"mosaic": 0.0, "paste": 0.0, "empty": 1.0},
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Photo]:
    folder = tmp_path_factory.mktemp("photos") / "data"
    write_photos(folder, {"aaa": (6, 4)})
    (folder / "train_ignore.csv").unlink()
    return read_photos(folder)


def make(photos: list[Photo], kind: str, seed: int, **changes: float) -> Scene:
    options = SceneAugmentation.model_validate(PLAIN | KINDS[kind] | changes)
    return SceneMaker(photos, options, height=128, width=160)(np.random.default_rng(seed))


@pytest.mark.parametrize("kind", ["placed", "mosaic", "pasted"])
def test_faces_lie_where_they_are_said_to(photos: list[Photo], kind: str) -> None:
    """Drawn faces are bright, with dark landmarks: also after turning, mirroring, tiling and pasting."""
    seen = right = 0
    for seed in range(40):
        scene = make(photos, kind, seed, face_pixels_min=24.0, cut_by_border=0.0)
        assert scene.image.shape == (128, 160)
        for box, points in zip(scene.boxes, scene.landmarks, strict=True):
            x, y = np.rint(box[:2] + box[2:] * (0.5, 0.25)).astype(int)  # the forehead
            places = np.rint(points).astype(int)
            inside = ((places >= 0) & (places < (160, 128))).all() and 0 <= x < 160 and 0 <= y < 128
            if max(box[2:]) < 24 or not inside:
                continue
            forehead = int(scene.image[y, x])
            is_dark = [scene.image[py, px] < forehead - 40 for px, py in places]
            eyes = places[1] - places[0]
            seen += 1
            right += forehead > 130 and all(is_dark) and eyes[0] > -abs(eyes[1])
    assert seen > 20
    # A tile's border or another head may cover a part.
    assert right >= 0.85 * seen


def test_an_empty_scene_has_no_face(photos: list[Photo]) -> None:
    scene = make(photos, "empty", 1)
    assert len(scene.boxes) == len(scene.ignored) == 0
    assert scene.image.max() < 150, "nothing of a drawn face"


def test_the_seed_makes_the_scene(photos: list[Photo]) -> None:
    options = SceneAugmentation()
    maker = SceneMaker(photos, options, height=64, width=96)
    one, again, other = (maker(np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert np.array_equal(one.image, again.image)
    assert np.array_equal(one.boxes, again.boxes)
    assert not np.array_equal(one.image, other.image)


def test_light_keeps_the_form() -> None:
    options = SceneAugmentation.model_validate(
        dict.fromkeys(("blur", "coarse", "low_light", "shade", "noise", "jpeg"), 1.0)
    )
    image = np.full((48, 64), 120, np.uint8)
    cv2.circle(image, (32, 24), 10, 220, -1)
    before = image.copy()
    for seed in range(20):
        changed = change_light(image, options, np.random.default_rng(seed))
        assert changed.shape == image.shape
        assert changed.dtype == np.uint8
        assert changed.mean() < 90, "low light"
    assert np.array_equal(image, before), "the picture that came in is left alone"


GRID = CellGrid(128, 160)


def scene_of(*boxes: tuple[float, float, float, float], ignored: tuple[float, ...] = ()) -> Scene:
    array = np.array(boxes, np.float32).reshape(-1, 4)
    points = array[:, None, :2] + array[:, None, 2:] * np.array(
        [[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]]
    )
    return Scene(
        np.zeros((128, 160), np.uint8), array, points.astype(np.float32), np.array(ignored, np.float32).reshape(-1, 4)
    )


@pytest.mark.parametrize(
    ("side", "strides"), [(8, {8}), (16, {8}), (25, {8, 16}), (40, {16}), (60, {16, 32}), (100, {32})]
)
def test_cells_of_the_fitting_maps_are_asked(side: float, strides: set[int]) -> None:
    scene = scene_of((50.0, 20.0, 0.8 * side, side))
    targets = assign(scene, GRID, DetectorTargets())
    asked = targets[:, STATE] == FACE
    maps = np.repeat(GRID.strides, GRID.counts)
    assert set(maps[asked].tolist()) == strides
    boxes, landmarks = decode(targets[asked][:, NUMBERS], GRID.centers[asked], GRID.lengths[asked], GRID.unit)
    assert boxes == pytest.approx(np.repeat(scene.boxes, asked.sum(), axis=0), abs=1e-3)
    assert landmarks == pytest.approx(np.repeat(scene.landmarks, asked.sum(), axis=0), abs=1e-3)
    assert (targets[asked, LANDMARKS_KNOWN] == 1).all()
    distance = np.abs(GRID.centers[asked] - (scene.boxes[0, :2] + scene.boxes[0, 2:] / 2))
    assert (distance <= np.maximum(0.35 * scene.boxes[0, 2:], 0.75 * maps[asked][:, None])).all()


def test_every_face_within_the_picture_is_asked_for_somewhere() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        side = float(np.exp(rng.uniform(np.log(6.5), np.log(125))))
        x, y = rng.uniform((0, 0), (160 - 0.8 * side, 128 - side))
        assert (assign(scene_of((x, y, 0.8 * side, side)), GRID, DetectorTargets())[:, STATE] == FACE).any()


def test_the_smaller_of_two_faces_gets_the_cell() -> None:
    targets = assign(scene_of((20.0, 20.0, 24.0, 26.0), (26.0, 27.0, 10.0, 12.0)), GRID, DetectorTargets())
    cell = int(np.abs(GRID.centers[: GRID.counts[0]] - (31, 33)).sum(axis=1).argmin())
    box, _ = decode(targets[[cell]][:, NUMBERS], GRID.centers[[cell]], GRID.lengths[[cell]], GRID.unit)
    assert box[0].tolist() == pytest.approx([26, 27, 10, 12], abs=1e-3)


def test_what_is_left_out() -> None:
    tiny = assign(scene_of((50.0, 50.0, 4.0, 5.0)), GRID, DetectorTargets())
    assert not (tiny[:, STATE] == FACE).any(), "too small to be asked for"
    region = assign(scene_of(ignored=(40.0, 40.0, 30.0, 30.0)), GRID, DetectorTargets())
    inside = (np.abs(GRID.centers - 55) < 15).all(axis=1)
    assert (region[inside, STATE] == LEFT_OUT).all()
    assert (region[(np.abs(GRID.centers - 55) > 18).any(axis=1), STATE] == EMPTY).all()
    unknown = scene_of((50.0, 20.0, 32.0, 40.0))
    unknown.landmarks[:] = np.nan
    targets = assign(unknown, GRID, DetectorTargets())
    assert np.isfinite(targets).all()
    assert (targets[targets[:, STATE] == FACE, LANDMARKS_KNOWN] == 0).all()
