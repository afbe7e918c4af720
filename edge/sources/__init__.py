"""Where frames come from: cameras, videos, streams, pictures and the built-in demonstration, behind one interface."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2

from edge.errors import MissingDependencyError, SourceError
from edge.sources.base import FrameSource
from edge.sources.csi import csi_source
from edge.sources.demo import DemoSource
from edge.sources.devices import CameraInfo, list_cameras
from edge.sources.gstreamer import GStreamerSource
from edge.sources.images import IMAGE_SUFFIXES, ImageSource, read_image
from edge.sources.picamera import PicameraSource, attached_modules
from edge.sources.sound import SOUND_SUFFIXES, AudioSource, SoundFigures, is_sound_file, open_audio_source
from edge.sources.video import (
    STREAM_SCHEMES,
    VIDEO_SUFFIXES,
    CameraSource,
    StreamSource,
    VideoFileSource,
    without_password,
)

__all__ = [
    "IMAGE_SUFFIXES",
    "SOUND_SUFFIXES",
    "VIDEO_SUFFIXES",
    "AudioSource",
    "CameraInfo",
    "FrameSource",
    "SoundFigures",
    "is_sound_file",
    "list_cameras",
    "open_audio_source",
    "open_frame_source",
    "read_image",
]

_KINDS = (
    "auto, demo, picamera, csi (a Jetson's camera), a camera's number or /dev/videoN, an rtsp:// or http:// address, "
    "gstreamer:PIPELINE, a video, a picture or a folder of pictures"
)

_log = logging.getLogger(__name__)


def open_frame_source(
    spec: str, *, width: int = 640, height: int = 480, fps: float = 15.0, or_demo: bool = True
) -> FrameSource:
    """Open the source that `spec` names.

    Parameters
    ----------
    spec
        `auto` (the first camera that delivers a frame, else the demonstration), `demo`, `picamera` or `picamera:N`,
        `csi` or `csi:N` (a Jetson's camera), a number (0 is /dev/video0), a path under /dev, an rtsp(s):// or
        http(s):// address, `gstreamer:` and a pipeline, or the path of a video, a picture or a folder of pictures.
    width, height
        Size in pixels asked of a camera and of the demonstration; files, streams and pipelines have their own.
    fps
        Frames per second, likewise; the pictures of a folder are taken as if they came at this rate.
    or_demo
        Whether `auto` may be the demonstration.

    Raises
    ------
    SourceError
        When `spec` names nothing that can be opened; says what is missing.
    MissingDependencyError
        When it needs a package that is not installed.
    """
    if spec == "auto":
        return _open_any(width=width, height=height, fps=fps, or_demo=or_demo)
    if spec == "demo":
        return DemoSource(width=width, height=height, fps=fps)
    kind, _, rest = spec.partition(":")
    if kind == "gstreamer" and spec != kind:
        return GStreamerSource(rest)
    if kind in ("picamera", "csi") and (rest.isdecimal() or spec == kind):
        open_module = PicameraSource if kind == "picamera" else csi_source
        return open_module(int(rest or 0), width=width, height=height, fps=fps)
    if spec.isdecimal():
        return CameraSource(f"/dev/video{int(spec)}", width=width, height=height, fps=fps)
    if spec.startswith("/dev/"):
        return CameraSource(spec, width=width, height=height, fps=fps)
    if spec.lower().startswith(STREAM_SCHEMES):
        return StreamSource(spec)
    if "://" in spec:
        raise SourceError(f"cannot read '{without_password(spec)}': addresses begin with {', '.join(STREAM_SCHEMES)}")
    return _open_path(spec, fps=fps)


def _open_path(spec: str, *, fps: float) -> FrameSource:
    path = Path(spec)
    if not spec or not path.exists():
        raise SourceError(f"there is no file or folder '{spec}'; a source is {_KINDS}")
    if path.is_dir():
        return ImageSource(path, fps=fps)
    suffix = path.suffix.lower()
    # Of other endings the content decides: haveImageReader looks at the first bytes.
    if suffix in IMAGE_SUFFIXES or (suffix not in VIDEO_SUFFIXES and cv2.haveImageReader(str(path))):
        return ImageSource(path, fps=fps)
    return VideoFileSource(path)


def _open_any(*, width: int, height: int, fps: float, or_demo: bool) -> FrameSource:
    """A camera module, else the first V4L2 camera that delivers a frame, else the demonstration."""
    if attached_modules():
        try:
            return PicameraSource(width=width, height=height, fps=fps)
        except SourceError as error:
            _log.warning("%s", error)
    for camera in list_cameras():
        if camera.path.startswith("/dev/"):
            try:
                source = CameraSource(camera.path, width=width, height=height, fps=fps)
            except SourceError as error:
                _log.warning("%s", error)
            else:
                _log.info("source: %s (%s)", camera.path, camera.name)
                return source
    if not or_demo:
        raise SourceError("no camera delivers frames here; is one plugged in, and may this user open it?")
    try:
        demo = DemoSource(width=width, height=height, fps=fps)
    except MissingDependencyError as error:
        raise SourceError(f"no camera delivers frames here, and {error}") from error
    _log.warning("no camera delivers frames here: showing the built-in demonstration (choose with --source)")
    return demo
