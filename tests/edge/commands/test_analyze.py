from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.cli import main
from edge.sources.demo import DemoSource

pytestmark = pytest.mark.usefixtures("models_folder")


@pytest.fixture(scope="module")
def frames() -> list[np.ndarray]:
    with DemoSource(width=640, height=480, fps=15, paced=False, frames=30) as demo:
        return [frame.image.copy() for frame in demo]


@pytest.fixture
def photo(tmp_path: Path, frames: list[np.ndarray]) -> Path:
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), frames[20])
    return path


@pytest.fixture
def video(tmp_path: Path, frames: list[np.ndarray]) -> Path:
    path = tmp_path / "talk.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 15, (640, 480))
    for image in frames:
        writer.write(image)
    writer.release()
    return path


def json_lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_photograph_in_words(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", str(photo)]) == 0
    assert f"{photo}: face at " in capsys.readouterr().out


def test_a_photograph_as_json(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", str(photo), "--json"]) == 0
    (line,) = json_lines(capsys.readouterr().out)
    assert line["source"] == str(photo)
    faces = line["faces"]
    assert isinstance(faces, list)
    (face,) = faces
    assert len(face["box"]) == 4
    assert sum(face["probabilities"].values()) == pytest.approx(1.0, abs=1e-3)
    assert face["label"] in (*face["probabilities"], "unsure")


def test_pictures_are_judged_one_by_one(tmp_path: Path, photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cv2.imwrite(str(tmp_path / "other.png"), cv2.imread(str(photo))[:, ::-1])
    main(["analyze", str(photo), "--json"])
    alone = json_lines(capsys.readouterr().out)[0]["faces"]
    assert main(["analyze", str(tmp_path), "--json"]) == 0
    together = {line["source"]: line["faces"] for line in json_lines(capsys.readouterr().out)}
    assert len(together) == 2
    assert together[str(photo)] == alone


def test_a_video_as_summary_and_frame_by_frame(video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", str(video)]) == 0
    summary = capsys.readouterr().out.splitlines()
    assert summary[0].startswith(f"{video}: 30 frames")
    assert summary[1].startswith("  face 1, in ")
    assert main(["analyze", str(video), "--json"]) == 0
    lines = json_lines(capsys.readouterr().out)
    assert [line["frame"] for line in lines] == list(range(30))


def test_annotated_copies(tmp_path: Path, photo: Path, video: Path) -> None:
    before = photo.read_bytes()
    assert main(["analyze", str(photo), str(video), "--annotate", str(tmp_path / "out")]) == 0
    copy = cv2.imread(str(tmp_path / "out" / "photo-annotated.png"))
    assert copy.shape == (480, 640, 3)
    assert not np.array_equal(copy, cv2.imread(str(photo)))
    assert photo.read_bytes() == before
    film = cv2.VideoCapture(str(tmp_path / "out" / "talk-annotated.mp4"))
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) == 30
    film.release()


def test_one_bad_file_does_not_stop_the_others(tmp_path: Path, photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "fake.mp4").write_text("no video at all\n" * 50)
    paths = [str(tmp_path / name) for name in ("empty.jpg", "missing.png", "fake.mp4")]
    assert main(["analyze", *paths, str(photo), "--json"]) == 1
    printed = capsys.readouterr()
    assert [line["source"] for line in json_lines(printed.out)] == [str(photo)]
    errors = [line for line in printed.err.splitlines() if "error:" in line]
    assert len(errors) == 3
    assert all(path in line for path, line in zip(paths, errors, strict=True))


@pytest.mark.parametrize(
    "image",
    [
        np.full((1, 1, 3), 9, np.uint8),
        np.full((64, 64), 30_000, np.uint16),
        np.zeros((64, 64, 4), np.uint8),
        np.zeros((2160, 3840), np.uint8),
    ],
    ids=["1x1", "16 bit", "alpha", "4K black"],
)
def test_odd_pictures_have_no_face_and_do_no_harm(
    tmp_path: Path, image: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "odd.png"
    cv2.imwrite(str(path), image)
    assert main(["analyze", str(path)]) == 0
    assert "no face" in capsys.readouterr().out


def test_an_annotation_folder_that_cannot_be_made(
    tmp_path: Path, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert main(["analyze", str(photo), "--annotate", str(tmp_path / "file" / "out")]) == 1
    assert "--annotate" in capsys.readouterr().err


def test_a_model_of_another_name(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", str(photo), "--model", "mood-ring"]) == 1
    assert "mood-ring" in capsys.readouterr().err
