"""The demonstration shows a real face that a real detector finds, again and again, at little cost."""

from __future__ import annotations

import importlib.util
import resource
import time
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from edge.errors import MissingDependencyError
from edge.observation import Box
from edge.recognizers.face_detector import FaceDetector
from edge.sources import demo
from edge.sources.demo import DemoSource

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None, reason="the portrait is in matplotlib's wheel (extra 'demo')"
)


def in_view(box: Box) -> bool:
    return box.x >= 0 and box.y >= 0 and box.x + box.width <= 640 and box.y + box.height <= 480


def resident() -> int:
    """Memory of this process in bytes, now (ru_maxrss, the peak, would hide growth behind an earlier test)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def out_of_view(box: Box) -> bool:
    return box.x >= 640 or box.x + box.width <= 0


def test_the_face_is_found_where_it_is_and_only_there(face_model: Path) -> None:
    detector = FaceDetector(face_model)
    found = shown = away = 0
    with DemoSource(paced=False, frames=300) as source:
        for frame in source:
            box = source.face_box(frame.index)
            if frame.index % 8 or not (in_view(box) or out_of_view(box)):
                continue
            faces = [face.box for face in detector(frame.image)]
            if in_view(box):
                shown += 1
                found += any(face.iou(box) > 0.5 for face in faces)
            else:
                away += 1
                assert not faces
    assert shown >= 20
    assert away >= 3
    assert found >= 0.9 * shown


def test_same_seed_same_frames() -> None:
    with DemoSource(paced=False) as one, DemoSource(paced=False) as two, DemoSource(paced=False, seed=1) as other:
        for a, b, c in islice(zip(one, two, other, strict=True), 3):
            np.testing.assert_array_equal(a.image, b.image)
            assert not np.array_equal(a.image, c.image)
            assert (a.index, a.monotonic_time, a.source) == (b.index, b.monotonic_time, "demo")


def test_frames_differ_and_are_not_shared() -> None:
    with DemoSource(paced=False) as source:
        first, second = source.read(), source.read()
    assert first is not None
    assert second is not None
    assert not np.array_equal(first.image, second.image)
    assert not np.shares_memory(first.image, second.image)


def test_shadows_stay_dark() -> None:
    """Dimming saturates at black; it does not turn shadows bright again."""
    with DemoSource(paced=False, frames=300) as source:
        corners = [frame.image[-1, 0].astype(int) for frame in islice(source, 0, 300, 10)]
    assert np.ptp([corner.mean() for corner in corners]) > 5  # the light does change
    assert max(corner.max() for corner in corners) < 160


@pytest.mark.parametrize(("width", "height"), [(320, 240), (1280, 720), (48, 48)])
def test_any_size(width: int, height: int) -> None:
    with DemoSource(width=width, height=height, paced=False) as source:
        frame = source.read()
        assert frame is not None
        assert frame.image.shape == (height, width, 3)
        box = source.face_box(0)
        assert 0 <= box.x + box.width / 2 < width
        assert 0 <= box.y + box.height / 2 < height


def test_ends_after_so_many_frames() -> None:
    with DemoSource(paced=False, frames=3, fps=15) as source:
        assert [(f.index, f.monotonic_time) for f in source] == [(0, 0.0), (1, 1 / 15), (2, 2 / 15)]
        assert source.read() is None


def test_paced_in_real_time() -> None:
    with DemoSource(fps=50, frames=6) as source:
        assert source.live
        started = time.monotonic()
        frames = list(source)
        elapsed = time.monotonic() - started
    assert frames[-1].index == 5
    assert elapsed >= 5 / 50
    for frame in frames:
        assert frame.monotonic_time - started >= frame.index / 50 - 0.001


def test_a_slow_reader_loses_frames_as_with_a_camera() -> None:
    with DemoSource(fps=50) as source:
        first = source.read()
        time.sleep(0.2)
        second = source.read()
    assert first is not None
    assert second is not None
    assert second.index - first.index >= 9


def test_memory_does_not_grow() -> None:
    with DemoSource(paced=False) as source:
        for _ in range(100):
            source.read()
        before = resident()
        for _ in range(400):
            source.read()
        assert resident() - before < 8 * 2**20  # ten frames' worth


def test_without_a_portrait(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = demo._Portrait("no_such_package", "face.jpg", Box(0, 0, 1, 1))
    incomplete = demo._Portrait("edge", "no/such/face.jpg", Box(0, 0, 1, 1))
    monkeypatch.setattr(demo, "_PORTRAITS", (absent, incomplete))
    with pytest.raises(MissingDependencyError, match=r"matplotlib.*affect-edge\[demo\]"):
        DemoSource()
