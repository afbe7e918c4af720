from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from benchmarks import face_scenes
from benchmarks.face_scenes import Scene
from edge.errors import AffectEdgeError
from edge.observation import Box, Face

BLACK = np.zeros((240, 320, 3), np.uint8)


@pytest.fixture(scope="module")
def made() -> dict[str, Scene]:
    return {scene.name: scene for scene in face_scenes.scenes()}


def test_the_scenes_are_what_a_camera_may_show(made: dict[str, Scene]) -> None:
    assert {name: len(scene.faces) for name, scene in made.items() if len(scene.faces) != 1} == {
        "no face": 0,
        "all black": 0,
        "20 faces": 20,
    }
    assert made.keys() >= {"turned by -30", "turned by +15", "cut at the left", "grey", "160x120", "3840x2160"}
    assert made["grey"].image.ndim == 2
    assert made["3840x2160"].image.shape == (2160, 3840, 3)
    assert not made["all black"].image.any()
    for scene in made.values():
        rows, columns = scene.image.shape[:2]
        for box in scene.faces:
            assert 0 < box.x + box.width / 2 < columns and 0 < box.y + box.height / 2 < rows, scene.name


@pytest.mark.parametrize("side", ["left", "right", "top", "bottom"])
def test_a_cut_face_is_partly_beyond_the_border(made: dict[str, Scene], side: str) -> None:
    scene = made[f"cut at the {side}"]
    (box,) = scene.faces
    rows, columns = scene.image.shape[:2]
    beyond = {
        "left": -box.x,
        "right": box.x + box.width - columns,
        "top": -box.y,
        "bottom": box.y + box.height - rows,
    }
    assert beyond[side] == pytest.approx(face_scenes.CUT * box.width, abs=1)
    assert all(value <= 0 for name, value in beyond.items() if name != side)


def test_the_face_is_where_the_scene_says(made: dict[str, Scene]) -> None:
    # The portrait's face is the same in all: patches from two scenes, brought to one size, look alike.
    def patch(scene: Scene, box: Box) -> npt.NDArray[np.float64]:
        gray = scene.image if scene.image.ndim == 2 else cv2.cvtColor(scene.image, cv2.COLOR_BGR2GRAY)
        cut = gray[box.y : box.y + box.height, box.x : box.x + box.width]
        small = cv2.resize(cut, (24, 24), interpolation=cv2.INTER_AREA).astype(np.float64).ravel()
        normal: npt.NDArray[np.float64] = (small - small.mean()) / small.std()
        return normal

    upright = patch(made["640x480"], made["640x480"].faces[0])
    for scene in (made["grey"], made["160x120"], made["3840x2160"], made["20 faces"]):
        for box in scene.faces[:1]:
            assert float(np.mean(upright * patch(scene, box))) > 0.8, scene.name


def face(x: int, y: int, side: int) -> Face:
    return Face(Box(x, y, side, side), 0.9, tuple((x + side * a, y + side * b) for a, b in ((0.3, 0.4),) * 5))


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        ([], (0, 0)),
        ([face(12, 12, 36)], (1, 0)),
        ([face(12, 12, 36), face(14, 10, 40)], (1, 1)),
        ([face(12, 12, 36), face(105, 12, 30)], (2, 0)),
        ([face(60, 60, 30)], (0, 1)),
    ],
)
def test_faces_are_found_once_and_by_their_middle(found: list[Face], verdict: tuple[int, int]) -> None:
    scene = Scene("two", np.zeros((120, 160, 3), np.uint8), (Box(10, 10, 40, 40), Box(100, 10, 40, 40)))
    assert face_scenes.judge(scene, found) == verdict


def test_the_picture_shows_what_is_found(tmp_path: Path) -> None:
    made = [
        Scene("one", BLACK, (Box(100, 80, 60, 60),)),
        Scene("grey", BLACK[..., 0], ()),
        Scene("large", np.zeros((480, 640, 3), np.uint8), (Box(200, 160, 120, 120),)),
    ]
    path = tmp_path / "found.png"
    face_scenes.write_picture(path, made, [[face(100, 80, 60)], [], [face(200, 160, 120)]])
    picture = cv2.imread(str(path))
    assert picture is not None
    green = (picture[:, :, 1] > 200) & (picture[:, :, 0] < 100) & (picture[:, :, 2] < 100)
    tiles = [green[:, at * 320 : (at + 1) * 320] for at in range(3)]
    assert [bool(tile.any()) for tile in tiles] == [True, False, True]
    for tile in (tiles[0], tiles[2]):
        # The larger scene is drawn at half its size, so both boxes come to lie at the same place.
        rows, columns = np.flatnonzero(tile.any(axis=1)), np.flatnonzero(tile.any(axis=0))
        assert abs(rows[0] - 80) <= 2 and abs(rows[-1] - 140) <= 2
        assert abs(columns[0] - 100) <= 2 and abs(columns[-1] - 160) <= 2


def test_a_picture_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AffectEdgeError, match=r"found\.png: cannot be written"):
        face_scenes.write_picture(tmp_path / "absent" / "found.png", [Scene("black", BLACK, ())], [[]])


def test_all_scenes_are_searched_and_told(face_detector: Path, tmp_path: Path) -> None:
    path = tmp_path / "found.png"
    results = face_scenes.measure([face_detector], path)
    assert path.is_file()
    told = results["found"]["face_near"]
    assert told.keys() == results["expected"].keys()
    assert told["all black"] == {"faces": 0, "false_alarms": 0}
    assert told["640x480"]["faces"] == told["grey"]["faces"] == 1
    text = "\n".join(face_scenes.lines(results))
    assert "20 faces                        20" in text
    assert "found.png shows what face_near finds" in text
