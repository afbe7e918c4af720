"""Scenes with a known number of faces, made of the demonstration's portrait, and what is found in them.

The scenes are what a camera may show: no face, one, twenty; faces that the border cuts; heads turned to 30 degrees (on
top of the demonstration's own tilt, at most 8 degrees); grey frames; frames from 160x120 to 4K; a black frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from benchmarks import measuring
from benchmarks.haar import HaarFaceDetector
from edge.errors import AffectEdgeError, ModelError
from edge.observation import Box, Face, Image
from edge.recognizers.face_detector import FaceDetector
from edge.sources.demo import DemoSource

Find = Callable[[Image], list[Face]]

SIZES = ((160, 120), (640, 480), (1920, 1080), (3840, 2160))
"""Width and height of whole frames, pixels."""
ANGLES = (-30, -15, 15, 30)
"""Degrees, anticlockwise."""
CUT = 0.35
"""Part of the face's side that is beyond the border."""

_AWAY = 17
"""Seconds into the demonstration when its face is outside."""
_GRID = (4, 5)
_CELL = (120, 128)
"""Height and width of one of the twenty faces' pictures."""
_TILE = (240, 320)
_CAPTION = 22
_COLUMNS = 4


@dataclass(frozen=True, eq=False)
class Scene:
    """One picture and the faces in it."""

    name: str
    image: Image
    faces: tuple[Box, ...]


def scenes() -> list[Scene]:
    """All scenes; `MissingDependencyError` where the demonstration has no portrait."""
    source = DemoSource(paced=False, fps=1.0)
    frames = [frame.image for frame in islice(source, 25)]
    first, face = frames[0], source.face_box(0)
    made = [
        Scene("no face", frames[_AWAY], ()),
        Scene("all black", np.zeros_like(first), ()),
        _twenty(frames, source),
    ]
    made += [_cut(first, face, side) for side in ("left", "right", "top", "bottom")]
    made += [_turned(first, face, angle) for angle in ANGLES]
    made.append(Scene("grey", cv2.cvtColor(first, cv2.COLOR_BGR2GRAY), (face,)))
    for width, height in SIZES:
        whole = DemoSource(paced=False, width=width, height=height)
        frame = whole.read()
        assert frame is not None
        made.append(Scene(f"{width}x{height}", frame.image, (whole.face_box(0),)))
    return made


def _twenty(frames: Sequence[Image], source: DemoSource) -> Scene:
    """Twenty moments of the demonstration in rows, each face as large as the others."""
    rows, columns = _GRID
    height, width = _CELL
    canvas = np.zeros((rows * height, columns * width, 3), np.uint8)
    faces = []
    # The face is away from second 15 to 20 of each 20.
    moments = [second for second in range(len(frames)) if second % 20 < 15]
    for place, second in enumerate(moments[: rows * columns]):
        box = source.face_box(second)
        scale = height / (1.5 * box.width)
        middle = (box.x + box.width / 2, box.y + box.height / 2)
        matrix = np.array(
            [[scale, 0, width / 2 - scale * middle[0]], [0, scale, height / 2 - scale * middle[1]]], np.float64
        )
        y, x = place // columns * height, place % columns * width
        canvas[y : y + height, x : x + width] = cv2.warpAffine(
            frames[second], matrix, (width, height), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
        )
        side = round(scale * box.width)
        faces.append(Box(x + (width - side) // 2, y + (height - side) // 2, side, side))
    return Scene(f"{len(faces)} faces", canvas, tuple(faces))


def _cut(image: Image, face: Box, side: str) -> Scene:
    """The frame from where, or up to where, a part of the face is beyond its border."""
    cut = round(CUT * face.width)
    x0 = face.x + cut if side == "left" else 0
    y0 = face.y + cut if side == "top" else 0
    x1 = face.x + face.width - cut if side == "right" else image.shape[1]
    y1 = face.y + face.height - cut if side == "bottom" else image.shape[0]
    moved = Box(face.x - x0, face.y - y0, face.width, face.height)
    return Scene(f"cut at the {side}", np.ascontiguousarray(image[y0:y1, x0:x1]), (moved,))


def _turned(image: Image, face: Box, angle: int) -> Scene:
    middle = (face.x + face.width / 2, face.y + face.height / 2)
    matrix = cv2.getRotationMatrix2D(middle, angle, 1.0)
    turned = cv2.warpAffine(image, matrix, (image.shape[1], image.shape[0]), borderMode=cv2.BORDER_REPLICATE)
    return Scene(f"turned by {angle:+d}", np.asarray(turned, np.uint8), (face,))


def judge(scene: Scene, found: Sequence[Face]) -> tuple[int, int]:
    """How many of a scene's faces were found, and how many detections are on none of them.

    A face is found by a detection whose middle lies in its box; a second one on the same face is a false alarm.
    """
    free = list(scene.faces)
    wrong = 0
    for face in found:
        x, y = face.box.x + face.box.width / 2, face.box.y + face.box.height / 2
        hit = next((box for box in free if 0 <= x - box.x <= box.width and 0 <= y - box.y <= box.height), None)
        if hit is None:
            wrong += 1
        else:
            free.remove(hit)
    return len(scene.faces) - len(free), wrong


def measure(models: Sequence[Path], picture: Path) -> measuring.Results:
    """Search all scenes with our models, as they ship, and with the former detector; draw what the first one finds."""
    detectors: dict[str, Find] = {}
    for model in models:
        detector = FaceDetector(model)
        detectors[detector.manifest.name] = detector
    try:
        detectors["Haar, 240 lines"] = HaarFaceDetector(min_size=0.08)
    except ModelError as error:
        if not detectors:
            raise ModelError(f"nothing to draw: no face-detection model is installed, and {error}") from None
    made = scenes()
    found = {name: [find(scene.image) for scene in made] for name, find in detectors.items()}
    drawn = next(iter(found))
    write_picture(picture, made, found[drawn])
    return {
        "picture": {"file": picture.name, "detector": drawn},
        "expected": {scene.name: len(scene.faces) for scene in made},
        "found": {
            name: {
                scene.name: dict(zip(("faces", "false_alarms"), judge(scene, faces), strict=True))
                for scene, faces in zip(made, answers, strict=True)
            }
            for name, answers in found.items()
        },
    }


def lines(results: measuring.Results) -> Iterator[str]:
    """The figures of `measure` for people."""
    names = list(results["found"])
    yield f"{'scenes of the demonstration':<28}{'faces':>6}" + "".join(f"{name:>20}" for name in names)
    for scene, expected in results["expected"].items():
        told = []
        for name in names:
            each = results["found"][name][scene]
            extra = f", {each['false_alarms']} false" if each["false_alarms"] else ""
            told.append(f"{each['faces']}{extra}")
        yield f"{scene:<28}{expected:>6}" + "".join(f"{text:>20}" for text in told)
    yield f"{results['picture']['file']} shows what {results['picture']['detector']} finds"


def write_picture(path: Path, made: Sequence[Scene], found: Sequence[Sequence[Face]]) -> None:
    """All scenes in one picture, each with the boxes and landmarks found and their count beside the expected one.

    Raises
    ------
    AffectEdgeError
        The file cannot be written.
    """
    height, width = _TILE
    rows = -(-len(made) // _COLUMNS)
    canvas = np.full((rows * (height + _CAPTION), _COLUMNS * width, 3), 255, np.uint8)
    for place, (scene, faces) in enumerate(zip(made, found, strict=True)):
        y, x = place // _COLUMNS * (height + _CAPTION), place % _COLUMNS * width
        canvas[y : y + height + _CAPTION, x : x + width] = _tile(scene, faces)
    written, content = cv2.imencode(".png", canvas)
    assert written
    try:
        path.write_bytes(content.tobytes())
    except OSError as error:
        raise AffectEdgeError(f"{path}: cannot be written: {error.strerror}; --picture names the file") from None


def _tile(scene: Scene, faces: Sequence[Face]) -> Image:
    height, width = _TILE
    rows, columns = scene.image.shape[:2]
    scale = min(height / rows, width / columns)
    size = (round(columns * scale), round(rows * scale))
    small = cv2.resize(scene.image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    tile: Image = np.full((height + _CAPTION, width, 3), 235, np.uint8)
    tile[: size[1], : size[0]] = small if small.ndim == 3 else cv2.cvtColor(small, cv2.COLOR_GRAY2BGR)
    inside = tile[: size[1], : size[0]]
    for face in faces:
        x0, y0 = round(face.box.x * scale), round(face.box.y * scale)
        x1, y1 = round((face.box.x + face.box.width) * scale), round((face.box.y + face.box.height) * scale)
        cv2.rectangle(inside, (x0, y0), (x1, y1), (60, 220, 60), 2)
        for x, y in face.landmarks or ():
            cv2.circle(inside, (round(x * scale), round(y * scale)), 2, (40, 190, 255), cv2.FILLED)
    right, wrong = judge(scene, faces)
    text = f"{scene.name}: {right} of {len(scene.faces)}" + (f", {wrong} false" if wrong else "")
    cv2.putText(tile, text, (6, height + 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (30, 30, 30), 1, cv2.LINE_AA)
    return tile
