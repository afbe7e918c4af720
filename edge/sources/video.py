"""What OpenCV captures: USB and other V4L2 cameras, video files, network streams."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import cv2

from edge.errors import SourceError
from edge.observation import Frame, Image
from edge.sources.base import FrameSource, file_frame, live_frame
from edge.sources.devices import check_camera

VIDEO_SUFFIXES = frozenset(
    {
        *(".3gp", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mjpeg", ".mjpg", ".mkv"),
        *(".mov", ".mp4", ".mpeg", ".mpg", ".ts", ".webm", ".wmv"),
    }
)
"""Endings by which a folder's videos are told from its other files, in lower case."""

STREAM_SCHEMES = ("rtsp://", "rtsps://", "http://", "https://")

_YUYV_LIMIT = 640 * 480 * 30
"""Pixels a second that a USB 2.0 camera delivers uncompressed; beyond it the camera has to compress to MJPG."""

_SECRET = re.compile(r"(?i)((?:pass|passwd|password|pwd|token|secret|key|apikey|api_key|auth|sig|signature)=)[^&;/#]*")

# FFmpeg and OpenCV report to stderr what we raise as errors, addresses with passwords among it.
# FFmpeg's level is read when the first video is opened; the user's own choice stands.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
if "OPENCV_LOG_LEVEL" not in os.environ:
    # OpenCV moved this function between 4.9 and 4.14; level 0 is silence.
    (cv2.utils.logging if hasattr(cv2.utils, "logging") else cv2).setLogLevel(0)


class CameraSource(FrameSource):
    """A V4L2 camera: USB webcams, and most others that show up as /dev/videoN.

    Parameters
    ----------
    path
        The device, such as /dev/video0 or /dev/v4l/by-id/...
    width, height
        Size to ask for, in pixels; the camera takes the nearest that it has.
    fps
        Frames per second to ask for.

    Raises
    ------
    SourceError
        When there is no such camera, no permission, or no frame comes.
    """

    live = True

    def __init__(self, path: str, *, width: int = 640, height: int = 480, fps: float = 15.0) -> None:
        self.name = path
        check_camera(path)
        self._index = 0
        self._capture = _open(path, cv2.CAP_V4L2)
        if not self._capture.isOpened():
            raise SourceError(f"cannot open the camera {path}: another program may be using it")
        if width * height * fps > _YUYV_LIMIT:
            self._capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, width)
        self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, height)
        self._capture.set(cv2.CAP_PROP_FPS, fps)
        # Frames wait in the driver's buffers: two are the fewest with which it never has to drop one.
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 2)
        self._first = _grab(self._capture)
        if self._first is None:
            self.close()
            raise SourceError(f"the camera {path} opens but delivers no frame: another program may be using it")

    def read(self) -> Frame | None:
        if not self._capture.isOpened():
            return None
        image, self._first = self._first if self._first is not None else _grab(self._capture), None
        if image is None:
            raise SourceError(f"the camera {self.name} stopped delivering frames: was it unplugged?")
        index = self._index
        self._index += 1
        return live_frame(image, index, self.name)

    def close(self) -> None:
        self._capture.release()


class VideoFileSource(FrameSource):
    """The frames of a video file, turned upright as its metadata says; a truncated one yields what can be read.

    Raises
    ------
    SourceError
        When the file is missing, is not a video, or not one frame can be decoded.
    """

    live = False

    def __init__(self, path: str | Path) -> None:
        self.name = str(path)
        try:
            with Path(path).open("rb") as file:
                if not file.read(1):
                    raise SourceError(f"the video '{path}' is empty (0 bytes)")
        except OSError as error:
            raise SourceError(f"cannot read the video '{path}': {error.strerror or error}") from error
        self._index = 0
        self._position = 0.0
        # An absolute path: FFmpeg takes the start of 'a:b.mp4' for a protocol. Within a file it allows itself no
        # network protocol, so a playlist cannot make it open a connection.
        self._capture = _open(str(Path(path).absolute()), cv2.CAP_FFMPEG)
        self._first = _grab(self._capture) if self._capture.isOpened() else None
        if self._first is None:
            self.close()
            raise SourceError(f"'{path}' is not a video that can be read, or it is cut short before its first frame")
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps: float = rate if 0 < rate < 1000 else 25.0
        """Frames per second, as the file says; 25 where it does not."""
        count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.frame_count: int | None = count if count > 0 else None
        """How many frames the file's header promises, for progress bars; a damaged file yields fewer."""

    def read(self) -> Frame | None:
        image, self._first = self._first if self._first is not None else _grab(self._capture), None
        if image is None:
            return None
        index = self._index
        self._index += 1
        if index:
            told = self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            # Damaged files and some containers tell no time, or one that jumps back.
            self._position = told if told > self._position else self._position + 1 / self.fps
        return file_frame(image, index, self._position, self.name)

    def close(self) -> None:
        self._first = None
        self._capture.release()


class StreamSource(FrameSource):
    """An RTSP (over TCP) or HTTP stream: IP cameras, MJPEG servers.

    Reads whatever FFmpeg finds at the address. The connection is made anew by making the source anew.

    Parameters
    ----------
    address
        rtsp://, rtsps://, http:// or https://, with `user:password@` where needed; the password appears in no name,
        error or log.
    timeout
        Seconds to wait for the connection, and for each frame.

    Raises
    ------
    SourceError
        When the address does not answer in time, or not with a video.
    """

    live = True

    def __init__(self, address: str, *, timeout: float = 10.0) -> None:
        self.name = without_password(address)
        self._timeout = timeout
        self._index = 0
        milliseconds = max(1, round(timeout * 1000))
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, milliseconds, cv2.CAP_PROP_READ_TIMEOUT_MSEC, milliseconds]
        # Over UDP, OpenCV's default fall-back, lost packets smear the picture.
        os.environ.setdefault("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp")
        started = time.monotonic()
        self._capture = _open(address, cv2.CAP_FFMPEG, limits)
        self._first = _grab(self._capture) if self._capture.isOpened() else None
        if self._first is None:
            self.close()
            late = time.monotonic() - started >= timeout
            reason = f"no frame within {timeout:g} s" if late else "no connection, wrong user or password, or no video"
            raise SourceError(f"cannot read the stream {self.name}: {reason}")

    def read(self) -> Frame | None:
        if not self._capture.isOpened():
            return None
        started = time.monotonic()
        image, self._first = self._first if self._first is not None else _grab(self._capture), None
        if image is None:
            late = time.monotonic() - started >= self._timeout
            reason = f"gave no frame for {self._timeout:g} s" if late else "ended: the other side closed it"
            raise SourceError(f"the stream {self.name} {reason}")
        index = self._index
        self._index += 1
        return live_frame(image, index, self.name)

    def close(self) -> None:
        self._capture.release()


def without_password(address: str) -> str:
    """The address without the password of `user:password@host` and without values of parameters that look secret."""
    scheme, separator, rest = address.partition("://")
    if not separator:
        return address
    authority = re.match(r"[^/?#]*", rest)
    # A password may hold a / that should have been written %2F: then the last @ of all counts, unless a plain
    # host:port comes before the first slash.
    end = rest.rfind("@") if authority is None or not re.fullmatch(r"[^@:]+(:\d+)?", authority[0]) else -1
    if end >= 0:
        user = rest[:end].partition(":")[0]
        rest = f"{user}@{rest[end + 1 :]}"
    return scheme + separator + _SECRET.sub(r"\1***", rest)


def _open(what: str, backend: int, parameters: Sequence[int] = ()) -> cv2.VideoCapture:
    try:
        return cv2.VideoCapture(what, backend, list(parameters))
    except cv2.error as error:
        raise SourceError(f"OpenCV cannot open '{without_password(what)}': {error.err}") from None


def _grab(capture: cv2.VideoCapture) -> Image | None:
    """The next picture, or None; `read` of a closed capture is harmless too."""
    try:
        delivered, image = capture.read()
    except cv2.error:  # a frame that cannot be decoded
        return None
    return cast(Image, image) if delivered and image is not None and image.size else None
