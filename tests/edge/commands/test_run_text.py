"""`affect-edge run --text` on real pipes and files, with a tiny text model."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.cli import main
from edge.errors import SourceError
from tests.edge.audit import WATCHED

pytestmark = pytest.mark.usefixtures("text_model")

ALONE = ("run", "--source", "none", "--mic", "none")
SECRET = "zanzibar xylophone"
"""Words that must be nowhere but where somebody asked for them."""


def start(*arguments: str, cwd: Path, **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "edge", *ALONE, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        **options,
    )


def recorded(journal: Path) -> list[tuple[str, str]]:
    """Modality and label of each record."""
    with sqlite3.connect(journal) as connection:
        query = "SELECT modality, label FROM observation AS o JOIN stream AS s ON s.id = o.stream ORDER BY o.id"
        rows = connection.execute(query).fetchall()
    connection.close()
    return rows


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    path = tmp_path / "lines.txt"
    path.write_text(f"I am happy, {SECRET}\n\nI am happy\nhe is so angry!\nВсем привет\n", encoding="utf-8")
    return path


def test_a_file_is_read_to_its_end(tmp_path: Path, lines: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = tmp_path / "journal.db"
    assert main([*ALONE, "--text", str(lines), "--journal", str(journal)]) == 0
    printed = capsys.readouterr()
    out = printed.out.splitlines()
    # Every line has its answer, whether the label changed or not.
    assert [line.split()[2] for line in out] == ["happy", "happy", "angry", "unsure"]
    assert all(re.fullmatch(r"\d\d:\d\d:\d\d  text  \w+ +\(\w+ +\d+%  .*\)", line) for line in out)
    assert f"camera: none; microphone: none; text: {lines}; journal: {journal}\n" in printed.err
    assert "names what words express" in printed.err
    assert "faces and voices" not in printed.err
    assert "5 lines of text (1 without words), 4 observations\n4 records in" in printed.err
    assert recorded(journal) == [("text", label) for label in ("happy", "happy", "angry", "unsure")]
    assert main(["log", "--journal", str(journal), "--modality", "text"]) == 0
    assert f"text      {lines}" in capsys.readouterr().out
    assert main(["log", "summary", "--journal", str(journal), "--modality", "text", "--json"]) == 0
    labels = json.loads(capsys.readouterr().out)["labels"]
    assert {label: counts["observations"] for label, counts in labels.items()} == {"happy": 2, "angry": 1, "unsure": 1}


def test_the_text_is_nowhere_unless_it_is_asked_for(
    tmp_path: Path, lines: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    journal = tmp_path / "state" / "journal.db"
    for option in ((), ("--json",)):
        assert main([*ALONE, "-v", "--text", str(lines), "--journal", str(journal), *option]) == 0
    printed = capfd.readouterr()
    kept = b"".join(path.read_bytes() for path in journal.parent.iterdir())
    for word in SECRET.split():
        assert word not in printed.out + printed.err
        assert word.encode() not in kept
    assert main([*ALONE, "--text", str(lines), "--journal", str(journal), "--show-text"]) == 0
    first = capfd.readouterr().out.splitlines()[0]
    assert first.endswith(f")  I am happy, {SECRET}")
    kept = b"".join(path.read_bytes() for path in journal.parent.iterdir())
    assert SECRET.split()[0].encode() not in kept


def test_json_has_a_line_for_each(lines: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ALONE, "--text", str(lines), "--no-journal", "--json"]) == 0
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["modality"], one["label"]) for one in objects] == [
        ("text", "happy"),
        ("text", "happy"),
        ("text", "angry"),
        ("text", "unsure"),
    ]
    assert "text" not in objects[0]
    assert main([*ALONE, "--text", str(lines), "--no-journal", "--json", "--show-text"]) == 0
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["text"] for one in objects] == [f"I am happy, {SECRET}", "I am happy", "he is so angry!", "Всем привет"]


def test_shown_text_commands_no_terminal_and_is_short(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "lines.txt"
    path.write_text("i am \x1b[2J\x07happy\r\x9b31m \u202e\n" + "wonder" * 100 + " happy\n", encoding="utf-8")
    assert main([*ALONE, "--text", str(path), "--no-journal", "--show-text"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.endswith(")  i am [2J happy 31m")
    assert second.endswith("wonderw...")
    assert len(second.rpartition(")  ")[2]) == 100


def test_a_terminal_of_few_characters_is_no_obstacle(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(Path(__file__).parents[3])}
    child = subprocess.run(
        [sys.executable, "-m", "edge", *ALONE, "--text", "-", "--no-journal", "--show-text"],
        input="i am happy, naïve 😀\n".encode(),
        capture_output=True,
        cwd=tmp_path,
        env=environment,
        check=False,
        timeout=60,
    )
    assert child.returncode == 0, child.stderr
    assert child.stdout.endswith(b")  i am happy, na?ve ?\n")


def test_standard_input_is_answered_line_by_line(tmp_path: Path) -> None:
    """As a speech recognizer's output is piped in: the answer must not wait for the next line."""
    with start("--text", "-", "--no-journal", "--json", cwd=tmp_path, stdin=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        for label in ("happy", "sad", "happy"):
            child.stdin.write(f"i am {label}\n".encode())
            child.stdin.flush()
            assert json.loads(child.stdout.readline())["label"] == label
        child.stdin.write(b"and the last without an end")
        out, errors = child.communicate(timeout=60)
    assert child.returncode == 0, errors
    assert json.loads(out)["label"] == "neutral"
    assert b"4 lines of text, 4 observations" in errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_pipe_is_listened_to_until_a_signal_comes(tmp_path: Path, number: signal.Signals) -> None:
    fifo, journal = tmp_path / "transcripts.fifo", tmp_path / "journal.db"
    os.mkfifo(fifo)
    with start("--text", "transcripts.fifo", "--journal", str(journal), cwd=tmp_path) as child:
        assert child.stdout is not None
        for writer in ("happy", "afraid"):
            fifo.write_text(f"i am {writer}\n")
            assert b"text" in child.stdout.readline()
        child.send_signal(number)
        _, errors = child.communicate(timeout=60)
    assert child.returncode == 0, errors
    assert b"2 lines of text, 2 observations" in errors
    assert recorded(journal) == [("text", "happy"), ("text", "fear")]


def test_a_file_that_grows_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "chat.log"
    path.write_text("i am sad\n")
    with start("--text", "follow:chat.log", "--no-journal", cwd=tmp_path) as child:
        assert child.stderr is not None
        assert child.stdout is not None
        for line in child.stderr:
            if b"text: chat.log" in line:
                break
        with path.open("a") as stream:
            stream.write("i am happy\n")
        assert b"happy" in child.stdout.readline()
        child.terminate()
        out, _ = child.communicate(timeout=60)
    assert (child.returncode, out) == (0, b"")


def test_a_duration_ends_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "silent.fifo")
    assert main([*ALONE, "--text", str(tmp_path / "silent.fifo"), "--no-journal", "--duration", "0.3"]) == 0
    assert "0 lines of text, 0 observations" in capsys.readouterr().err


def test_a_reader_that_goes_away_ends_it_quietly(tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_text("i am happy\n" * 100_000)
    with start("--text", str(path), "--no-journal", "--json", cwd=tmp_path) as child:
        assert child.stdout is not None
        child.stdout.readline()
        child.stdout.close()
        assert child.stderr is not None
        errors = child.stderr.read()
        child.wait(timeout=60)
    assert child.returncode == 0
    assert b"Traceback" not in errors


def test_the_configuration_names_a_source_too(tmp_path: Path, lines: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "c.toml"
    config.write_text(f"camera.source = 'none'\nmicrophone.source = 'none'\ntext.source = '{lines}'\n")
    assert main(["run", "--config", str(config), "--no-journal"]) == 0
    assert "4 observations" in capsys.readouterr().err


def test_pictures_and_text_go_into_one_journal(tmp_path: Path, lines: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = tmp_path / "journal.db"
    options = ["--source", "demo", "--mic", "none", "--text", str(lines), "--duration", "2", "--journal", str(journal)]
    assert main(["run", *options]) == 0
    printed = capsys.readouterr()
    assert "face 1" in printed.out
    assert "faces and voices, not feelings" in printed.err
    assert "names what words express" in printed.err
    assert {modality for modality, _ in recorded(journal)} == {"face", "text"}


def test_beside_a_text_that_ends_no_microphone_is_opened_unasked(
    tmp_path: Path,
    lines: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    speech_model: Path,
) -> None:
    asked: list[str] = []

    def none(spec: str) -> None:
        asked.append(spec)
        raise SourceError("no microphone was found")

    monkeypatch.setattr("edge.sources.sound.open_audio_source", none)
    assert main(["run", "--source", "none", "--text", str(lines), "--no-journal"]) == 0
    assert asked == []
    # Beside a pipe it is listened to, and without one the text goes on alone.
    os.mkfifo(tmp_path / "silent.fifo")
    live = ["run", "--source", "none", "--text", str(tmp_path / "silent.fifo"), "--no-journal", "--duration", "0.3"]
    assert main(live) == 0
    assert asked == ["auto"]
    assert "without sound: no microphone was found\n" in capsys.readouterr().err
    # A film's sound was long ago, whatever text there is.
    picture = tmp_path / "picture.png"
    cv2.imwrite(str(picture), np.zeros((48, 64), np.uint8))
    assert main(["run", "--source", str(picture), "--text", str(tmp_path / "silent.fifo"), "--no-journal"]) == 0
    assert asked == ["auto"]


def test_nothing_but_the_journal_is_written_and_no_socket_is_opened(tmp_path: Path, lines: Path) -> None:
    """Every file that is opened for writing and every socket is seen by the interpreter's audit hook."""
    journal = tmp_path / "state" / "journal.db"
    before = set(tmp_path.rglob("*"))
    child = subprocess.run(
        [sys.executable, "-B", "-c", WATCHED, *ALONE, "--text", str(lines), "--journal", str(journal)],
        capture_output=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path / "home"), "PYTHONPATH": str(Path(__file__).parents[3])},
        timeout=120,
    )
    printed = child.stdout.decode().splitlines()
    after = printed[printed.index("code 0") + 1 :]
    assert [line for line in after if "journal.db" not in line and "/dev/null" not in line] == []
    written = {path for path in set(tmp_path.rglob("*")) - before if path.is_file()}
    assert {path.name.split("-")[0] for path in written} == {"journal.db"}
    assert len(recorded(journal)) == 4
    kept = b"".join(path.read_bytes() for path in journal.parent.iterdir())
    assert not any(word.encode() in kept for word in SECRET.split())
