"""The protocol with Picamera2: what is asked of it, that each request is given back, and its errors.

Pixels come from a small stand-in here; the real Picamera2 runs only where libcamera does.
"""

from __future__ import annotations

import concurrent.futures
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from edge.errors import MissingDependencyError, SourceError
from edge.sources.picamera import PicameraSource, attached_modules

MODULE = {"Id": "/base/soc/i2c0mux/i2c@1/imx708@1a", "Model": "imx708", "Num": 1}
USB = {"Id": "/base/scb/pcie@7d500000/pci@0,0/usb@0,0-1.3:1.0-046d:0825", "Model": "UVC Camera", "Num": 0}


class Request:
    def __init__(self, camera: FakePicamera2) -> None:
        self.camera = camera

    def make_array(self, stream: str) -> np.ndarray[Any, Any]:
        assert stream == "main"
        if self.camera.fail_array:
            raise RuntimeError("Stream 'main'\nis not defined")
        width, height = self.camera.config["main"]["size"]
        image = np.zeros((height, width, 3), np.uint8)
        image[:, :] = (255, 128, 0)  # B, G, R: what format RGB888 puts in memory
        return image

    def release(self) -> None:
        self.camera.held -= 1


class FakePicamera2:
    """Follows Picamera2 0.3: capture_request hands out a buffer that has to be released."""

    cameras: list[dict[str, Any]] = []  # noqa: RUF012 - set by the fixture
    opened: list[FakePicamera2] = []  # noqa: RUF012
    timeout_error: type[Exception] = concurrent.futures.TimeoutError
    start_error: Exception | None = None
    fail_array = False

    def __init__(self, number: int) -> None:
        self.number = number
        self.held = 0
        self.stalled = False
        self.calls: list[str] = []
        self.opened.append(self)

    @classmethod
    def global_camera_info(cls) -> list[dict[str, Any]]:
        return cls.cameras

    def create_video_configuration(self, **config: Any) -> dict[str, Any]:
        return config

    def configure(self, config: dict[str, Any]) -> None:
        self.config = config

    def start(self) -> None:
        if self.start_error:
            raise self.start_error
        self.calls.append("start")

    def capture_request(self, wait: float) -> Request:
        if self.stalled:
            raise self.timeout_error
        self.held += 1
        assert self.held < self.config["buffer_count"], "a request was not released"
        return Request(self)

    def close(self) -> None:
        self.calls.append("close")


@pytest.fixture
def picamera2(monkeypatch: pytest.MonkeyPatch) -> type[FakePicamera2]:
    class Fresh(FakePicamera2):
        cameras = [MODULE, USB]  # noqa: RUF012
        opened = []  # noqa: RUF012

    module = ModuleType("picamera2")
    module.Picamera2 = Fresh  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "picamera2", module)
    return Fresh


def test_frames_are_bgr_and_every_request_goes_back(picamera2: type[FakePicamera2]) -> None:
    with PicameraSource(width=32, height=24, fps=12) as source:
        frames = [source.read() for _ in range(10)]
        camera = picamera2.opened[0]
        assert camera.held == 0
        assert (source.name, source.live) == ("picamera", True)
    assert camera.config["main"] == {"size": (32, 24), "format": "RGB888"}
    assert camera.config["controls"] == {"FrameRate": 12}
    assert camera.calls == ["start", "close"]
    assert [frame.index for frame in frames if frame] == list(range(10))
    assert frames[0] is not None
    assert frames[0].image.shape == (24, 32, 3)
    assert frames[0].image[0, 0].tolist() == [255, 128, 0]
    assert source.read() is None  # closed


@pytest.mark.parametrize("kind", [TimeoutError, concurrent.futures.TimeoutError])
def test_stalled_camera(picamera2: type[FakePicamera2], kind: type[Exception]) -> None:
    picamera2.timeout_error = kind
    with PicameraSource(timeout=0.5) as source:
        source.read()
        picamera2.opened[0].stalled = True
        with pytest.raises(SourceError, match=r"'picamera' gave no frame for 0\.5 s"):
            source.read()


def test_request_is_released_when_its_picture_cannot_be_had(picamera2: type[FakePicamera2]) -> None:
    with PicameraSource() as source:
        source.read()
        picamera2.fail_array = True
        with pytest.raises(SourceError, match="failed: Stream 'main' is not defined"):
            source.read()
        assert picamera2.opened[0].held == 0


def test_camera_in_use_is_closed_again(picamera2: type[FakePicamera2]) -> None:
    picamera2.start_error = RuntimeError("Failed to acquire camera: Device or resource busy")
    with pytest.raises(SourceError, match="resource busy; does another program use it"):
        PicameraSource()
    assert picamera2.opened[0].calls == ["close"]


def test_usb_cameras_are_left_to_v4l2(picamera2: type[FakePicamera2]) -> None:
    assert attached_modules() == ["imx708"]
    with pytest.raises(SourceError, match=r"no camera module 1 \(found: 0 \(imx708\)\)"):
        PicameraSource(1)
    assert not picamera2.opened


def test_no_camera_attached(picamera2: type[FakePicamera2]) -> None:
    picamera2.cameras = []
    with pytest.raises(SourceError, match=r"found: none"):
        PicameraSource()


def test_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picamera2", None)  # the import then fails as if it were not installed
    assert attached_modules() == []
    with pytest.raises(MissingDependencyError, match=r"apt install python3-picamera2.*affect-edge\[pi\]") as caught:
        PicameraSource()
    assert "\n" not in str(caught.value)


def test_installed_without_libcamera(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "picamera2.py").write_text("import libcamera_that_is_not_here\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "picamera2", raising=False)
    with pytest.raises(SourceError, match=r"does not load.*libcamera_that_is_not_here.*apt install"):
        PicameraSource()
