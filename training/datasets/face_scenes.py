"""Scenes for training the face detector: photographs placed, tiled and pasted so that few of them go a long way.

A scene is what a camera might show at the detector's input size: a photograph zoomed so that one of its faces has a
chosen size, four such photographs side by side (mosaic, after YOLOv4, Bochkovskiy et al. 2020), faces pasted with soft
edges on pictures without any, or a picture without any. Face sizes are drawn evenly over their logarithm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from edge.observation import Image
from training.datasets.face_photos import FloatArray, Photo
from training.datasets.scene_light import change_light
from training.recipe_parts import SceneAugmentation

Rng = np.random.Generator
Place = npt.NDArray[np.floating[Any]]
"""(2,) x, y; or (2, 2) what turns and scales one."""

BT601 = np.array([[0.114, 0.587, 0.299]], np.float32)
TIGHT = 0.5
"""A photograph whose face takes more than this part of it shows nothing around the face: at a small size, its borders
would tell the face."""
VISIBLE = 0.5
"""Least part of a face's box inside a tile to be asked for; below it, and above a tenth, it is left out of the loss."""


@dataclass
class Scene:
    """A grey picture and its faces."""

    image: Image
    """(height, width) uint8."""
    boxes: FloatArray
    """(faces, 4) x, y, width, height; they may reach beyond the picture."""
    landmarks: FloatArray
    """(faces, 5, 2), NaN where unknown."""
    ignored: FloatArray
    """(regions, 4)."""


class SceneMaker:
    """Makes scenes of some photographs.

    Parameters
    ----------
    photos
        Some with faces and some without.
    options
        How often what, and how strongly.
    height, width
        Of the scenes in pixels.
    """

    def __init__(self, photos: Sequence[Photo], options: SceneAugmentation, *, height: int, width: int) -> None:
        self._options = options
        self._height, self._width = height, width
        self._faces = [photo for photo in photos if len(photo.boxes)]
        self._empty = [photo for photo in photos if not len(photo.boxes) and not len(photo.ignored)]
        # A crowd is one photograph among many, or its small faces would be all that is seen.
        weights = np.array([min(len(photo.boxes), 4) ** 0.5 for photo in self._faces])
        self._chances = np.cumsum(weights / weights.sum())

    def __call__(self, rng: Rng) -> Scene:
        options = self._options
        kind = rng.random()
        if kind < options.mosaic:
            scene = self._mosaic(rng)
        elif kind < options.mosaic + options.paste:
            scene = self._pasted(rng)
        elif kind < options.mosaic + options.paste + options.empty:
            scene = _place_empty(self._pick_empty(rng), self._height, self._width, rng)
        else:
            scene = self._placed(self._height, self._width, rng)
        if rng.random() < 0.5:
            _mirror(scene)
        _occlude(scene, options, rng)
        scene.image = change_light(scene.image, options, rng)
        return scene

    def _pick_face(self, rng: Rng) -> tuple[Photo, int]:
        photo = self._faces[int(np.searchsorted(self._chances, rng.random()))]
        return photo, int(rng.integers(len(photo.boxes)))

    def _pick_empty(self, rng: Rng) -> Photo:
        return self._empty[int(rng.integers(len(self._empty)))]

    def _size(self, limit: float, rng: Rng) -> float:
        """A face's larger side in pixels."""
        low = self._options.face_pixels_min
        return low * math.exp(rng.random() * math.log(max(limit, low + 1) / low))

    def _placed(self, height: int, width: int, rng: Rng) -> Scene:
        """One photograph, zoomed and turned about one of its faces."""
        photo, index = self._pick_face(rng)
        box = photo.boxes[index]
        is_tight = max(box[2:] / photo.image.shape[1::-1]) > TIGHT
        size = self._size(self._options.face_part_max * min(height, width), rng)
        if is_tight:
            size = rng.uniform(0.7, 1.0) * min(height, width)
        scale = min(size / max(box[2:]), self._options.zoom_max)
        if rng.random() < self._options.filled:
            # A photograph that leaves most of the scene free teaches little.
            scale = max(
                scale, self._options.filled_part * min(height / photo.image.shape[0], width / photo.image.shape[1])
            )
        size = scale * max(box[2:])
        angle = self._angle(rng)
        middle = self._middle(size, height, width, rng)
        scene = _warp(photo, box[:2] + box[2:] / 2, middle, scale, angle, height, width, rng)
        if rng.random() < self._options.backdrop and self._empty:
            scene.image = np.where(
                scene.image == _OUTSIDE, _place_empty(self._pick_empty(rng), height, width, rng).image, scene.image
            )
        return _close(scene, rng)

    def _middle(self, size: float, height: int, width: int, rng: Rng) -> Place:
        """Where a face goes, x and y: mostly so that all of it is seen."""
        frame = np.array([width, height])
        if rng.random() < self._options.cut_by_border:
            return frame * rng.random(2)
        free = np.maximum(frame - size, 0) / 2
        return frame / 2 + rng.uniform(-free, free)

    def _angle(self, rng: Rng) -> float:
        """Degrees."""
        if rng.random() < self._options.tilted:
            return float(rng.uniform(-self._options.rotation_max, self._options.rotation_max))
        return float(rng.normal(0, self._options.rotation_usual))

    def _mosaic(self, rng: Rng) -> Scene:
        height, width = self._height, self._width
        y, x = int(height * rng.uniform(0.35, 0.65)), int(width * rng.uniform(0.35, 0.65))
        image = np.empty((height, width), np.uint8)
        parts = []
        for top, left, rows, columns in (
            (0, 0, y, x),
            (0, x, y, width - x),
            (y, 0, height - y, x),
            (y, x, height - y, width - x),
        ):
            if rng.random() < self._options.empty_tile and self._empty:
                tile = _place_empty(self._pick_empty(rng), rows, columns, rng)
            else:
                tile = self._placed(rows, columns, rng)
            image[top : top + rows, left : left + columns] = tile.image
            parts.append(_moved(tile, left, top))
        return Scene(image, *(np.concatenate(each) for each in zip(*parts, strict=True)))

    def _pasted(self, rng: Rng) -> Scene:
        """Heads with soft edges on a picture without a face."""
        scene = _place_empty(self._pick_empty(rng), self._height, self._width, rng)
        parts = [(scene.boxes, scene.landmarks, scene.ignored)]
        taken: list[FloatArray] = []
        for _ in range(int(rng.integers(1, self._options.paste_most + 1))):
            photo, index = self._pick_face(rng)
            box = photo.boxes[index]
            limit = self._options.face_part_max * min(self._height, self._width)
            scale = min(self._size(limit, rng) / max(box[2:]), self._options.zoom_max)
            head = _head(photo, index, scale, self._angle(rng), self._options.paste_context, rng)
            rows, columns = head.image.shape
            left, top = np.rint(
                self._middle(columns / self._options.paste_context, self._height, self._width, rng)
            ).astype(int)
            left, top = int(left - columns // 2), int(top - rows // 2)
            place = np.array([left, top, columns, rows], np.float32)
            if any(
                _part_inside(place[None], other)[0] > 0.1 or _part_inside(other[None], place)[0] > 0.1
                for other in taken
            ):
                continue
            taken.append(place)
            _blend(scene.image, head.image, left, top, rng)
            parts.append(_moved(head, left, top))
        boxes, landmarks, ignored = (np.concatenate(each) for each in zip(*parts, strict=True))
        return _keep_visible(Scene(scene.image, boxes, landmarks, ignored))


_OUTSIDE = 255
"""Marks what no photograph covers while a scene is made; photographs themselves end at 254."""


def _gray(image: Image, rng: Rng) -> Image:
    """Mostly luma; at times another mix of the colours, as infrared cameras and coloured lights give."""
    mix = BT601 if rng.random() < 0.6 else rng.dirichlet((1.0, 1.0, 1.0)).astype(np.float32)[None]
    gray: Image = np.minimum(cv2.transform(image, mix), _OUTSIDE - 1)
    return gray


def _warp(
    photo: Photo,
    source: Place,
    target: Place,
    scale: float,
    angle: float,
    height: int,
    width: int,
    rng: Rng,
) -> Scene:
    """The photograph, scaled and turned so that the place `source` comes to `target`."""
    gray = _gray(photo.image, rng)
    before = 1.0
    if scale < 1:
        # Averaging first: a warp takes single pixels and would leave only some of the lines.
        size = tuple(max(1, round(side * scale)) for side in gray.shape[::-1])
        before = size[0] / gray.shape[1]
        gray = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
    turn = math.radians(angle)
    linear = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    full = scale * linear
    shift = target - full @ source
    image = cv2.warpAffine(
        gray,
        np.column_stack([full / before, shift]),
        (width, height),
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=_OUTSIDE,
    )
    boxes = _turned(photo.boxes, full, shift, scale, turn)
    return Scene(image, boxes, _points(photo.landmarks, full, shift), _turned(photo.ignored, full, shift, scale, turn))


def _turned(boxes: FloatArray, linear: Place, shift: Place, scale: float, turn: float) -> FloatArray:
    """Boxes around the turned ellipses that fill the boxes: a head is rather an ellipse than a rectangle."""
    middle = (boxes[:, :2] + boxes[:, 2:] / 2) @ linear.T + shift
    sides = (boxes[:, 2:] * scale) ** 2
    cos, sin = math.cos(turn) ** 2, math.sin(turn) ** 2
    size = np.sqrt(sides @ np.array([[cos, sin], [sin, cos]]))
    return np.concatenate([middle - size / 2, size], axis=1).astype(np.float32)


def _points(landmarks: FloatArray, linear: Place, shift: Place) -> FloatArray:
    points: FloatArray = (landmarks @ linear.T + shift).astype(np.float32)
    return points


def _close(scene: Scene, rng: Rng) -> Scene:
    """Fill what no photograph covers, and drop the faces that are hardly seen."""
    outside = scene.image == _OUTSIDE
    if outside.any():
        scene.image[outside] = 0 if rng.random() < 0.5 else int(rng.integers(0, 255))
    return _keep_visible(scene)


def _keep_visible(scene: Scene) -> Scene:
    height, width = scene.image.shape
    inside = _part_inside(scene.boxes, np.array([0, 0, width, height], np.float32))
    kept, hidden = inside >= VISIBLE, (inside < VISIBLE) & (inside > 0.1)
    scene.ignored = np.concatenate([scene.ignored, scene.boxes[hidden]])
    scene.boxes, scene.landmarks = scene.boxes[kept], scene.landmarks[kept]
    return scene


def _part_inside(boxes: FloatArray, frame: FloatArray) -> FloatArray:
    """Which part of each box lies inside a rectangle, 0 to 1."""
    low = np.maximum(boxes[:, :2], frame[:2])
    high = np.minimum(boxes[:, :2] + boxes[:, 2:], frame[:2] + frame[2:])
    part: FloatArray = np.prod(np.maximum(high - low, 0), axis=1) / np.maximum(np.prod(boxes[:, 2:], axis=1), 1e-6)
    return part


def _place_empty(photo: Photo, height: int, width: int, rng: Rng) -> Scene:
    """A piece of a photograph that covers all."""
    rows, columns = photo.image.shape[:2]
    least = max(height / rows, width / columns)
    scale = least * math.exp(rng.random() * math.log(2.5))
    reach = np.array([columns, rows]) * scale - (width, height)
    corner = rng.random(2) * reach
    return _warp(photo, corner / scale, np.zeros(2), scale, 0.0, height, width, rng)


def _head(photo: Photo, index: int, scale: float, angle: float, context: float, rng: Rng) -> Scene:
    """One face with some of what is around it; of the photograph's other faces nothing is told, so it is cut close."""
    box = photo.boxes[index]
    side = max(8, round(max(box[2:]) * scale * context))
    alone = Photo(
        photo.file, photo.image, photo.boxes[index : index + 1], photo.landmarks[index : index + 1], photo.ignored[:0]
    )
    middle = np.full(2, side / 2)
    return _warp(alone, box[:2] + box[2:] / 2, middle, scale, angle, side, side, rng)


def _blend(canvas: Image, head: Image, left: int, top: int, rng: Rng) -> None:
    """Lay a head on the canvas, its edges fading out along an ellipse."""
    rows, columns = head.shape
    y, x = np.mgrid[:rows, :columns]
    radius = np.hypot((x + 0.5) / columns - 0.5, (y + 0.5) / rows - 0.5) * 2
    soft = rng.uniform(0.08, 0.3)
    mask = np.clip((1.0 - radius) / soft, 0, 1).astype(np.float32)
    mask[head == _OUTSIDE] = 0
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + rows, canvas.shape[0]), min(left + columns, canvas.shape[1])
    if y1 <= y0 or x1 <= x0:
        return
    part = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
    under = canvas[y0:y1, x0:x1]
    canvas[y0:y1, x0:x1] = under + mask[part] * (head[part].astype(np.float32) - under)


def _moved(scene: Scene, left: int, top: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    step = np.array([left, top], np.float32)
    both = np.array([left, top, 0, 0], np.float32)
    return scene.boxes + both, scene.landmarks + step, scene.ignored + both


def _mirror(scene: Scene) -> None:
    width = scene.image.shape[1]
    scene.image = np.ascontiguousarray(scene.image[:, ::-1])
    for boxes in (scene.boxes, scene.ignored):
        boxes[:, 0] = width - boxes[:, 0] - boxes[:, 2]
    scene.landmarks[..., 0] = width - scene.landmarks[..., 0]
    # The person's right eye is now the left one.
    scene.landmarks = scene.landmarks[:, [1, 0, 2, 4, 3]]


def _occlude(scene: Scene, options: SceneAugmentation, rng: Rng) -> None:
    """Cover a part of some faces."""
    for x, y, width, height in scene.boxes:
        if rng.random() >= options.occlusion or min(width, height) < 12:
            continue
        w, h = rng.uniform(0.2, 0.7) * width, rng.uniform(0.15, 0.45) * height
        left, top = x + rng.uniform(0, width - w), y + rng.uniform(0, height - h)
        y0, x0 = max(round(top), 0), max(round(left), 0)
        patch = scene.image[y0 : max(round(top + h), 0), x0 : max(round(left + w), 0)]
        patch[:] = rng.integers(0, 255)
        if rng.random() < 0.5:
            patch[:] = np.clip(patch + rng.normal(0, 25, patch.shape), 0, 254).astype(np.uint8)
