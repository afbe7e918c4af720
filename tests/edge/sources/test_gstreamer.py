"""Pipelines of the real GStreamer: its test pictures, files, what is missing, what breaks, stalls and ends.

Debian's PyGObject is used also from an environment that does not see the system's packages, where it was built for
the same Python. NVIDIA's elements are on a Jetson alone: see `asked` for what stands in for them.
"""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.errors import MissingDependencyError, SourceError
from edge.sources import gstreamer, open_frame_source
from edge.sources.csi import csi_pipeline, csi_source
from edge.sources.gstreamer import GStreamer, GStreamerSource

SYSTEM_GI = Path("/usr/lib/python3/dist-packages/gi")


@pytest.fixture(scope="module")
def gi_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A folder to import gi from; empty text where it is importable already."""
    if importlib.util.find_spec("gi") is not None:
        yield ""
        return
    if not list(SYSTEM_GI.glob(f"_gi*{sysconfig.get_config_var('EXT_SUFFIX')}")):
        pytest.skip("no PyGObject for this Python: apt install python3-gi gir1.2-gst-plugins-base-1.0")
    # gi alone: what else Debian has there must not come before the environment's own packages.
    folder = tmp_path_factory.mktemp("gi")
    (folder / "gi").symlink_to(SYSTEM_GI)
    sys.path.append(str(folder))
    yield str(folder)
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def library(gi_folder: str) -> GStreamer:
    try:
        found = gstreamer.import_gstreamer()
    except MissingDependencyError as error:
        pytest.skip(str(error))
    if found.gst.ElementFactory.find("videotestsrc") is None:
        pytest.skip("apt install gstreamer1.0-plugins-base")
    return found


def test_every_frame_of_what_is_not_live(library: GStreamer) -> None:
    with open_frame_source("gstreamer:videotestsrc num-buffers=50 ! video/x-raw,framerate=20/1") as source:
        assert not source.live
        assert source.name == "gstreamer:videotestsrc num-buffers=50 ! video/x-raw,framerate=20/1"
        time.sleep(0.2)  # long enough to lose frames, if any could be lost
        frames = list(source)
        assert source.read() is None
    assert [frame.index for frame in frames] == list(range(50))
    assert [frame.monotonic_time for frame in frames] == pytest.approx([index / 20 for index in range(50)])
    assert {frame.source for frame in frames} == {source.name}
    assert source.read() is None


@pytest.mark.parametrize("width", [64, 101, 102, 103])
def test_rows_that_are_padded(library: GStreamer, width: int) -> None:
    # Green is B 0, G 255, R 0; one column of padding taken for pixels would shift every row.
    text = f"videotestsrc num-buffers=2 pattern=green ! video/x-raw,format=BGR,width={width},height=51"
    with GStreamerSource(text) as source:
        frame = source.read()
    assert frame is not None
    assert frame.image.shape == (51, width, 3)
    assert frame.image.dtype == np.uint8
    assert frame.image.flags.writeable
    assert frame.image.flags.c_contiguous
    assert (frame.image == (0, 255, 0)).all()


def sample_of(library: GStreamer, buffer: Any, width: int, height: int) -> Any:
    caps = library.gst.Caps.from_string(f"video/x-raw,format=BGR,width={width},height={height},framerate=1/1")
    return library.gst.Sample.new(buffer, caps, None, None)


def test_a_layout_of_the_buffers_own(library: GStreamer) -> None:
    rows = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    buffer = library.gst.Buffer.new_wrapped(b"####" + rows[0].tobytes() + b"#" * 7 + rows[1].tobytes())
    form, flags = library.video.VideoFormat.BGR, library.video.VideoFrameFlags.NONE
    library.video.buffer_add_video_meta_full(buffer, flags, form, 3, 2, 1, [4, 0, 0, 0], [16, 0, 0, 0])
    assert np.array_equal(gstreamer.picture(sample_of(library, buffer, 3, 2), library), rows)


def test_a_buffer_that_is_too_small(library: GStreamer) -> None:
    buffer = library.gst.Buffer.new_wrapped(bytes(32))  # two rows of 12 bytes, and one of 9
    with pytest.raises(ValueError, match="a frame of 32 bytes is too small for 3x3 pixels"):
        gstreamer.picture(sample_of(library, buffer, 3, 3), library)


def test_a_live_pipeline_hands_out_the_newest(library: GStreamer) -> None:
    # Frame n of this pattern is all of one brightness, which grows.
    text = "videotestsrc is-live=true pattern=colors ! video/x-raw,width=16,height=16,framerate=50/1"
    with GStreamerSource(text) as source:
        assert source.live
        before = time.monotonic()
        first = source.read()
        assert first is not None
        assert first.monotonic_time <= before  # it was taken when the source was opened
        time.sleep(0.5)
        behind = [source.read() for _ in range(2)]
        waited = time.monotonic()
        fresh = source.read()
    assert fresh is not None
    assert fresh.monotonic_time >= waited
    assert all(frame is not None for frame in behind)
    assert fresh.index == 3


def test_what_a_pipeline_reports_does_not_pile_up(library: GStreamer) -> None:
    # `level` reports each of its buffers to the bus; nobody else takes them off.
    text = "audiotestsrc num-buffers=50 ! level interval=1 ! fakesink videotestsrc num-buffers=50"
    if library.gst.ElementFactory.find("level") is None:
        pytest.skip("apt install gstreamer1.0-plugins-good")
    with GStreamerSource(text) as source:
        frames = sum(1 for _ in source)
        assert frames == 50
        assert source.read() is None
        assert not source._pipeline.get_bus().have_pending()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "'gstreamer:' needs a pipeline, such as"),
        (" ! ", "'gstreamer:' needs a pipeline, such as"),
        ("! appsink", "'gstreamer:' needs a pipeline, such as|is not a pipeline"),
        ("nosuch ! identity", "GStreamer has no element 'nosuch' here"),
        ("videotestsrc colour=1", 'is not a pipeline that GStreamer takes: .*no property "colour"'),
        ("videotestsrc ! !", "is not a pipeline that GStreamer takes: .*syntax error"),
        ("videotestsrc ! fakesink", "could not link .*must end in raw video in main memory, not in a sink"),
        ("audiotestsrc", "could not link .*must end in raw video"),
        ("videotestsrc ! video/x-raw,width=0", "failed: |is not a pipeline"),
        ("filesrc location=/no/such/file ! decodebin", r"filesrc\d+: Resource not found. \(No such file"),
        ("filesrc location=/etc/passwd ! decodebin", "decodebin"),
        ("videotestsrc num-buffers=0", "ended before its first frame"),
        ("videotestsrc is-live=true num-buffers=0", "ended before its first frame|ended"),
        ("v4l2src device=/dev/video4711", "v4l2src.*/dev/video4711"),
    ],
)
def test_what_does_not_start(library: GStreamer, text: str, problem: str) -> None:
    if "v4l2src" in text and library.gst.ElementFactory.find("v4l2src") is None:
        pytest.skip("apt install gstreamer1.0-plugins-good")
    with pytest.raises(SourceError, match=problem) as caught:
        GStreamerSource(text, timeout=5)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("live", ["true", "false"])
def test_a_pipeline_that_never_delivers(library: GStreamer, live: str) -> None:
    with pytest.raises(SourceError, match=r"gave no frame for 0\.3 s"):
        GStreamerSource(f"videotestsrc is-live={live} ! valve drop=true", timeout=0.3)


def test_a_pipeline_that_stalls_and_goes_on(library: GStreamer) -> None:
    with GStreamerSource("videotestsrc is-live=true ! valve name=tap", timeout=0.5) as source:
        assert source.read() is not None
        tap = source._pipeline.get_by_name("tap")
        tap.set_property("drop", True)
        with pytest.raises(SourceError, match=r"'gstreamer:videotestsrc .*' gave no frame for 0\.5 s"):
            for _ in range(5):  # two may wait already
                source.read()
        tap.set_property("drop", False)
        assert source.read() is not None


def test_a_live_pipeline_may_not_end(library: GStreamer) -> None:
    with GStreamerSource("videotestsrc is-live=true num-buffers=3") as source:
        with pytest.raises(SourceError, match="ended"):
            for _ in range(4):
                source.read()
        with pytest.raises(SourceError, match="ended"):
            source.read()


@pytest.mark.parametrize("live", ["true", "false"])
def test_a_pipeline_that_breaks(library: GStreamer, live: str) -> None:
    source = GStreamerSource(f"videotestsrc is-live={live} ! identity error-after=4", timeout=5)
    with source, pytest.raises(SourceError, match=r"failed: identity\d+: Failed after iterations as requested"):
        for _ in range(10):
            assert source.read() is not None
    assert source.read() is None


def test_an_appsink_of_the_users_is_ours(library: GStreamer) -> None:
    text = "videotestsrc num-buffers=3 ! videoconvert ! appsink drop=true max-buffers=1"
    with GStreamerSource(text) as source:
        assert len(list(source)) == 3


def test_passwords_are_not_told(library: GStreamer) -> None:
    text = 'fakesrc name="rtsp://u:geheim@cam/?token=geheim" ! identity name=x user-pw=geheim'
    with pytest.raises(SourceError) as caught:
        GStreamerSource(text)
    assert "u@cam" in str(caught.value)
    assert "geheim" not in str(caught.value)


def test_closing_lets_go(library: GStreamer) -> None:
    def held() -> tuple[int, int]:
        return sum(1 for _ in Path("/proc/self/fd").iterdir()), sum(1 for _ in Path("/proc/self/task").iterdir())

    def use() -> None:
        source = GStreamerSource("videotestsrc is-live=true")
        source.close()
        source.close()
        assert source.read() is None
        with pytest.raises(SourceError):
            GStreamerSource("videotestsrc ! identity error-after=1", timeout=5)
        forgotten = GStreamerSource("videotestsrc is-live=true")
        del forgotten

    # GLib keeps a few idle threads for the next pipeline, with what they wake by: how many is known after some.
    for _ in range(5):
        use()
    before = held()
    for _ in range(15):
        use()
    files, threads = held()
    assert files < before[0] + 15
    assert threads <= before[1] + 2


def test_a_video(library: GStreamer, tmp_path: Path) -> None:
    if library.gst.ElementFactory.find("avidemux") is None or library.gst.ElementFactory.find("jpegdec") is None:
        pytest.skip("apt install gstreamer1.0-plugins-good")
    writer = cv2.VideoWriter(str(tmp_path / "v.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (34, 32))
    for value in range(5):
        writer.write(np.full((32, 34, 3), 40 * value, np.uint8))
    writer.release()
    with GStreamerSource(f"filesrc location={tmp_path}/v.avi ! decodebin") as source:
        frames = list(source)
    assert [frame.image.shape for frame in frames] == [(32, 34, 3)] * 5
    assert [round(float(frame.image.mean()) / 40) for frame in frames] == [0, 1, 2, 3, 4]
    assert [frame.monotonic_time for frame in frames] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4], abs=0.01)


def test_pictures_without_times(library: GStreamer, tmp_path: Path) -> None:
    if library.gst.ElementFactory.find("multifilesrc") is None or library.gst.ElementFactory.find("pngdec") is None:
        pytest.skip("apt install gstreamer1.0-plugins-good")
    for number in range(3):
        data = cv2.imencode(".png", np.full((8, 9, 3), 60 * number, np.uint8))[1]
        (tmp_path / f"{number}.png").write_bytes(data.tobytes())
    with GStreamerSource(f"multifilesrc location={tmp_path}/%d.png caps=image/png ! pngdec") as source:
        frames = list(source)
    assert [int(frame.image.max()) for frame in frames] == [0, 60, 120]
    times = [frame.monotonic_time for frame in frames]
    assert times[0] == 0
    assert sorted(set(times)) == times


def test_without_pygobject(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gi", None)
    with pytest.raises(MissingDependencyError, match=r"apt install python3-gi .*affect-edge\[gstreamer\]"):
        open_frame_source("csi")


def test_without_gstreamer(library: GStreamer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gstreamer, "_LIBRARIES", ("Gst", "GstNone"))
    with pytest.raises(MissingDependencyError, match=r"GStreamer is not installed .*GstNone.*: sudo apt install"):
        GStreamerSource("videotestsrc")


def test_the_csi_camera_is_on_a_jetson_only(library: GStreamer) -> None:
    if library.gst.ElementFactory.find("nvarguscamerasrc") is not None:
        pytest.skip("this is a Jetson")
    with pytest.raises(SourceError, match=r"'csi:1': .*no element 'nvarguscamerasrc' here \(.*Jetson"):
        open_frame_source("csi:1")


@pytest.fixture
def asked(library: GStreamer, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stand-ins for NVIDIA's elements: cameras, one of them dead, whose pictures lie in ordinary memory; a converter.

    Holds the texts that were to be run.
    """
    texts: list[str] = []
    parse_launch = library.gst.parse_launch

    def parse(text: str) -> Any:
        texts.append(text)
        text = text.replace("nvarguscamerasrc sensor-id=0", "videotestsrc is-live=true num-buffers=0")
        text = text.replace("nvarguscamerasrc sensor-id=1", "videotestsrc is-live=true pattern=blue")
        return parse_launch(text.replace("nvvidconv", "videoconvert").replace("(memory:NVMM)", ""))

    monkeypatch.setattr(library.gst, "parse_launch", parse)
    return texts


def test_the_csi_pipeline(library: GStreamer, asked: list[str]) -> None:
    with csi_source(1, width=320, height=240, fps=30, timeout=5) as source:
        assert (source.name, source.live) == ("csi:1", True)
        frame = source.read()
    caps = re.fullmatch(r"nvarguscamerasrc sensor-id=1 ! (\S+) ! nvvidconv ! .*", asked[0])
    assert caps is not None
    parsed = library.gst.Caps.from_string(caps[1])
    assert parsed.get_features(0).contains("memory:NVMM")
    assert parsed.get_structure(0).get_int("height") == (True, 240)
    assert frame is not None
    assert frame.image.shape == (240, 320, 3)
    blue, green, red = frame.image.reshape(-1, 3).mean(axis=0)
    assert blue > 200
    assert max(green, red) < 50


def test_what_to_look_at_when_a_csi_camera_does_not_deliver(asked: list[str]) -> None:
    with pytest.raises(SourceError, match=r"'csi' .*restart nvargus-daemon"):
        csi_source(0, timeout=1)


@pytest.mark.parametrize(("fps", "fraction"), [(15.0, "15/1"), (29.97, "29.97"), (0.5, "1/2")])
def test_the_rate_of_a_csi_camera(fps: float, fraction: str) -> None:
    text = csi_pipeline(0, width=640, height=480, fps=fps)
    numerator, _, denominator = text.partition("framerate=")[2].partition(" ")[0].partition("/")
    assert int(numerator) / int(denominator) == pytest.approx(fps, rel=1e-4)
    assert fraction == "29.97" or f"framerate={fraction} " in text


SERVICE = """
import ctypes, os, sys
sys.path += [part for part in sys.argv[1:] if part]
# What systemd's MemoryDenyWriteExecute asks of the kernel; PR_SET_MDWE = 65, since Linux 6.3.
is_denied = ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) == 0
from edge.sources.gstreamer import GStreamerSource
with GStreamerSource("videotestsrc is-live=true ! video/x-raw,format=NV12") as source:
    frames = [source.read() for _ in range(3)]
    files = [f"/proc/self/fd/{number}" for number in range(3, 200)]
    links = {os.readlink(file) for file in files if os.path.lexists(file)}
sockets = {link[8:-1] for link in links if link.startswith("socket:")}
connected = set()
for table, inode in (("tcp", 9), ("tcp6", 9), ("udp", 9), ("udp6", 9), ("raw", 9), ("raw6", 9), ("packet", 8)):
    try:
        with open(f"/proc/net/{table}") as file:
            connected |= sockets & {line.split()[inode] for line in list(file)[1:]}
    except FileNotFoundError:
        pass
with open("/proc/net/unix") as file:
    connected |= sockets & {line.split()[6] for line in list(file)[1:] if len(line.split()) > 7}
print(len(frames), is_denied, os.environ.get("ORC_CODE"), len(connected))
"""


def test_in_a_service(library: GStreamer, gi_folder: str, tmp_path: Path) -> None:
    """No memory that is written and executed, no socket but GStreamer's own pairs, one file in the cache."""
    cache = tmp_path / "cache"
    cache.mkdir()
    unset = ("GST_REGISTRY", "ORC_CODE", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR")
    environment = {name: value for name, value in os.environ.items() if name not in unset}
    environment |= {"HOME": str(tmp_path / "home"), "CACHE_DIRECTORY": str(cache), "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", SERVICE, gi_folder],
        env=environment | {"PYTHONPATH": os.pathsep.join([str(Path.cwd()), environment.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    frames, is_denied, orc, connected = done.stdout.split()
    assert (frames, connected) == ("3", "0")
    assert is_denied == "False" or orc == "backup"
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()] == [
        "cache/gstreamer-registry.bin"
    ]
