"""The benchmarks as commands: what they find in a quick run, and how they fail. No test looks at a time."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest

from benchmarks import soak, startup
from tests.benchmarks.conftest import Benchmark

# They wait for the CPU when the machine is busy.
pytestmark = pytest.mark.timeout(900)

Figures = Callable[..., dict[str, Any]]


def test_latency_compares_the_face_with_the_bare_model(figures: Figures) -> None:
    found = figures("latency", "--quick", "--threads", "1", "2")
    assert [run["threads"] for run in found["runs"]] == [1, 2]
    for run in found["runs"]:
        faces, frames = run["microseconds"], run["milliseconds"]
        assert faces.keys() == {"invoke", "probabilities", "ready crop", "crop"}
        assert frames.keys() == {"detection", "frame"}
        for values in (*faces.values(), *frames.values()):
            assert 0 < values["p5"] <= values["median"] <= values["p95"]
        ratio = faces["probabilities"]["median"] / faces["invoke"]["median"]
        assert run["overhead"] == pytest.approx(ratio - 1, abs=1e-3)
    low, high = found["protocol"]["face_pixels"]
    assert 60 < low < high < 200


def test_the_detector_is_compared_with_haar(figures: Figures) -> None:
    found = figures("detector_speed", "--quick", "--model", "face_near")
    (model,) = found["models"].values()
    assert model["milliseconds"].keys() == {"whole", "letterbox", "invoke", "whole, in a row"}
    for values in (*model["milliseconds"].values(), *found["haar"].values()):
        assert 0 < values["p5"] <= values["median"] <= values["p95"]
    if hasattr(cv2, "CascadeClassifier"):
        assert model["times_faster"].keys() == found["haar"].keys() == {"Haar, usual call", "Haar, 240 lines"}
    else:
        assert "no Haar cascades" in found["haar_absent"] and not found["haar"]


def test_the_camera_loop_is_compared_with_the_former_one(figures: Figures) -> None:
    found = figures("camera_loop", "--quick")
    loops = found["loops"]
    assert loops.keys() - {"before"} == {"every frame", "moving", "static"}
    assert ("before" in loops) == hasattr(cv2, "CascadeClassifier")
    for name, loop in loops.items():
        assert loop["frames_a_second"] == pytest.approx(1e3 / loop["milliseconds"]["mean"], rel=0.05)
        # All but the first frame, in which a face waits for its confirmation.
        assert loop["with_one_observation"] > 0.8, name
    assert loops["every frame"]["searched"] == 1.0
    assert loops["static"]["searched"] < 0.6


def test_startup_reads_time_and_memory_of_a_fresh_process(figures: Figures) -> None:
    found = figures("startup", "--quick", "--imports")
    assert found["first_observation_s"]["p5"] > 0.1
    assert found["first_observation_cpu_s"]["p5"] > 0.1
    # Python with NumPy and OpenCV alone has some 45 MB; TensorFlow in the process would be over 400.
    assert 40 < found["resident_mb"]["median"] <= found["peak_mb"]["median"] < 200
    assert "first observation" in found["stages_s"]
    assert {"numpy", "edge"} <= found["imports_ms"].keys()
    assert not {"tensorflow", "matplotlib", "scipy"} & found["imports_ms"].keys()


def test_a_start_without_an_observation_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup, "COMMAND", (sys.executable, "-c", "raise SystemExit('broken on purpose')"))
    with pytest.raises(startup.ChildFailedError, match="no observation: broken on purpose"):
        startup.first_observation(0.1)


def test_memory_does_not_grow(figures: Figures, tmp_path: Path) -> None:
    picture = tmp_path / "soak.png"
    found = figures("soak", "--frames", "300", "--plot", str(picture))
    assert found["grown"] == []
    assert [sample["frames"] for sample in found["samples"]] == list(range(30, 301, 30))
    assert found["growth"]["rss_mb"] <= found["protocol"]["max_growth_mb"]
    assert found["observations"] > 200
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_service_soak(figures: Figures, tmp_path: Path) -> None:
    picture = tmp_path / "soak.png"
    found = figures("service_soak", "--days", "0.045", "--journal-mb", "1", "--plot", str(picture))
    assert found["happened"]["unplugged"] == 1
    assert found["grown"] == []
    assert [sample["frames"] for sample in found["samples"]] == [-(-389 * part // 5) * 5 for part in range(1, 11)]
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("change", "phrase"),
    [
        ({"rss_kib": 100_000 + soak.MAX_GROWTH_KIB + 1}, "rss_kib grew by 3907 in 900 frames"),
        ({"blocks": 5_000 + soak.MAX_GROWTH_BLOCKS + 1}, "blocks grew by 501"),
        ({"files": 11}, "files grew by 1"),
        ({"threads": 6}, "threads grew by 1"),
        ({"rss_kib": 100_000 + soak.MAX_GROWTH_KIB, "blocks": 5_000 + soak.MAX_GROWTH_BLOCKS, "frame_ms": 99.0}, None),
    ],
)
def test_growth_beyond_the_bounds_is_named(change: dict[str, Any], phrase: str | None) -> None:
    start: dict[str, Any] = {
        "rss_kib": 100_000,
        "blocks": 5_000,
        "files": 10,
        "threads": 5,
        "journal_kib": 1,
        "frame_ms": 20.0,
    }
    first, last = soak.Sample(**{"frames": 100, **start}), soak.Sample(**{"frames": 1000, **start, **change})
    found = soak.grown([first, last])
    assert (len(found) == 1 and found[0].startswith(phrase)) if phrase else found == []


@pytest.mark.parametrize("name", ["latency", "detection", "detector_speed", "camera_loop", "startup", "soak"])
def test_help_teaches(benchmark: Benchmark, name: str) -> None:
    done = benchmark(name, "--help")
    assert done.returncode == 0
    assert "examples:\n  python -m benchmarks." + name in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("latency", "--model", "absent.tflite"), 1, "absent.tflite: no such model file"),
        (("detector_speed", "--model", "absent.tflite"), 1, "absent.tflite: no such model file"),
        (("detection", "--data", "absent", "--peers-only"), 1, "train.csv: cannot be read"),
        (("latency", "--threads", "0"), 2, "0 is not 1 or more"),
        (("soak", "--frames", "3"), 2, "3 is fewer than 10"),
        (("startup", "--runs", "none"), 2, "--runs"),
    ],
)
def test_bad_arguments_are_told(benchmark: Benchmark, arguments: tuple[str, ...], code: int, message: str) -> None:
    done = benchmark(*arguments)
    assert done.returncode == code
    assert message in done.stderr.splitlines()[-1]
