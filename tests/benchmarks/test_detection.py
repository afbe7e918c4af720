"""The comparison of detectors, on a small data set that the tests make: the demonstration's face on noise."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import detection
from benchmarks.detectors import LEAST_SCORE, Absent, Detector, ours
from edge.errors import DataError
from edge.observation import Image
from edge.sources.demo import DemoSource
from tests.benchmarks.conftest import Benchmark
from training.datasets.face_photos import BOX, POINTS
from training.evaluation.detection import Found

FACE = (110, 70, 80, 80)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two photographs of each held-out source, 320x240: one with a face at FACE, one without any."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "images").mkdir()
    source = DemoSource(paced=False)
    frame = source.read()
    assert frame is not None
    box = source.face_box(0)
    x, y, width, _ = FACE
    scale = width / box.width
    matrix = np.array([[scale, 0, x - scale * box.x], [0, scale, y - scale * box.y]])
    with_face = cv2.warpAffine(frame.image, matrix, (320, 240), borderMode=cv2.BORDER_REPLICATE)
    without = np.random.default_rng(0).integers(0, 60, (240, 320, 3)).astype(np.uint8)
    rows = []
    for split in ("test", "validation"):
        for name in detection.held_out(split):
            cv2.imwrite(str(folder / "images" / f"{name}_face.png"), with_face)
            cv2.imwrite(str(folder / "images" / f"{name}_none.png"), without)
            rows.append({"file": f"{name}_face.png", **dict(zip(BOX, FACE, strict=True))})
            rows.append({"file": f"{name}_none.png"})
    with (folder / "train.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ("file", *BOX, *POINTS))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def detector(name: str, find: Callable[[bool], list[tuple[float, ...]]], *, ours: bool = False) -> Detector:
    """One that answers by whether the picture holds the face, with a score of 0.9."""

    def search(image: Image) -> Found:
        boxes = np.array(find(bool(image.max() > 60)), np.float32).reshape(-1, 4)
        return Found(boxes, np.full(len(boxes), 0.9, np.float32))

    return Detector(name, search, search, 1000, "nothing", ours=ours)


@pytest.mark.parametrize("split", ["validation", "test"])
def test_detectors_are_scored_side_by_side(folder: Path, split: str) -> None:
    x, y, width, height = FACE
    wide = (x - width / 2, y, 2 * width + 10, height)
    results = detection.measure(
        folder,
        split,
        [
            detector("exact", lambda face: [FACE] if face else [], ours=True),
            detector("wide", lambda face: [wide] if face else []),
            detector("wide, ours", lambda face: [wide] if face else [], ours=True),
            detector("blind", lambda face: []),
            detector("everywhere", lambda face: [FACE]),
        ],
        resamples=10,
        progress=False,
    )
    photographs = 2 * len(detection.held_out(split))
    assert results["protocol"]["photographs"] == photographs
    assert results["protocol"]["without_faces"] == photographs // 2
    rows = {row["name"]: row for row in results["detectors"]}
    recall = {name: row["faces"]["10%"]["recall"] for name, row in rows.items()}
    # One that draws too wide is forgiven, but not ours, which learnt how to draw.
    assert recall == {"exact": 1.0, "wide": 1.0, "wide, ours": 0.0, "blind": 0.0, "everywhere": 0.0}
    assert rows["wide"]["faces"]["10%"]["recall_as_drawn"] == 0.0
    assert rows["wide"]["box_fit"]["width"] == pytest.approx(width / wide[2], abs=1e-3)
    assert rows["exact"]["faces"]["10%"]["faces"] == photographs // 2
    assert rows["exact"]["faces"]["5%"]["average_precision"] == 1.0
    assert rows["everywhere"]["faces"]["5%"]["average_precision"] == 0.5
    for row in rows.values():
        figures = row["faces"]["5%"]
        low, high = figures["average_precision_95"]
        assert low <= figures["average_precision"] <= high
        assert row["milliseconds"]["median"] >= 0
    results["absent"] = [{"name": "YuNet", "reason": "no file"}]
    told = detection.table(results)
    assert "which favours YuNet" in told
    assert "YuNet: absent: no file" in told
    assert "wide: trained on nothing; boxes changed by 0.47 in width, 1.00 in height" in told


def test_a_folder_without_a_held_out_source_is_an_error(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text((folder / "train.csv").read_text().replace("c1b_", "xyz_"))
    with pytest.raises(DataError, match="no photograph of the source c1b"):
        detection.measure(tmp_path, "validation", [], resamples=1, progress=False)


@pytest.mark.timeout(900)
def test_the_command_compares_what_is_there_and_names_what_is_not(
    benchmark: Benchmark, folder: Path, tmp_path: Path
) -> None:
    picture = tmp_path / "found.png"
    arguments = ("--data", str(folder), "--quick", "--peers", "haar", "yunet", "--peers-only", "--json")
    done = benchmark(
        "detection", *arguments, *(("--picture", str(picture)) if hasattr(cv2, "CascadeClassifier") else ())
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    absent = {each["name"] for each in results["absent"]}
    assert "YuNet" in absent
    if not hasattr(cv2, "CascadeClassifier"):
        assert {"Haar, as stored", "Haar, enlarged twice"} <= absent
        return
    for row in results["detectors"]:
        assert row["faces"]["10%"]["recall"] == 1.0
        assert row["file_kb"] > 100
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert results["scenes"]["expected"]["20 faces"] == 20
    assert results["scenes"]["found"]["Haar, 240 lines"]["640x480"] == {"faces": 1, "false_alarms": 0}


def test_our_models_are_searched_down_to_low_scores(face_detector: Path) -> None:
    made = ours(face_detector)
    assert made.ours and made.file_bytes == face_detector.stat().st_size
    source = DemoSource(paced=False)
    frame = source.read()
    assert frame is not None
    found = made.find(frame.image)
    assert found.boxes.shape == (len(found.scores), 4)
    assert (found.scores >= LEAST_SCORE - 0.01).all() and found.scores.max() > 0.5
    assert not isinstance(made, Absent)
