"""The built-in demonstration: a public-domain portrait that moves through the frame, for machines without a camera."""

from __future__ import annotations

import importlib.util
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import cv2
import numpy as np

from edge.errors import MissingDependencyError
from edge.observation import Box, Frame, Image
from edge.sources.base import FrameSource, file_frame, live_frame
from edge.sources.images import read_image

_FACE_WIDTH = 150
"""Width of the face in the middle of its range, in pixels of a 640x480 frame."""

_REACH = 1.4
"""How much of the portrait is shown around the middle of the face, in widths of the face."""

_CYCLE = 20.0
"""Seconds from one departure of the face to the next; the portraits take turns."""

_LEAVES, _GONE, _RETURNS = 15.0, 16.5, 18.5
"""Seconds into the cycle when the face sets out for the border, is outside, and begins to come back."""


_TAKEN = Path(sys.prefix) / "share" / "affect-edge" / "demo"
"""Where firmware_config/take_portraits.py puts the pictures, so that a device need not carry the packages."""


@dataclass(frozen=True)
class _Portrait:
    """A picture that another package carries in its wheel; it is read as a file, the package is not imported."""

    package: str
    path: str
    face: Box
    """Where the face is in that picture: a square from the brows to the chin, and somewhat beyond."""

    def find(self) -> Path | None:
        taken = _TAKEN / Path(self.path).name
        if taken.is_file():
            return taken
        spec = importlib.util.find_spec(self.package)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            file = Path(folder, self.path)
            if file.is_file():
                return file
        return None


# Rear Admiral Grace Hopper, U.S. Navy photograph, 1983; Eileen Collins, NASA photograph, 1992. Both public domain.
_PORTRAITS = (
    _Portrait("matplotlib", "mpl-data/sample_data/grace_hopper.jpg", Box(155, 105, 222, 222)),
    _Portrait("skimage", "data/astronaut.png", Box(177, 66, 95, 95)),
)


@dataclass(frozen=True)
class _Sprite:
    """A portrait scaled so that its face is `_FACE_WIDTH` wide; the affine maps then change its size only a little."""

    image: Image
    backdrop: Image
    center: tuple[float, float]
    """The middle of the face, in pixels of `image`."""


class DemoSource(FrameSource):
    """The portrait drifts, nears and recedes, tilts, the light changes; it leaves the frame and comes back.

    The frames depend on nothing but their index, the seed and which portraits are installed (matplotlib's
    sample picture; scikit-image's too where that is present).

    Parameters
    ----------
    width, height
        Size of the frames in pixels.
    fps
        Frames per second.
    paced
        Live, like a camera: `read` waits for each frame's moment, and a slow reader loses frames. False: as fast as
        they are read, with times that run as in a file.
    frames
        End after this many (None: never).
    seed
        Chooses the paths of the motion.

    Raises
    ------
    MissingDependencyError
        When no portrait is installed.
    """

    name = "demo"

    def __init__(
        self,
        *,
        width: int = 640,
        height: int = 480,
        fps: float = 15.0,
        paced: bool = True,
        frames: int | None = None,
        seed: int = 0,
    ) -> None:
        self.live = paced
        self._size = (width, height)
        self._unit = min(width / 640, height / 480)
        self._fps = fps
        self._frames = math.inf if frames is None else frames
        # Phases of the swings in x, y, size, tilt, brightness and contrast.
        self._phases = np.random.default_rng(seed).uniform(0, 2 * math.pi, 6).tolist()
        self._sprites = [self._sprite(portrait.face, path) for portrait in _PORTRAITS if (path := portrait.find())]
        if not self._sprites:
            raise MissingDependencyError("matplotlib", "demo", "the portrait of the built-in demonstration")
        self._next = 0
        self._start: float | None = None

    def _sprite(self, face: Box, path: Path) -> _Sprite:
        picture = read_image(path)
        scale = _FACE_WIDTH * self._unit / face.width
        middle_x, middle_y, reach = face.x + face.width // 2, face.y + face.height // 2, round(_REACH * face.width)
        left, top = max(middle_x - reach, 0), max(middle_y - reach, 0)
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        bust = picture[top : middle_y + reach, left : middle_x + reach]
        return _Sprite(
            image=cast(Image, cv2.resize(bust, None, fx=scale, fy=scale, interpolation=how)),
            # The portrait's own colours, too blurred to hold a second face, fill the room behind it.
            backdrop=cast(Image, cv2.resize(cv2.resize(picture, (6, 6), interpolation=cv2.INTER_AREA), self._size)),
            center=((middle_x - left) * scale, (middle_y - top) * scale),
        )

    def read(self) -> Frame | None:
        index = self._next
        if self.live:
            now = time.monotonic()
            if self._start is None:
                self._start = now - index / self._fps
            index = max(index, math.floor((now - self._start) * self._fps))
        if index >= self._frames:
            return None
        self._next = index + 1
        image = self._draw(index)
        if not self.live or self._start is None:
            return file_frame(image, index, index / self._fps, self.name)
        time.sleep(max(0.0, self._start + index / self._fps - time.monotonic()))
        return live_frame(image, index, self.name)

    def close(self) -> None:
        self._frames = 0

    def face_box(self, index: int) -> Box:
        """Where the face of frame `index` truly is, in pixels; outside the frame while the face is away.

        The square that an upright detector would draw; the tilt (at most 8 degrees) does not widen it.
        """
        middle_x, middle_y, size, _ = self._pose(index / self._fps)
        side = _FACE_WIDTH * self._unit * size
        return Box(round(middle_x - side / 2), round(middle_y - side / 2), round(side), round(side))

    def _pose(self, seconds: float) -> tuple[float, float, float, float]:
        """Middle of the face in pixels of the frame, its size relative to the sprite's, its tilt in degrees."""
        width, height = self._size
        x, y, size, tilt = (
            math.sin(2 * math.pi * seconds / period + phase)
            for period, phase in zip((7.3, 5.1, 11.0, 4.3), self._phases, strict=False)
        )
        away = self._away(seconds % _CYCLE) * 640 * self._unit
        return (
            width / 2 + (90 * x) * self._unit + away,
            height / 2 + (45 * y) * self._unit,
            1.0 + 0.3 * size,
            8.0 * tilt,
        )

    @staticmethod
    def _away(seconds: float) -> float:
        """How far the face has left to the right (positive) or has yet to come in from the left (negative)."""
        if seconds < _LEAVES:
            return 0.0
        if seconds < _RETURNS:
            return _ease((seconds - _LEAVES) / (_GONE - _LEAVES))
        return _ease((seconds - _RETURNS) / (_CYCLE - _RETURNS)) - 1.0

    def _draw(self, index: int) -> Image:
        seconds = index / self._fps
        sprite = self._sprites[int(seconds // _CYCLE) % len(self._sprites)]
        middle_x, middle_y, size, tilt = self._pose(seconds)
        matrix = np.asarray(cv2.getRotationMatrix2D(sprite.center, tilt, size), dtype=np.float64)
        matrix[:, 2] += (middle_x - sprite.center[0], middle_y - sprite.center[1])
        canvas = sprite.backdrop.copy()
        cv2.warpAffine(sprite.image, matrix, self._size, dst=canvas, borderMode=cv2.BORDER_TRANSPARENT)
        light, contrast = (
            math.sin(2 * math.pi * seconds / period + phase)
            for period, phase in zip((9.7, 13.0), self._phases[4:], strict=True)
        )
        tones = np.clip(np.arange(256) * (1.0 + 0.12 * contrast) + 20.0 * light, 0, 255).astype(np.uint8)
        return cast(Image, cv2.LUT(canvas, tones))


def _ease(part: float) -> float:
    """0 to 1 with a gentle start and stop."""
    part = min(max(part, 0.0), 1.0)
    return part * part * (3 - 2 * part)
