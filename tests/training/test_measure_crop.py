"""The command that measures crops: on a small folder of real faces and photographs, and what it refuses."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("sklearn")

from edge.errors import AffectEdgeError, DataError, ModelError
from edge.inference.catalog import find_model
from tests.training.conftest import SHARED_DATA, table_row, write_table
from training.commands import measure_crop
from training.datasets.fer2013 import FaceSet

PHOTOS = Path(os.environ.get("AFFECT_EDGE_DATA", SHARED_DATA)) / "face_detection"


def run(*words: Any) -> int:
    parser = argparse.ArgumentParser()
    measure_crop.add_arguments(parser)
    return measure_crop.run(parser.parse_args([str(word) for word in words]))


def refused(kind: type[AffectEdgeError], message: str, *words: Any) -> None:
    with pytest.raises(kind, match=message) as caught:
        run(*words)
    assert "\n" not in str(caught.value)


@pytest.fixture
def detector() -> Path:
    try:
        return find_model("face-detection", "face_near")
    except ModelError:
        pytest.skip("no face detector is installed")


@pytest.mark.data
def test_real_faces_in_real_photographs(
    real_faces: dict[str, FaceSet], detector: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not PHOTOS.is_dir():
        pytest.skip(f"no photographs in {PHOTOS}; AFFECT_EDGE_DATA names the folder above")
    rows = ["emotion,pixels,Usage"]
    # One of each class to train on, as a whole data set has, and some to measure on.
    picked = {
        "Training": ("train", np.unique(real_faces["train"].labels, return_index=True)[1]),
        "PublicTest": ("validation", np.arange(50)),
        "PrivateTest": ("test", np.arange(1)),
    }
    for usage, (split, indices) in picked.items():
        faces = real_faces[split]
        rows += [table_row(faces.labels[index], faces.images[index], usage) for index in indices]
    (tmp_path / "fer2013.csv").write_text("\n".join(rows) + "\n")
    words = ["--faces", tmp_path, "--photos", PHOTOS, "--detector", detector, "--backdrops", "nfs", "--limit", "40"]
    words += ["--turned", "c1f", "--portraits", "2"]
    assert run(*words, "--json", tmp_path / "crop.json", "--plot", tmp_path / "crop.png") == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("40 faces of fer2013.csv, PublicTest, mounted in ")
    assert str(tmp_path) not in printed.out
    document = json.loads((tmp_path / "crop.json").read_text())
    assert document["found"]["faces"] == 40
    assert document["found"]["found"] > 12
    eyes, mouth = (document["landmarks"]["geometry"][key] for key in ("eyes_y", "mouth_y"))
    assert 0.3 < eyes < 0.5 < 0.65 < mouth < 0.85
    ways = {way["name"]: way for way in document["ways"]}
    assert ways["landmarks, scale 1.0, offset +0.00"]["accuracy"] > 0.3
    assert [row["pairs"] for row in document["stability"] if row["name"] == "c1f"] == [16]
    picture = cv2.imread(str(tmp_path / "crop.png"))
    assert picture is not None
    assert picture.std() > 5
    assert run(*words) == 0
    assert capsys.readouterr().out == printed.out, "the same command measures the same"


def test_folders_and_models_that_are_missing(tmp_path: Path) -> None:
    faces = write_table(tmp_path / "faces", {"Training": 1, "PublicTest": 1, "PrivateTest": 1})
    gone = tmp_path / "gone"
    refused(DataError, "gone: no such folder; --faces", "--faces", gone, "--photos", tmp_path)
    refused(DataError, "gone: no such folder; --photos", "--faces", faces, "--photos", gone)
    words = ("--faces", faces, "--photos", tmp_path)
    refused(AffectEdgeError, "there is no folder", *words, "--json", gone / "crop.json")
    refused(ModelError, "gone.tflite: no such model file", *words, "--model", gone / "gone.tflite")
    refused(ModelError, "gone.tflite: no such model file", *words, "--detector", gone / "gone.tflite")


def test_photographs_that_are_missing(detector: Path, tmp_path: Path) -> None:
    faces = write_table(tmp_path / "faces", {"Training": 1, "PublicTest": 1, "PrivateTest": 1})
    photos = tmp_path / "photos"
    (photos / "images").mkdir(parents=True)
    words = ("--faces", faces, "--photos", photos, "--detector", detector, "--portraits", "0", "--quiet")
    refused(DataError, "train.csv: cannot be read", *words)
    points = ",".join(
        f"{name}_{axis}" for name in ("right_eye", "left_eye", "nose", "mouth_right", "mouth_left") for axis in "xy"
    )
    head = f"file,width,height,score,x,y,w,h,{points}\n"
    (photos / "train.csv").write_text(head + "one_1.jpg,64,48,,,,,,,,,,,,,,,\n")
    refused(DataError, "no photograph of the source bsd, nfs", *words)
    cv2.imwrite(str(photos / "images" / "one_1.jpg"), np.full((48, 64, 3), 90, np.uint8))
    # Seven faces of noise: nothing is found, and that is said.
    refused(DataError, "no landmarks of upright faces", *words, "--backdrops", "one")
    (photos / "train.csv").write_text(head + f"one_1.jpg,64,48,0.9,1,1,9,9{',3' * 10}\n")
    refused(DataError, "none of the 1 photographs is without a face", *words, "--backdrops", "one")


@pytest.mark.parametrize("words", [("--limit", "-1"), ("--threshold", "1.5"), ("--backdrops", " ,")])
def test_words_that_mean_nothing(tmp_path: Path, words: tuple[str, str]) -> None:
    with pytest.raises(SystemExit):
        run("--faces", tmp_path, "--photos", tmp_path, *words)
