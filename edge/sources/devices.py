"""Which cameras this machine has."""

from __future__ import annotations

import fcntl
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from edge.errors import SourceError
from edge.sources.picamera import attached_modules

_SYSFS = Path("/sys/class/video4linux")
_DEV = Path("/dev")

# struct v4l2_capability of linux/videodev2.h: driver, card, bus_info, version, capabilities, device_caps, reserved.
_CAPABILITY = struct.Struct("=16s32s32sIII12x")
_VIDIOC_QUERYCAP = 0x80685600
_CAPTURES = 0x1 | 0x1000  # V4L2_CAP_VIDEO_CAPTURE, V4L2_CAP_VIDEO_CAPTURE_MPLANE
_HAS_DEVICE_CAPS = 0x80000000  # V4L2_CAP_DEVICE_CAPS

_NOT_READ_BY_V4L2 = frozenset({"unicam", "rp1-cfe", "bcm2835-isp", "pispbe"})
"""Drivers of a Raspberry Pi's raw sensor pipeline: their nodes deliver pictures only through libcamera."""


@dataclass(frozen=True, slots=True)
class CameraInfo:
    """A camera that `open_frame_source` can be given."""

    path: str
    """What to pass as the source: a device path, or `picamera` / `picamera:N`."""
    name: str
    """What the driver calls it."""


def list_cameras() -> list[CameraInfo]:
    """The camera modules that Picamera2 sees, then the V4L2 capture devices in the order of their numbers.

    A V4L2 node counts when its driver says that it captures video; one that cannot be asked (no permission, busy)
    counts when it is its device's first node.
    """
    modules = [
        CameraInfo("picamera" if number == 0 else f"picamera:{number}", model)
        for number, model in enumerate(attached_modules())
    ]
    return modules + [
        CameraInfo(str(_DEV / node.name), _read(node / "name") or node.name)
        for node in sorted(_SYSFS.glob("video[0-9]*"), key=lambda node: int(node.name.removeprefix("video")))
        if (_DEV / node.name).exists() and _is_camera(node)
    ]


def check_camera(path: str) -> None:
    """Raise a `SourceError` that says why the V4L2 device `path` cannot be a camera, if so."""
    try:
        capability = _query(Path(path))
    except FileNotFoundError:
        cameras = ", ".join(f"{camera.path} ({camera.name})" for camera in list_cameras())
        found = f"this machine has {cameras}" if cameras else "no camera was found; is it plugged in?"
        raise SourceError(f"there is no camera {path}: {found}") from None
    except PermissionError:
        raise SourceError(
            f"no permission to open {path}: add the user to the group video (sudo usermod -aG video $USER) "
            "and log in again"
        ) from None
    except OSError as error:
        raise SourceError(f"{path} is not a camera: {error.strerror or error}") from error
    if not captures_video(capability):
        raise SourceError(f"{path} is not a camera that V4L2 can read: its driver is '{_driver(capability)}'")


def captures_video(capability: bytes) -> bool:
    """Whether a device whose QUERYCAP answer this is (`struct v4l2_capability`) delivers pictures to OpenCV."""
    _, _, _, _, whole_device, node = _CAPABILITY.unpack(capability)
    abilities = node if whole_device & _HAS_DEVICE_CAPS else whole_device
    return bool(abilities & _CAPTURES) and _driver(capability) not in _NOT_READ_BY_V4L2


def _is_camera(node: Path) -> bool:
    try:
        return captures_video(_query(_DEV / node.name))
    except OSError:
        return _read(node / "index") in ("0", "")


def _query(path: Path) -> bytes:
    answer = bytearray(_CAPABILITY.size)
    device = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        fcntl.ioctl(device, _VIDIOC_QUERYCAP, answer)
    finally:
        os.close(device)
    return bytes(answer)


def _driver(capability: bytes) -> str:
    return capability[:16].rstrip(b"\0").decode(errors="replace")


def _read(file: Path) -> str:
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return ""
