"""Videos, streams and what only claims to be one; the servers are real ones on the loopback."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.errors import SourceError
from edge.sources.video import CameraSource, StreamSource, VideoFileSource, without_password

FRAMES = 20
FPS = 10.0


def shade(index: int) -> int:
    """The grey value of frame `index`, far enough from its neighbours' to survive compression."""
    return 20 + 10 * index


def write_video(path: Path, codec: str = "MJPG") -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), FPS, (64, 48))
    assert writer.isOpened()
    for index in range(FRAMES):
        writer.write(np.full((48, 64, 3), shade(index), np.uint8))
    writer.release()
    return path


@pytest.mark.parametrize(
    ("name", "codec"), [("v.avi", "MJPG"), ("v.mp4", "mp4v"), ("v.mkv", "MJPG"), ("é: 顔.avi", "MJPG"), ("v", "")]
)
def test_every_frame_with_its_time(tmp_path: Path, name: str, codec: str) -> None:
    path = tmp_path / name
    if codec:
        write_video(path, codec)
    else:
        write_video(tmp_path / "v.avi").rename(path)
    with VideoFileSource(path) as source:
        assert (source.fps, source.frame_count, source.live) == (FPS, FRAMES, False)
        frames = list(source)
        assert source.read() is None
    assert [frame.index for frame in frames] == list(range(FRAMES))
    assert [frame.monotonic_time for frame in frames] == pytest.approx([i / FPS for i in range(FRAMES)], abs=0.002)
    assert [round(float(frame.image.mean())) for frame in frames] == pytest.approx(
        [shade(i) for i in range(FRAMES)],
        abs=4.5,  # less than half the step to the next frame
    )
    assert {frame.source for frame in frames} == {str(path)}
    assert frames[0].image.shape == (48, 64, 3)


def test_truncated_video_yields_its_beginning(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.avi")
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with VideoFileSource(path) as source:
        frames = list(source)
    assert 5 < len(frames) < FRAMES
    times = [frame.monotonic_time for frame in frames]
    assert all(earlier < later for earlier, later in itertools.pairwise(times))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b"this is text, not a video\n" * 100, "not a video"),
        (b"RIFF\0\0\0\0AVI LIST", "not a video"),
    ],
)
def test_what_is_no_video_is_told_in_one_line_and_nothing_else(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], content: bytes, problem: str
) -> None:
    path = tmp_path / "fake.mp4"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=problem) as caught:
        VideoFileSource(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""  # FFmpeg and OpenCV kept quiet


def test_missing_video(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none\.mp4.*No such file"):
        VideoFileSource(tmp_path / "none.mp4")


def test_camera_that_does_not_exist() -> None:
    with pytest.raises(SourceError, match="there is no camera /dev/video4711"):
        CameraSource("/dev/video4711")


def test_device_that_is_not_a_camera() -> None:
    with pytest.raises(SourceError, match="/dev/null is not a camera"):
        CameraSource("/dev/null")


class MjpegServer(BaseHTTPRequestHandler):
    """Serves `FRAMES` parts of multipart/x-mixed-replace; /stall then goes silent instead of closing."""

    released = threading.Event()

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=part")
        self.end_headers()
        for index in range(FRAMES):
            jpeg = cv2.imencode(".jpg", np.full((48, 64, 3), shade(index), np.uint8))[1].tobytes()
            self.wfile.write(b"--part\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg))
            self.wfile.write(jpeg + b"\r\n")
        if self.path.startswith("/stall"):
            self.wfile.flush()
            self.released.wait(20)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    MjpegServer.released.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), MjpegServer) as http:
        http.daemon_threads = True
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"127.0.0.1:{http.server_port}"
        MjpegServer.released.set()
        http.shutdown()
        thread.join()


def test_http_stream(server: str) -> None:
    before = time.monotonic()
    with StreamSource(f"http://{server}/cam", timeout=5) as source:
        assert source.live
        frames = [source.read() for _ in range(5)]
    assert all(frame is not None for frame in frames)
    got = [(frame.index, round(float(frame.image.mean()))) for frame in frames if frame]
    assert [index for index, _ in got] == [0, 1, 2, 3, 4]
    assert [value for _, value in got] == pytest.approx([shade(i) for i in range(5)], abs=3)
    assert all(before <= frame.monotonic_time <= time.monotonic() for frame in frames if frame)
    assert source.read() is None  # closed


def read_until_error(source: StreamSource) -> tuple[int, str, float]:
    """How many frames came, what was raised, and after how many seconds of waiting."""
    for count in itertools.count():
        started = time.monotonic()
        try:
            source.read()
        except SourceError as error:
            return count, str(error), time.monotonic() - started
    raise AssertionError


def test_stream_that_the_other_side_closes(server: str) -> None:
    with StreamSource(f"http://{server}/cam", timeout=5) as source:
        count, problem, waited = read_until_error(source)
    assert count >= FRAMES - 1  # FFmpeg holds the last part back until the next boundary
    assert "closed" in problem
    assert waited < 2


def test_stream_that_falls_silent(server: str) -> None:
    with StreamSource(f"http://user:geheim@{server}/stall?token=abc", timeout=0.7) as source:
        count, problem, waited = read_until_error(source)
    assert count > 0
    assert problem == f"the stream http://user@{server}/stall?token=*** gave no frame for 0.7 s"
    assert 0.5 < waited < 3


@contextmanager
def silent_server() -> Iterator[int]:
    """A port that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.mark.parametrize("scheme", ["http", "rtsp"])
def test_server_that_never_answers(scheme: str, capfd: pytest.CaptureFixture[str]) -> None:
    with silent_server() as port:
        started = time.monotonic()
        with pytest.raises(SourceError, match=r"no frame within 0\.6 s") as caught:
            StreamSource(f"{scheme}://user:geheim@127.0.0.1:{port}/live", timeout=0.6)
        assert 0.5 < time.monotonic() - started < 3
    assert f"{scheme}://user@127.0.0.1:{port}/live" in str(caught.value)
    output = "".join(capfd.readouterr())
    assert "geheim" not in str(caught.value) + output
    assert output == ""


@pytest.mark.parametrize("scheme", ["http", "rtsp"])
def test_nobody_listens(scheme: str) -> None:
    with silent_server() as port:
        pass
    with pytest.raises(SourceError, match="no connection"):
        StreamSource(f"{scheme}://127.0.0.1:{port}/live", timeout=5)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nhttp://{host}/a.ts\n#EXT-X-ENDLIST\n"),
        ("list.mp4", "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nhttp://{host}/a.ts\n#EXT-X-ENDLIST\n"),
        ("concat.ffconcat", "ffconcat version 1.0\nfile http://{host}/a.ts\n"),
    ],
)
def test_a_file_cannot_make_us_connect(tmp_path: Path, name: str, text: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        path = tmp_path / name
        path.write_text(text.format(host=f"127.0.0.1:{listener.getsockname()[1]}"))
        with pytest.raises(SourceError, match="not a video"):
            VideoFileSource(path)
        listener.settimeout(0.1)
        with pytest.raises(TimeoutError):
            listener.accept()


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://cam.local:554/live", "rtsp://cam.local:554/live"),
        ("rtsp://u:geheim@cam.local:554/live", "rtsp://u@cam.local:554/live"),
        ("rtsp://u:ge@heim@cam/live", "rtsp://u@cam/live"),
        ("rtsp://u:ge/he?im#@cam/live", "rtsp://u@cam/live"),
        ("rtsp://u@cam/live", "rtsp://u@cam/live"),
        ("http://cam:8080/at@home", "http://cam:8080/at@home"),
        ("http://cam/v?user=a&pwd=geheim&channel=1", "http://cam/v?user=a&pwd=***&channel=1"),
        ("rtsp://cam/user=a&password=geheim&channel=1.sdp", "rtsp://cam/user=a&password=***&channel=1.sdp"),
        ("https://cam/v?access_token=geheim", "https://cam/v?access_token=***"),
        ("video.mp4", "video.mp4"),
    ],
)
def test_no_password_is_shown(address: str, shown: str) -> None:
    assert without_password(address) == shown
