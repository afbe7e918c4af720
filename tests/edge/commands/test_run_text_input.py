"""What `affect-edge run --text` makes of bad input and of what it cannot do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge.cli import main
from edge.inference import catalog

pytestmark = pytest.mark.usefixtures("text_model")

ALONE = ("run", "--source", "none", "--mic", "none")


@pytest.mark.parametrize(
    ("data", "labels"),
    [
        (b"", []),
        (b"\n\r\n  \n", []),
        ("😀❤️😭\n".encode(), 1),
        (b"the a of and\n", 1),
        (b"x" * 3_000_000, None),
        (b"i am happy \xff\xfe\xf0\x9f\n\xc3\n", 1),
        (b"\0\0i am\0 happy\0\n\0\n", ["happy"]),
        ("私は幸せです。今日は天気がいい\nمرحبا بالعالم\n".encode(), ["unsure", "unsure"]),
        (bytes(range(32)) + b"\x7f\x1b[31m\n", None),
        (b"\n" * 50_000, []),
        (os.urandom(1000), None),
    ],
    ids=[
        *(
            "empty",
            "blank",
            "emoji",
            "stop words",
            "no end",
            "no UTF-8",
            "NUL",
            "other scripts",
        ),
        *("control characters", "newlines", "noise"),
    ],
)
def test_bad_input_has_an_answer(
    tmp_path: Path, data: bytes, labels: list[str] | int | None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "lines.txt"
    path.write_bytes(data)
    assert main([*ALONE, "--text", str(path), "--no-journal", "--json"]) == 0
    printed = capsys.readouterr()
    found = [json.loads(line)["label"] for line in printed.out.splitlines()]
    assert f"{len(found)} observations" in printed.err
    if isinstance(labels, int):
        assert len(found) == labels
    elif labels is not None:
        assert found == labels


def test_a_megabyte_on_one_line_is_read_to_its_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "lines.txt"
    path.write_bytes(b"table " * 150_000 + b"wow\nhappy " + b"x" * 1_000_000 + b"\n")
    assert main([*ALONE, "--text", str(path), "--no-journal", "--json"]) == 0
    printed = capsys.readouterr()
    found = [json.loads(line)["label"] for line in printed.out.splitlines()]
    assert "surprise" in found
    assert "2 lines of text (1 cut), " in printed.err


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (("--text", "nowhere.fifo"), 1, "there is no file or pipe 'nowhere.fifo':  mkfifo nowhere.fifo"),
        (("--text", "/"), 1, "/ is a folder"),
        (("--text", "none"), 2, "neither camera nor microphone nor text"),
        ((), 2, "neither camera nor microphone nor text"),
        (("--text", "-", "--mic", "-"), 2, "both sound and text are to come from standard input"),
        (("--text", "-", "--mic=-:s16le:16000:1"), 2, "both sound and text are to come from standard input"),
        (("--mic", "clip.wav", "--show-text"), 2, "--show-text has no text to show"),
    ],
)
def test_what_cannot_be_done_is_told(
    options: tuple[str, ...], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*ALONE, *options, "--no-journal"]) == code
    errors = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
    assert len(errors) == 1
    assert told in errors[0]


def test_standard_input_that_is_closed_is_told(tmp_path: Path) -> None:
    command = f"exec {sys.executable} -m edge {' '.join(ALONE)} --text - --no-journal <&-"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    child = subprocess.run(
        ["sh", "-c", command], capture_output=True, cwd=tmp_path, env=environment, check=False, timeout=60
    )
    assert child.returncode == 1
    assert b"error: standard input is closed: pipe text into it" in child.stderr
    assert b"Traceback" not in child.stderr


def test_without_the_model_it_says_so(
    text_model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text_model.unlink()
    monkeypatch.setattr(catalog, "model_folders", lambda: [text_model.parents[1]])
    assert main([*ALONE, "--text", "-", "--no-journal"]) == 1
    assert "error: no model 'text' for the task 'text-emotion'" in capsys.readouterr().err
