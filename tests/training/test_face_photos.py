"""The photographs' tables are read as their format says, and what is wrong in them is named with its line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.errors import DataError
from tests.training.photo_folder import write_photos
from training.datasets.face_photos import BOX, POINTS, read_photos


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_photos(tmp_path / "data", {"aaa": (2, 1), "bbb": (1, 1)})
    return tmp_path / "data"


def test_what_is_read(folder: Path) -> None:
    photos = read_photos(folder)
    assert [photo.file for photo in photos] == [
        "aaa_0000.jpg",
        "aaa_0001.jpg",
        "aaa_0002.jpg",
        "bbb_0000.jpg",
        "bbb_0001.jpg",
    ]
    assert [photo.source for photo in photos] == ["aaa"] * 3 + ["bbb"] * 2
    assert [len(photo.boxes) for photo in photos] == [2, 1, 0, 1, 0], "a face that only people marked is a face"
    first = photos[0]
    assert first.image.shape == (120, 160, 3)
    assert first.boxes.dtype == np.float32
    assert first.boxes[1].tolist() == [100, 60, 20, 25]
    assert np.isfinite(first.landmarks[0]).all()
    assert np.isnan(first.landmarks[1]).all(), "it has no landmarks"
    assert first.ignored.tolist() == [[1, 2, 30, 40]]
    x, y, width, height = first.boxes[0]
    assert first.landmarks[0, 0, 0] == pytest.approx(x + 0.3 * width, abs=1), "the person's right eye is on the left"
    assert first.landmarks[0, 4, 1] == pytest.approx(y + 0.8 * height, abs=1)


def test_some_sources_only(folder: Path) -> None:
    assert {photo.source for photo in read_photos(folder, sources=["bbb"])} == {"bbb"}
    with pytest.raises(DataError, match=r"train.csv: no photograph of the source ccc"):
        read_photos(folder, sources=["bbb", "ccc"])


def test_without_a_table_of_regions(folder: Path) -> None:
    (folder / "train_ignore.csv").unlink()
    assert len(read_photos(folder)[0].boxes) == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("aaa_0000.jpg,160,120,1,5,5,ten,10" + "," * 10, "line 2: a number is missing or is none"),
        ("aaa_0000.jpg,160,120,1,5,5,10,0" + "," * 10, "line 2: a box needs x, y and a positive width and height"),
        ("aaa_0000.jpg,160,120,1,5,5,10," + "," * 10, "line 2: a box needs"),
        ("../aaa_0000.jpg,160,120,,,,," + "," * 10, "line 2: '../aaa_0000.jpg' is no name of a picture"),
        (",160,120,,,,," + "," * 10, "line 2: '' is no name"),
        ("zzz_0000.jpg,160,120,,,,," + "," * 10, r"zzz_0000.jpg: cannot be read: No such file"),
    ],
)
def test_wrong_rows(folder: Path, line: str, message: str) -> None:
    header = ",".join(["file", "width", "height", "score", *BOX, *POINTS])
    (folder / "train.csv").write_text(f"{header}\n{line}\n")
    with pytest.raises(DataError, match=message):
        read_photos(folder)


def test_wrong_files(folder: Path) -> None:
    (folder / "images" / "aaa_0001.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"aaa_0001.jpg: a damaged picture"):
        read_photos(folder)
    (folder / "train.csv").write_text("file,x,y\na,1,2\n")
    with pytest.raises(DataError, match=r"train.csv: no column w, h, right_eye_x"):
        read_photos(folder)
    (folder / "train.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"train.csv: not a table in UTF-8"):
        read_photos(folder)
    with pytest.raises(DataError, match=r"train.csv: cannot be read: No such file.*--data names the folder"):
        read_photos(folder / "nowhere")
