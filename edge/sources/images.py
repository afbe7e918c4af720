"""Pictures from files: one image, or a folder of them in natural order."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

from edge.errors import SourceError
from edge.observation import Frame, Image
from edge.sources.base import FrameSource, file_frame

IMAGE_SUFFIXES = frozenset({".avif", ".bmp", ".jp2", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
"""Endings by which a folder's pictures are told from its other files, in lower case."""

_BACKDROP = 255
"""What stands behind transparent pixels: white, as on a page or in a viewer, so that the model sees what people see."""

_log = logging.getLogger(__name__)


def read_image(path: str | Path) -> Image:
    """Read one picture as 8-bit grey or BGR, turned upright as its EXIF orientation says.

    16 bits are scaled to 8 over their full range; transparent pixels are laid on white. The content decides the
    format, not the name's ending. A picture that is both rotated by EXIF and partly transparent is not turned.

    Returns
    -------
    (height, width) or (height, width, 3) BGR, uint8

    Raises
    ------
    SourceError
        When the file cannot be read, is empty, cut short or not a picture; names the file.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(f"cannot read the picture '{path}': {error.strerror or error}") from error
    if not data:
        raise SourceError(f"the picture '{path}' is empty (0 bytes)")
    if _cut_short(data):
        raise SourceError(f"the picture '{path}' is cut short: its end is missing; copy it again")
    buffer = np.frombuffer(data, np.uint8)
    try:
        image = cv2.imdecode(buffer, cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH)
        # Only UNCHANGED keeps alpha, and it alone ignores EXIF orientation; JPEG, the usual case, has no alpha.
        layered = None if image is None or _is_jpeg(data) else cv2.imdecode(buffer, cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise SourceError(f"the picture '{path}' cannot be decoded: {error.err}") from error
    if image is None:
        raise SourceError(f"'{path}' is not a picture that can be read, or it is damaged")
    if layered is not None and layered.ndim == 3 and layered.shape[2] == 4:
        layered = _to_8_bit(layered, path)
        if layered[:, :, 3].min() < 255:
            return _on_backdrop(layered)
    return _to_8_bit(image, path)


def natural_key(path: Path) -> tuple[list[tuple[int, int, str]], str]:
    """Sorts `frame9` before `frame10`: digits count as numbers. The name itself settles ties."""
    parts = re.findall(r"\d+|\D+", path.name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part.casefold()) for part in parts], path.name


class ImageSource(FrameSource):
    """One picture, or the pictures directly inside a folder as if they were a film of `fps` frames a second.

    A frame's `source` is the picture's own path. In a folder a picture that cannot be read is reported as a warning,
    counted in `skipped` and passed over, unless none can be read.
    """

    live = False

    def __init__(self, path: str | Path, *, fps: float = 15.0) -> None:
        self._path = Path(path)
        self.name = str(path)
        self.skipped = 0
        self._fps = fps
        self._count = 0
        self._whole_folder = self._path.is_dir()
        self._left = iter(self._list_folder() if self._whole_folder else [self._path])

    def _list_folder(self) -> list[Path]:
        try:
            files = [p for p in self._path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file()]
        except OSError as error:
            raise SourceError(f"cannot list the folder '{self._path}': {error.strerror or error}") from error
        if not files:
            endings = " ".join(sorted(IMAGE_SUFFIXES))
            raise SourceError(f"the folder '{self._path}' holds no pictures (looked for {endings})")
        return sorted(files, key=natural_key)

    def read(self) -> Frame | None:
        for path in self._left:
            try:
                image = read_image(path)
            except SourceError as error:
                if not self._whole_folder:
                    raise
                self.skipped += 1
                _log.warning("passed over: %s", error)
                continue
            index = self._count
            self._count += 1
            return file_frame(image, index, index / self._fps, str(path))
        if self._count == 0 and self.skipped:
            raise SourceError(f"none of the {self.skipped} pictures in the folder '{self._path}' can be read")
        return None

    def close(self) -> None:
        self._left = iter(())


def _is_jpeg(data: bytes) -> bool:
    return data.startswith(b"\xff\xd8")


def _cut_short(data: bytes) -> bool:
    """Whether the end of a JPEG or PNG is missing: older OpenCV fills the rest of a JPEG with stale memory.

    In a JPEG the end marker (FF D9) has to follow the last start of a scan (FF DA); neither occurs inside a scan,
    where FF is always escaped.
    """
    if _is_jpeg(data):
        return data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda")
    return data.startswith(b"\x89PNG\r\n\x1a\n") and b"IEND" not in data[-1024:]


def _to_8_bit(image: npt.NDArray[Any], path: Path) -> Image:
    if image.dtype == np.uint16:
        image = cv2.convertScaleAbs(image, alpha=1 / 257)  # 65535 / 257 = 255
    if image.dtype != np.uint8:
        raise SourceError(f"the picture '{path}' holds {image.dtype} pixels; save it with 8 or 16 bits a channel")
    return cast(Image, image)


def _on_backdrop(layered: Image) -> Image:
    """Blend (height, width, 4) BGRA over the backdrop."""
    alpha = layered[:, :, 3:].astype(np.float32) / 255
    blended = layered[:, :, :3] * alpha + _BACKDROP * (1 - alpha)
    return np.rint(blended).astype(np.uint8)
