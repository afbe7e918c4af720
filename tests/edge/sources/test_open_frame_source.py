"""From the words of `--source` to the source that they name."""

from __future__ import annotations

import importlib.util
import logging
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest

from edge.errors import SourceError
from edge.observation import Box
from edge.sources import CameraInfo, FrameSource, demo, devices, open_frame_source

needs_portrait = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None, reason="the portrait is in matplotlib's wheel (extra 'demo')"
)


def png(path: Path) -> Path:
    path.write_bytes(cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    return path


def avi(path: Path) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (32, 32))
    for value in range(5):
        writer.write(np.full((32, 32, 3), value, np.uint8))
    writer.release()
    return path


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("picture.png", "ImageSource"),
        ("picture.dat", "ImageSource"),
        ("picture", "ImageSource"),
        ("", "ImageSource"),  # the folder
        ("video.avi", "VideoFileSource"),
        ("video.dat", "VideoFileSource"),
    ],
)
def test_paths(tmp_path: Path, name: str, kind: str) -> None:
    png(tmp_path / "picture.png")
    (tmp_path / "picture.dat").write_bytes((tmp_path / "picture.png").read_bytes())
    (tmp_path / "picture").write_bytes((tmp_path / "picture.png").read_bytes())
    avi(tmp_path / "video.avi")
    (tmp_path / "video.dat").write_bytes((tmp_path / "video.avi").read_bytes())
    with open_frame_source(str(tmp_path / name)) as source:
        assert type(source).__name__ == kind
        assert source.read() is not None


@needs_portrait
def test_size_and_rate_reach_the_demonstration() -> None:
    with open_frame_source("demo", width=320, height=240, fps=30) as source:
        frame = source.read()
        assert source.live
    assert frame is not None
    assert frame.image.shape == (240, 320, 3)


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("4711", "there is no camera /dev/video4711"),
        ("/dev/video4711", "there is no camera /dev/video4711"),
        ("no such thing", r"no file or folder 'no such thing'; a source is auto, demo,"),
        ("", "no file or folder ''"),
        ("picamera:first", "no file or folder"),
        ("ftp://u:geheim@host/v.mp4", r"'ftp://u@host/v\.mp4': addresses begin with rtsp://"),
    ],
)
def test_what_cannot_be_opened(spec: str, problem: str) -> None:
    with pytest.raises(SourceError, match=problem) as caught:
        open_frame_source(spec)
    assert "\n" not in str(caught.value)
    assert "geheim" not in str(caught.value)


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No camera of any kind, wherever the tests run."""
    monkeypatch.setitem(sys.modules, "picamera2", None)
    monkeypatch.setattr(devices, "_SYSFS", tmp_path / "absent")


@needs_portrait
def test_auto_without_a_camera_says_that_it_demonstrates(bare_machine: None, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), open_frame_source("auto") as source:
        assert source.name == "demo"
    assert "built-in demonstration" in caplog.text


@needs_portrait
def test_auto_passes_over_a_camera_that_fails(
    bare_machine: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("edge.sources.list_cameras", lambda: [CameraInfo("/dev/null", "Broken")])
    with caplog.at_level(logging.WARNING), open_frame_source("auto") as source:
        assert source.name == "demo"
    assert "/dev/null is not a camera" in caplog.text


def test_auto_prefers_the_camera_module(bare_machine: None, monkeypatch: pytest.MonkeyPatch) -> None:
    class Request:
        def make_array(self, stream: str) -> np.ndarray[Any, Any]:
            return np.zeros((480, 640, 3), np.uint8)

        def release(self) -> None:
            pass

    class Picamera2:
        def __init__(self, number: int) -> None:
            pass

        @staticmethod
        def global_camera_info() -> list[dict[str, str]]:
            return [{"Id": "/base/i2c/imx219@10", "Model": "imx219"}]

        def create_video_configuration(self, **config: Any) -> None:
            pass

        def configure(self, config: None) -> None:
            pass

        def start(self) -> None:
            pass

        def capture_request(self, wait: float) -> Request:
            return Request()

        def close(self) -> None:
            pass

    module = ModuleType("picamera2")
    module.Picamera2 = Picamera2  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "picamera2", module)
    with open_frame_source("auto") as source:
        assert source.name == "picamera"


def test_auto_with_nothing_at_all(bare_machine: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "_PORTRAITS", (demo._Portrait("no_such_package", "x.jpg", Box(0, 0, 1, 1)),))
    with pytest.raises(SourceError, match=r"no camera delivers frames here, and .*affect-edge\[demo\]"):
        open_frame_source("auto")


def test_closing_by_with_and_iterating(tmp_path: Path) -> None:
    source: FrameSource
    with open_frame_source(str(avi(tmp_path / "v.avi"))) as source:
        assert [frame.index for frame in source] == [0, 1, 2, 3, 4]
    assert source.read() is None


PRIVACY = """
import os, sys
def forbid(event, arguments):
    if event.startswith("socket."):
        raise SystemExit(f"a socket was used: {event} {arguments}")
sys.addaudithook(forbid)
from edge.sources import open_frame_source
from edge.sources.demo import DemoSource
sources = [open_frame_source(spec) for spec in sys.argv[1:]] + [DemoSource(paced=False, frames=5)]
seen = 0
for source in sources:
    with source:
        for frame in source:
            seen += 1
            for name in os.listdir("/proc/self/fd"):  # sees the sockets of C libraries too
                try:
                    target = os.readlink(f"/proc/self/fd/{name}")
                except FileNotFoundError:  # the listing's own
                    continue
                assert int(name) < 3 or not target.startswith("socket:"), target
print(seen, "matplotlib" in sys.modules)
"""


@needs_portrait
def test_files_and_the_demonstration_open_no_socket(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    specs = [png(tmp_path / "p.png"), png(folder / "q.png").parent, avi(tmp_path / "v.avi")]
    done = subprocess.run(
        [sys.executable, "-c", PRIVACY, *map(str, specs)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "12 False\n"  # 1 + 1 + 5 + 5 frames, and matplotlib was not imported
