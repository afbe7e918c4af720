from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.cli import main
from edge.observation import NO_SPEECH
from edge.sources.demo import DemoSource
from tests.edge.speech_helpers import RATE, SPEECH_LABELS, FloatArray, install_speech_model, noise, talk

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


def json_lines(text: str) -> list[dict[str, Any]]:
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
    paths = [str(tmp_path / name) for name in ("empty.jpg", "missing.png", "fake.mp4", 300 * "x")]
    assert main(["analyze", *paths, str(photo), "--json"]) == 1
    printed = capsys.readouterr()
    assert [line["source"] for line in json_lines(printed.out)] == [str(photo)]
    errors = [line for line in printed.err.splitlines() if "error:" in line]
    assert len(errors) == 4
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


def write_sound(path: Path, samples: FloatArray, rate: int = RATE) -> Path:
    soundfile = pytest.importorskip("soundfile")
    soundfile.write(path, samples, rate)
    return path


@pytest.fixture
def clip(tmp_path: Path, speech_model: Path) -> Path:
    """Two seconds of a quiet room, four of speech, two of a quiet room."""
    room = noise(8, -75)
    room[2 * RATE : 6 * RATE] += talk(4, -25)
    return write_sound(tmp_path / "clip.wav", room)


def test_a_sound_file_as_summary(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", str(clip)]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"{clip}: 8.0 s: speech 4.5 s, silence 3.0 s"
    assert re.fullmatch(r"  mean of the speech: (\w+ \d+%, ){2}\w+ \d+%", second)


def test_a_sound_file_half_second_by_half_second(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", str(clip), "--frames"]) == 0
    *lines, _, _ = capsys.readouterr().out.splitlines()
    assert len(lines) == 14
    assert lines[0] == f"{clip}     1.02 s: silence"
    assert re.fullmatch(r".*clip.wav     4.02 s: \w+ \((\w+ \d+%, ){2}\w+ \d+%\)", lines[6])
    assert lines[-1] == f"{clip}     7.52 s: silence"
    assert main(["analyze", str(clip), "--json"]) == 0
    rows = json_lines(capsys.readouterr().out)
    assert [row["time"] for row in rows] == pytest.approx([1.016 + hop / 2 for hop in range(14)], abs=1e-3)
    assert [row["heard"] for row in rows] == ["silence"] * 3 + ["speech"] * 9 + ["silence"] * 2
    assert set(rows[0]) == set(rows[6]) == {
        "source", "time", "heard", "level_dbfs", "label", "confidence", "probabilities",
    }  # fmt: skip
    assert rows[0]["label"] is None
    assert rows[0]["level_dbfs"] == pytest.approx(-77, abs=2)
    assert set(rows[6]["probabilities"]) == set(SPEECH_LABELS)


def test_the_mean_is_that_of_the_hops_with_speech(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = clip.with_suffix(".toml")
    config.write_text("smoothing.half_life = 0")
    main(["analyze", str(clip), "--json", "--config", str(config)])
    rows = [row for row in json_lines(capsys.readouterr().out) if row["heard"] == "speech"]
    means = {label: np.mean([row["probabilities"][label] for row in rows]) for label in SPEECH_LABELS}
    main(["analyze", str(clip)])
    told = capsys.readouterr().out.split("mean of the speech: ")[1]
    for part in told.strip().split(", "):
        label, percent = part.rsplit(" ", 1)
        assert float(percent[:-1]) == pytest.approx(100 * means[label], abs=0.51)


@pytest.mark.parametrize(
    ("samples", "told"),
    [
        (talk(0.8, -25), ": 0.8 s, too short: the model needs 1.0 s"),
        (noise(3, -80), ": 3.0 s, nothing but silence"),
        (np.zeros(3 * RATE, np.float32), ": 3.0 s, nothing but silence"),
        (talk(1.1, -25), ": 1.1 s, no speech in it"),
    ],
    ids=["short", "quiet", "zeros", "no speech"],
)
def test_sound_without_speech_is_said_plainly(
    tmp_path: Path, models_folder: Path, capsys: pytest.CaptureFixture[str], samples: FloatArray, told: str
) -> None:
    # What the model takes for angry otherwise.
    install_speech_model(models_folder, labels=("neutral", "happy", "sad", "calm", NO_SPEECH))
    path = write_sound(tmp_path / "odd.wav", samples)
    assert main(["analyze", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}{told}\n"
    assert main(["analyze", str(path), "--json"]) == 0
    printed = capsys.readouterr()
    assert ("too short" in printed.err) == (printed.out == "") == ("too short" in told)


def test_a_folder_may_mix_pictures_and_sound(
    tmp_path: Path, clip: Path, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sound(tmp_path / "talk.flac", talk(2, -25, rate=44_100), 44_100)
    assert main(["analyze", str(tmp_path)]) == 0
    heads = [line.split(": ")[0] for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
    assert heads == [str(photo), str(clip), str(tmp_path / "talk.flac")]
    photo.unlink()
    # With nothing but sound in it, a folder lacks no picture; with neither it does.
    assert main(["analyze", str(tmp_path), "--json"]) == 0
    assert {row["source"] for row in json_lines(capsys.readouterr().out)} == {
        str(clip),
        str(tmp_path / "talk.flac"),
    }
    assert main(["analyze", str(tmp_path / "models")]) == 1
    assert "holds no pictures" in capsys.readouterr().err


def test_a_bad_sound_file_does_not_stop_the_others(
    tmp_path: Path, clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty.wav").touch()
    (tmp_path / "fake.flac").write_text("no sound at all\n" * 50)
    bad = [str(tmp_path / name) for name in ("empty.wav", "fake.flac", "missing.ogg")]
    assert main(["analyze", *bad, str(clip)]) == 1
    printed = capsys.readouterr()
    assert printed.out.startswith(f"{clip}: 8.0 s")
    errors = [line for line in printed.err.splitlines() if "error:" in line]
    assert len(errors) == 3
    assert all(path in line for path, line in zip(bad, errors, strict=True))


def test_a_speech_model_of_another_name_is_told_once(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", str(clip), str(clip), "--speech-model", "opera"]) == 1
    errors = capsys.readouterr().err
    assert errors.count("no model 'opera' for the task 'speech-emotion'") == 1


def test_pictures_need_no_speech_model_and_sound_no_face_model(
    photo: Path, clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["analyze", str(photo), "--speech-model", "opera"]) == 0
    assert main(["analyze", str(clip), "--model", "mood-ring"]) == 0
