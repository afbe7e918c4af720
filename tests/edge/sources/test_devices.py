"""Which V4L2 nodes count as cameras, and what is said of those that cannot be used."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.errors import SourceError
from edge.sources import devices
from edge.sources.devices import CameraInfo, captures_video, check_camera, list_cameras

CAPTURE, OUTPUT, CAPTURE_MPLANE, M2M, META, STREAMING = 0x1, 0x2, 0x1000, 0x8000, 0x800000, 0x4000000
DEVICE_CAPS = 0x80000000


@pytest.mark.parametrize(
    ("driver", "whole_device", "node", "is_camera"),
    [
        ("uvcvideo", CAPTURE | META | STREAMING | DEVICE_CAPS, CAPTURE | STREAMING, True),
        ("uvcvideo", CAPTURE | META | STREAMING | DEVICE_CAPS, META | STREAMING, False),
        ("vivid", CAPTURE | OUTPUT | DEVICE_CAPS, OUTPUT, False),
        ("tegra-video", CAPTURE_MPLANE | DEVICE_CAPS, CAPTURE_MPLANE, True),
        ("oldcam", CAPTURE, 0, True),  # from before device_caps
        ("bcm2835-codec", M2M | DEVICE_CAPS, M2M, False),
        ("bcm2835-isp", CAPTURE | DEVICE_CAPS, CAPTURE, False),
        ("rp1-cfe", CAPTURE | DEVICE_CAPS, CAPTURE, False),
    ],
)
def test_only_capture_nodes_count(driver: str, whole_device: int, node: int, is_camera: bool) -> None:
    # struct v4l2_capability: driver, card, bus_info, version, capabilities, device_caps, reserved[3]
    answer = struct.pack("=16s32s32s6I", driver.encode(), b"A Camera", b"usb-1", 0x60000, whole_device, node, 0, 0, 0)
    assert len(answer) == 104
    assert captures_video(answer) is is_camera


@pytest.fixture
def nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A /sys and /dev with nodes that do not answer QUERYCAP (they are plain files)."""
    for number, name, index in ((10, "Second", "0"), (2, "First: HD", "0"), (3, "First: HD", "1"), (4, "Gone", "0")):
        node = tmp_path / "sys" / f"video{number}"
        node.mkdir(parents=True)
        (node / "name").write_text(name + "\n")
        (node / "index").write_text(index + "\n")
    (tmp_path / "dev").mkdir()
    for number in (2, 3, 10):
        (tmp_path / "dev" / f"video{number}").touch()
    monkeypatch.setattr(devices, "_SYSFS", tmp_path / "sys")
    monkeypatch.setattr(devices, "_DEV", tmp_path / "dev")
    monkeypatch.setattr(devices, "attached_modules", lambda: ["imx708", "ov5647"])
    return tmp_path / "dev"


def test_list(nodes: Path) -> None:
    assert list_cameras() == [
        CameraInfo("picamera", "imx708"),
        CameraInfo("picamera:1", "ov5647"),
        CameraInfo(str(nodes / "video2"), "First: HD"),
        CameraInfo(str(nodes / "video10"), "Second"),
    ]


def test_machine_without_cameras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_SYSFS", tmp_path / "absent")
    monkeypatch.setattr(devices, "attached_modules", list)
    assert list_cameras() == []
    with pytest.raises(SourceError, match=r"no camera /dev/video4711: no camera was found"):
        check_camera("/dev/video4711")


def test_missing_camera_names_those_that_exist(nodes: Path) -> None:
    with pytest.raises(SourceError, match=r"no camera .*video7: this machine has picamera \(imx708\), .*First: HD"):
        check_camera(str(nodes / "video7"))


@contextmanager
def unprivileged() -> Iterator[None]:
    """Root may open anything: become nobody for a moment."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_no_permission(nodes: Path) -> None:
    device = nodes / "video2"
    device.chmod(0)
    with unprivileged(), pytest.raises(SourceError, match=r"no permission to open .*video2: .*group video") as caught:
        check_camera(str(device))
    assert "\n" not in str(caught.value)
