from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.cli import main
from edge.errors import SourceError
from edge.sources.sound import AudioSource, SoundFigures
from tests.edge.audit import WATCHED
from tests.edge.speech_helpers import talk

pytestmark = pytest.mark.usefixtures("models_folder")

PIPED: dict[str, Any] = {"stdin": subprocess.PIPE, "text": False}


def start(*arguments: str, cwd: Path, **options: Any) -> subprocess.Popen[Any]:
    return subprocess.Popen(
        [sys.executable, "-m", "edge", "run", "--mic", "none", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        **{"text": True, **options},
    )


def records(journal: Path) -> int:
    with sqlite3.connect(journal) as connection:
        count: int = connection.execute("SELECT count(*) FROM observation").fetchone()[0]
    connection.close()
    return count


def test_the_demonstration_prints_and_leaves_observations(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = tmp_path / "journal.db"
    assert main(["run", "--source", "demo", "--mic", "none", "--duration", "2", "--journal", str(journal)]) == 0
    printed = capsys.readouterr()
    assert "face 1" in printed.out
    assert "work or in education" in printed.err
    assert f"records in {journal}" in printed.err
    assert records(journal) >= 2


def test_json_is_a_line_per_observation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--source", "demo", "--mic", "none", "--duration", "1", "--no-journal", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) >= 5
    assert {"source", "track", "box", "label", "probabilities", "wall_time"} <= set(lines[0])
    assert list(tmp_path.glob("*.db")) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_the_journal_committed(tmp_path: Path, number: signal.Signals) -> None:
    journal = tmp_path / "journal.db"
    with start("--source", "demo", "--journal", str(journal), "--json", cwd=tmp_path) as child:
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(0.5)
        child.send_signal(number)
        began = time.monotonic()
        _, errors = child.communicate(timeout=30)
    assert child.returncode == 0, errors
    assert time.monotonic() - began < 10
    assert records(journal) >= 1


def test_a_reader_that_goes_away_ends_it_quietly(tmp_path: Path) -> None:
    with start("--source", "demo", "--no-journal", "--json", cwd=tmp_path) as child:
        assert child.stdout is not None
        child.stdout.readline()
        child.stdout.close()
        assert child.stderr is not None
        errors = child.stderr.read()
        child.wait(timeout=30)
    assert child.returncode == 0
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("/dev/video97", "/dev/video97"),
        ("97", "/dev/video97"),
        ("nowhere.mp4", "no file or folder 'nowhere.mp4'"),
        ("gopher://example", "gopher://example"),
    ],
)
def test_a_source_that_is_not_there(source: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--source", source, "--mic", "none", "--no-journal"]) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
    assert len(errors) == 1
    assert message in errors[0]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Six seconds of speech at another rate than the model's."""
    soundfile = pytest.importorskip("soundfile")
    path = tmp_path / "clip.wav"
    soundfile.write(path, talk(6, -25, rate=48_000), 48_000, subtype="PCM_16")
    return path


@pytest.mark.usefixtures("speech_model")
def test_a_sound_file_is_read_to_its_end(tmp_path: Path, clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = tmp_path / "journal.db"
    assert main(["run", "--source", "none", "--mic", str(clip), "--journal", str(journal)]) == 0
    printed = capsys.readouterr()
    first = printed.out.splitlines()[0]
    assert re.fullmatch(r"\d\d:\d\d:\d\d  speech  (neutral|happy|sad|angry|unsure) +\(\w+ +\d+%  .*\)", first)
    assert f"camera: none; microphone: {clip}; journal: {journal}" in printed.err
    assert "faces and voices, not feelings" in printed.err
    assert "6.0 s of sound (silence 0%, no speech 0%), 10 observations" in printed.err
    assert "frames" not in printed.err
    assert records(journal) >= 5
    assert main(["log", "--journal", str(journal), "--modality", "speech"]) == 0
    assert f"speech    {clip}" in capsys.readouterr().out
    assert main(["log", "summary", "--journal", str(journal), "--json"]) == 0
    labels = json.loads(capsys.readouterr().out)["labels"]
    assert sum(label["observations"] for label in labels.values()) == records(journal)


@pytest.mark.usefixtures("speech_model")
def test_json_has_every_hop_in_which_somebody_speaks(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--source", "none", "--mic", str(clip), "--no-journal", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["modality"] for line in lines] == ["speech"] * 10
    assert [line["monotonic_time"] for line in lines] == pytest.approx([1.016 + hop / 2 for hop in range(10)], abs=1e-3)
    assert {line["track"] for line in lines} == {line["box"] for line in lines} == {None}


@pytest.mark.usefixtures("speech_model")
def test_sound_and_pictures_go_into_one_journal(tmp_path: Path, clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = tmp_path / "journal.db"
    arguments = ["run", "--source", "demo", "--mic", str(clip), "--duration", "2", "--journal", str(journal)]
    assert main(arguments) == 0
    printed = capsys.readouterr()
    assert "face 1" in printed.out
    assert "speech" in printed.out
    assert "frames in" in printed.err
    assert "s of sound" in printed.err
    with sqlite3.connect(journal) as connection:
        modalities = {row[0] for row in connection.execute("SELECT DISTINCT modality FROM stream")}
    connection.close()
    assert modalities == {"face", "speech"}


@pytest.mark.usefixtures("speech_model")
@pytest.mark.parametrize("option", ["--mic=-", "--mic=-:s16le:48000:1"])
def test_a_recorder_s_stream_is_read_from_standard_input(tmp_path: Path, clip: Path, option: str) -> None:
    data = clip.read_bytes()
    with start("--source", "none", "--no-journal", "--json", option, cwd=tmp_path, **PIPED) as child:
        printed, errors = (part.decode() for part in child.communicate(data if option == "--mic=-" else data[44:], 60))
    assert child.returncode == 0, errors
    assert len(printed.splitlines()) == 10


def test_without_a_microphone_the_camera_goes_on_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, speech_model: Path
) -> None:
    def none(spec: str, **_: object) -> None:
        raise SourceError("no microphone was found")

    monkeypatch.setattr("edge.sources.sound.open_audio_source", none)
    assert main(["run", "--source", "demo", "--duration", "0.5", "--no-journal"]) == 0
    errors = capsys.readouterr().err
    assert "without sound: no microphone was found\n" in errors
    assert "microphone: none" in errors
    # Named, or with nothing else to do, it is an error.
    assert main(["run", "--source", "demo", "--mic", "Blue", "--no-journal"]) == 1
    assert main(["run", "--source", "none", "--no-journal"]) == 1
    assert capsys.readouterr().err.count("affect-edge run: error: no microphone was found") == 2


def test_beside_a_film_no_microphone_is_opened_unasked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, speech_model: Path
) -> None:
    asked: list[str] = []

    def none(spec: str) -> None:
        asked.append(spec)
        raise SourceError("no microphone was found")

    monkeypatch.setattr("edge.sources.sound.open_audio_source", none)
    picture = tmp_path / "picture.png"
    cv2.imwrite(str(picture), np.zeros((48, 64), np.uint8))
    assert main(["run", "--source", str(picture), "--no-journal"]) == 0
    assert asked == []
    assert "sound" not in capsys.readouterr().err
    assert main(["run", "--source", str(picture), "--mic", "auto", "--no-journal"]) == 0
    assert asked == ["auto"]


def test_without_a_speech_model_the_camera_goes_on_alone(
    clip: Path, models_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = models_folder / "c.toml"
    config.write_text("speech.model = 'opera'")
    assert main(["run", "--source", "demo", "--duration", "0.5", "--no-journal", "--config", str(config)]) == 0
    assert "without sound: no model 'opera' for the task 'speech-emotion'" in capsys.readouterr().err
    assert main(["run", "--source", "demo", "--mic", str(clip), "--no-journal", "--config", str(config)]) == 1
    assert "error: no model 'opera'" in capsys.readouterr().err


def test_with_neither_there_is_nothing_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--source", "none", "--mic", "none"]) == 2
    assert "neither camera nor microphone" in capsys.readouterr().err


def test_a_microphone_that_fails_on_the_way_is_told_and_shows_in_the_exit_code(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, speech_model: Path
) -> None:
    class Unplugged(AudioSource):
        name, live, rate, figures = "Blue", True, 16_000, SoundFigures()

        def read(self) -> None:
            raise SourceError("Blue: gone")

        def close(self) -> None:
            pass

    monkeypatch.setattr("edge.sources.sound.open_audio_source", lambda spec: Unplugged())
    assert main(["run", "--source", "demo", "--duration", "1", "--no-journal"]) == 1
    printed = capsys.readouterr()
    assert "face 1" in printed.out


@pytest.mark.usefixtures("speech_model")
@pytest.mark.parametrize("piped", [False, True], ids=["camera and sound", "piped sound"])
def test_nothing_but_the_journal_is_written_and_no_socket_is_opened(tmp_path: Path, clip: Path, piped: bool) -> None:
    """Every file that is opened for writing and every socket is seen by the interpreter's audit hook."""
    journal = tmp_path / "state" / "journal.db"
    sources = ["--source=none", "--mic=-"] if piped else ["--source=demo", f"--mic={clip}"]
    before = set(tmp_path.rglob("*"))
    child = subprocess.run(
        [sys.executable, "-B", "-c", WATCHED, "run", *sources, "--duration", "1.5", "--journal", str(journal)],
        input=clip.read_bytes() if piped else None,
        capture_output=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path / "home"), "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    lines = child.stdout.decode().splitlines()
    after = lines[lines.index("code 0") + 1 :]
    assert [line for line in after if "journal.db" not in line and "/dev/null" not in line] == []
    written = {path.name for path in set(tmp_path.rglob("*")) - before if path.is_file()}
    assert "journal.db" in written
    assert all(name.startswith("journal.db") for name in written)
    with sqlite3.connect(journal) as connection:
        modalities = {row[0] for row in connection.execute("SELECT DISTINCT modality FROM stream")}
    connection.close()
    assert modalities == ({"speech"} if piped else {"face", "speech"})
    # Neither pictures nor sound: the journal of a second and a half is a few pages of labels and numbers, and none of
    # the clip's stretches of samples is in it.
    kept = b"".join(path.read_bytes() for path in journal.parent.iterdir())
    assert len(kept) < 200_000
    sound = clip.read_bytes()
    assert not any(sound[start : start + 32] in kept for start in range(44, len(sound) - 32, 32))
