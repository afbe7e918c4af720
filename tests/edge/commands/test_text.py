"""`affect-edge text` on the tiny models, whose answers follow from their words."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.cli import main
from edge.commands import text as command
from edge.commands.text_output import CANNOT_SAY, printable
from tests.edge.audit import WATCHED
from tests.edge.text_helpers import BANDS, EMOTIONS, TRAITS, alter

pytestmark = pytest.mark.usefixtures("text_model")

LONG = "I am so happy today. You are sad and angry! Wow. The weather was not with my friend, and my house is a house."
"""Beyond the tiny model's 12 tokens: its sentences are a part each, and the last one two."""

ESSAY = "I read music and art today, and my friends went to the party. It is a dream of music and I am nervous."

Printed = pytest.CaptureFixture[str]


def json_lines(printed: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed.splitlines()]


def start(*arguments: str, cwd: Path, **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "edge", "text", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        **options,
    )


@pytest.fixture
def pipe_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes], None]]:
    """Lets standard input be some bytes."""

    def put(data: bytes) -> None:
        path = tmp_path / "stdin"
        path.write_bytes(data)
        stream = path.open()
        monkeypatch.setattr(sys, "stdin", stream)
        opened.append(stream)

    opened: list[io.TextIOWrapper] = []
    yield put
    for stream in opened:
        stream.close()


def test_texts_are_answered_in_words(capsys: Printed) -> None:
    assert main(["text", "I am happy!", "happy, and afraid", "the weather", ""]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines() == [
        "text 1: happy (happy 95%, neutral 8%, angry 5%)",
        "text 2: fear, also happy (fear 95%, happy 95%, angry 5%)",
        "text 3: neutral (neutral 61%, angry 5%, disgust 5%)",
        "text 4: nothing to read",
    ]
    assert "no biometric" in printed.err


def test_unsure_tells_what_may_be(text_model: Path, capsys: Printed) -> None:
    alter(text_model, calibration={"link": "sigmoid", "unsure_below": 0.7})
    assert main(["text", "the weather"]) == 0
    assert capsys.readouterr().out == "text 1: unsure, perhaps neutral (neutral 61%, angry 5%, disgust 5%)\n"


def test_another_language_is_told_as_such(capsys: Printed) -> None:
    assert main(["text", "happy Tag schöner heute"]) == 0
    told = "text 1: unsure (25% of its words are in the model's vocabulary: is it in another language?)\n"
    assert capsys.readouterr().out == told


def test_json_is_a_line_per_text(capsys: Printed) -> None:
    assert main(["text", "--json", "happy, and sad", "..."]) == 0
    first, second = json_lines(capsys.readouterr().out)
    assert list(first["probabilities"]) == list(EMOTIONS)
    assert first["confidence"] == max(first["probabilities"].values())
    assert (first["source"], first["number"], first["part"], first["parts"]) == ("argument", 1, 1, 1)
    assert (first["label"], first["present"], first["words"], first["known"]) == ("happy", ["happy", "sad"], 3, 1.0)
    assert "text" not in first and "weights" not in first
    assert (second["number"], second["label"], second["probabilities"], second["present"]) == (2, None, None, [])


def test_a_long_text_is_answered_over_time_with_a_mean(tmp_path: Path, capsys: Printed) -> None:
    path = tmp_path / "letter.txt"
    path.write_text(LONG)
    assert main(["text", "--file", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines[:-1]] == [f"{path}, part {part} of 5" for part in range(1, 6)]
    assert [line.partition(": ")[2].partition(" (")[0] for line in lines[:-1]] == [
        "happy",
        "angry, also sad",
        "surprise",
        "neutral",
        "neutral",
    ]
    assert lines[-1].startswith(f"{path}: mean of 5 parts: neutral 2")
    assert lines[-1].endswith("; named: neutral 2, happy 1, angry 1, surprise 1")


def test_the_mean_is_of_what_was_read(tmp_path: Path, capsys: Printed) -> None:
    path = tmp_path / "letter.txt"
    path.write_text(LONG + " Heute ist ein Tag! ... \n\n ...")
    assert main(["text", "--file", str(path), "--json"]) == 0
    *parts, mean = json_lines(capsys.readouterr().out)
    read = [part["probabilities"]["happy"] for part in parts if part["label"] is not None and part["known"] >= 0.5]
    assert (len(read), mean["read"], mean["parts"]) == (5, 5, len(parts))
    assert mean["mean"]["happy"] == pytest.approx(sum(read) / 5, abs=1e-3)
    assert mean["labels"] == {"neutral": 2, "happy": 1, "angry": 1, "surprise": 1}
    assert [part["part"] for part in parts] == list(range(1, len(parts) + 1))


def test_the_words_that_weighed(capsys: Printed) -> None:
    assert main(["text", "I love my wonderful friend, wow", "--words"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "  happy: love +5.90, wonderful +5.90"
    assert lines[2].startswith("  surprise: wow +")
    assert main(["text", "I love my friend", "Heute ist Tag", "--words", "--json"]) == 0
    first, second = json_lines(capsys.readouterr().out)
    (weight,) = first["weights"]["happy"]
    assert (weight["word"], weight["change"]) == ("love", pytest.approx(6, abs=0.2))
    assert second["weights"] == {}


def test_the_text_is_shown_only_when_asked_for(tmp_path: Path, capsys: Printed) -> None:
    path = tmp_path / "letter.txt"
    path.write_text(LONG)
    for options in (["--json"], []):
        assert main(["text", "--file", str(path), "wonderful friend", *options]) == 0
        printed = capsys.readouterr()
        for word in ("wonderful", "friend", "weather", "house"):
            assert word not in printed.out + printed.err
    assert main(["text", "\x1b[2J happy\tfriend", "--show-text"]) == 0
    assert capsys.readouterr().out.endswith(")  [2J happy friend\n")
    assert main(["text", "a\nhappy\udcff", "--show-text", "--json"]) == 0
    assert json_lines(capsys.readouterr().out)[0]["text"] == "a\nhappy\udcff"


def test_what_the_terminal_cannot_show_is_replaced(capsys: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    assert main(["text", "happy 夜 \udcff", "--show-text"]) == 0
    assert raw.getvalue().endswith(b")  happy ?\n")


def test_printable_cuts() -> None:
    assert printable("x" * 100) == "x" * 100
    assert printable("x" * 101) == "x" * 97 + "..."
    assert printable("\x00\n  a\u202eb \t ") == "a b"


def test_lines_are_answered_as_they_come(tmp_path: Path, models_folder: Path) -> None:
    child = start("--json", cwd=tmp_path, stdin=subprocess.PIPE)
    try:
        assert child.stdin is not None and child.stdout is not None
        for number, (line, label) in enumerate([(b"so happy\n", "happy"), (b"\n", None), (b"a sad day\n", "sad")], 1):
            child.stdin.write(line)
            child.stdin.flush()
            # Waits for the answer with the pipe still open.
            answer = json.loads(child.stdout.readline())
            assert (answer["source"], answer["number"], answer["label"]) == ("-", number, label)
        rest, errors = child.communicate(b"angry", timeout=60)
    finally:
        child.kill()
        child.wait()
    assert child.returncode == 0, errors
    assert json.loads(rest)["label"] == "angry"


def test_standard_input_is_read_where_nothing_is_named(pipe_in: Callable[[bytes], None], capsys: Printed) -> None:
    pipe_in(b"happy\n\xef\xbb\xbf\r\nsad")
    assert main(["text"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(" (")[0] for line in lines] == ["line 1: happy", "line 2: nothing to read", "line 3: sad"]
    pipe_in(b"angry\n")
    assert main(["text", "wow", "-"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(" (")[0] for line in lines] == ["text 1: surprise", "line 1: angry"]


def test_without_anything_on_a_terminal_it_is_a_usage_error(capsys: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    main_end, terminal = os.openpty()
    with os.fdopen(main_end, "rb"), os.fdopen(terminal) as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        assert main(["text"]) == 2
    assert "no text: give one as an argument, a --file, or pipe lines into it" in capsys.readouterr().err


def test_closed_standard_input_is_told(tmp_path: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", '"$0" -m edge text <&-', sys.executable],
        capture_output=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert done.returncode == 1
    assert done.stderr.decode().splitlines()[-1].endswith("error: standard input is closed: pipe text into it")
    monkeypatch.setattr(sys, "stdin", None)
    for arguments in ([], ["-"], ["--file", "-"]):
        assert main(["text", *arguments]) == 1
        assert "standard input is closed" in capsys.readouterr().err


@pytest.mark.usefixtures("trait_model")
def test_traits_with_intervals_and_words(tmp_path: Path, capsys: Printed) -> None:
    path = tmp_path / "essay.txt"
    path.write_text(ESSAY)
    assert main(["text", "--traits", "--file", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    begin = lines.index(f"{path}: traits from 23 words (measured on texts of 30 or so)")
    told = lines[begin + 1 :]
    assert told[0] == (
        "  openness            88%  of 60 texts with such a score 70% (57% to 80%) were by writers above the middle"
    )
    assert told[1].strip() == "higher by music, art, dream"
    assert told[2].endswith("40% (26% to 55%) were by writers above the middle; no more than a guess")
    assert [line.split()[0] for line in told if "%" in line] == list(TRAITS)
    assert lines[-1] == CANNOT_SAY


@pytest.mark.usefixtures("trait_model")
def test_traits_as_json(capsys: Printed) -> None:
    assert main(["text", "--traits", "--json", ESSAY, "happy", "Heute ist ein sehr schöner Tag " * 4]) == 0
    lines = [line for line in json_lines(capsys.readouterr().out) if "traits" in line]
    first, short, foreign = lines
    assert (first["source"], first["number"], first["words"], first["words_measured"]) == ("argument", 1, 23, 30)
    assert list(first["traits"]) == list(TRAITS)
    openness = first["traits"]["openness"]
    assert openness["percentage"] == pytest.approx(88, abs=1)
    assert openness["interval"] == [BANDS[1].low, BANDS[1].high]
    assert (openness["share"], openness["texts"]) == (BANDS[1].share, BANDS[1].texts)
    assert [weight["word"] for weight in openness["weights"]] == ["music", "art", "dream"]
    assert first["cannot_say"] == CANNOT_SAY
    assert (short["number"], short["traits"], short["reason"]) == (2, None, "too short")
    assert (short["words"], short["least_words"]) == (1, 10)
    assert (foreign["number"], foreign["traits"], foreign["reason"]) == (3, None, "another language")


@pytest.mark.usefixtures("trait_model")
def test_a_short_text_gets_no_score(capsys: Printed) -> None:
    assert main(["text", "--traits", "happy", "", "Heute ist ein sehr schöner Tag " * 4]) == 0
    printed = capsys.readouterr().out
    assert "text 1: too short for traits: 1 words, where the model needs 10\n" in printed
    assert "text 2: too short for traits: 0 words" in printed
    assert "text 3: no traits: 0% of its words are in the model's vocabulary" in printed
    assert CANNOT_SAY not in printed


@pytest.mark.usefixtures("trait_model")
def test_traits_of_all_lines_together(pipe_in: Callable[[bytes], None], capsys: Printed) -> None:
    assert main(["text", "--traits", "--json", ESSAY]) == 0
    alone = json_lines(capsys.readouterr().out)[-1]["traits"]
    pipe_in(ESSAY.replace(". ", ".\n").encode())
    assert main(["text", "--traits", "--json"]) == 0
    *lines, last = json_lines(capsys.readouterr().out)
    # The first line does not fit in the model at once.
    assert {line["number"] for line in lines} == {1, 2}
    assert (last["source"], last["number"], last["traits"]) == ("-", None, alone)


@pytest.mark.usefixtures("trait_model")
def test_what_is_kept_for_traits_is_bounded(
    pipe_in: Callable[[bytes], None], capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "FILE_BYTES", 100)
    pipe_in(b"the day is a day\n" * 50)
    assert main(["text", "--traits", "--json"]) == 0
    printed = capsys.readouterr()
    *lines, last = json_lines(printed.out)
    assert len(lines) == 50
    # 17 characters a line with its end: five lines, and 'the day is a da' of the sixth.
    assert last["words"] == 5 * 5 + 5
    assert printed.err.count("only the first 100 characters of standard input are read for traits") == 1


def test_only_the_beginning_of_a_large_file_is_read(
    tmp_path: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "FILE_BYTES", 20)
    path = tmp_path / "large.txt"
    path.write_text("the day " * 2 + "sad happy")
    assert main(["text", "--file", str(path)]) == 0
    printed = capsys.readouterr()
    assert f"only the first 20 bytes of '{path}' are read" in printed.err
    assert printed.out.startswith(f"{path}: sad (")
    path.write_text("the day " * 2 + "sad.")
    assert main(["text", "--file", str(path)]) == 0
    assert "only the first" not in capsys.readouterr().err


@pytest.mark.usefixtures("trait_model")
@pytest.mark.parametrize(
    ("data", "label"),
    [
        (b"", None),
        ("😀🐕".encode(), "unsure"),
        ("❤️".encode(), "happy"),
        (b"the and of to", "neutral"),
        (b"x" * 1_000_000, "unsure"),
        (b"\xff\xfehappy", "unsure"),
        (b"happy \xc3\x28 \xff\xff day", "happy"),
        (b"\xff" * 50, None),
        (b"\x00happy\x00\x00", "happy"),
        (b"\x00" * 1000, None),
        ("今日はとても嬉しいです".encode(), "unsure"),
        ("Сегодня я счастлив".encode(), "unsure"),
        (bytes(range(32)) + b"\x7f", None),
        (b"\x1b[2;1Hhappy \x1b(B\x07", "unsure"),
        ("the happy day".encode("utf-16"), "happy"),
        (b"\xef\xbb\xbfhappy", "happy"),
        ("a\u0301" * 3000 + " happy", "happy"),
    ],
    ids=[
        "empty",
        "unknown emoji",
        "only emoji",
        "stop words",
        "a megabyte in one word",
        "half a byte order mark",
        "invalid UTF-8",
        "nothing valid",
        "zero bytes",
        "only zero bytes",
        "Japanese",
        "Russian",
        "control characters",
        "escape sequences",
        "UTF-16",
        "byte order mark",
        "combining marks",
    ],
)
@pytest.mark.parametrize("way", ["file", "piped"])
def test_odd_content_is_answered(
    tmp_path: Path,
    pipe_in: Callable[[bytes], None],
    capsys: Printed,
    data: bytes | str,
    label: str | None,
    way: str,
) -> None:
    data = data.encode() if isinstance(data, str) else data
    path = tmp_path / "odd.txt"
    path.write_bytes(data)
    options = ["--file", str(path)] if way == "file" else []
    for words in ([], ["--words", "--show-text"]):
        if way == "piped":
            pipe_in(data)
        assert main(["text", "--traits", "--json", *words, *options]) == 0
        *answers, scores = json_lines(capsys.readouterr().out)
        assert (scores["traits"], scores["reason"]) == (None, "too short")
        if way == "piped" and not data.strip(b"\0"):
            assert answers == []  # there is no line
        elif way == "file" or not data.startswith(b"\xff\xfe"):  # lines are never UTF-16
            assert {answer["label"] for answer in answers if "label" in answer} == {label}


@pytest.mark.parametrize("way", ["file", "piped"])
def test_a_megabyte_on_one_line_is_answered_to_its_end(
    tmp_path: Path, pipe_in: Callable[[bytes], None], capsys: Printed, way: str
) -> None:
    words = 10_000
    data = (b"happy" + 95 * b" ") * (words - 1) + b"sad"
    assert 999_000 < len(data) < 1_000_000
    path = tmp_path / "long.txt"
    path.write_bytes(data)
    pipe_in(data)
    assert main(["text", "--json", *(["--file", str(path)] if way == "file" else [])]) == 0
    *parts, mean = json_lines(capsys.readouterr().out)
    assert sum(part["words"] for part in parts) == words
    assert {part["label"] for part in parts[:-1]} == {"happy"}
    assert "sad" in parts[-1]["present"]
    assert mean["read"] == len(parts)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--file", "missing.txt"], "cannot read 'missing.txt': No such file or directory"),
        (["--file", "folder"], "'folder' is a folder; name the files in it"),
        (["--file", "a\0b"], "cannot read 'a\0b': embedded null byte"),
        (["--file", 300 * "x"], "File name too long"),
        (["happy", "--model", "absent"], "no model 'absent' for the task 'text-emotion'"),
        (["happy", "--model", "absent.tflite"], "absent.tflite: no such model file"),
        (["happy", "--traits", "--traits-model", "absent"], "no model 'absent' for the task 'traits'"),
        (["happy", "--config", "absent.toml"], "absent.toml"),
    ],
)
def test_what_cannot_be_used_is_told_in_a_line(
    tmp_path: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["text", *arguments]) in (1, 78)
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines()[-1].startswith("affect-edge text: error: ")
    assert told in printed.err.splitlines()[-1]


def test_one_bad_file_does_not_stop_the_others(tmp_path: Path, capsys: Printed) -> None:
    path = tmp_path / "good.txt"
    path.write_text("happy")
    assert main(["text", "--file", str(tmp_path), "--file", str(path), "sad"]) == 1
    printed = capsys.readouterr()
    assert [line.partition(" (")[0] for line in printed.out.splitlines()] == ["text 1: sad", f"{path}: happy"]
    assert printed.err.count("error:") == 1


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    child = start(cwd=tmp_path, stdin=subprocess.PIPE)
    assert child.stdin is not None and child.stdout is not None and child.stderr is not None
    child.stdin.write(b"happy\n")
    child.stdin.flush()
    assert child.stdout.readline().startswith(b"line 1: happy")
    child.stdout.close()
    child.stdin.write(b"sad\n" * 10)
    child.stdin.close()
    errors = child.stderr.read()
    child.stderr.close()
    assert child.wait(60) == 0
    assert b"Traceback" not in errors


def test_ctrl_c_ends_it(tmp_path: Path) -> None:
    # Tests that run in the background of a shell inherit that Ctrl-C means nothing to them.
    child = start(cwd=tmp_path, stdin=subprocess.PIPE, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    assert child.stdin is not None and child.stdout is not None
    child.stdin.write(b"happy\n")
    child.stdin.flush()
    assert child.stdout.readline().startswith(b"line 1: happy")
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 130
    assert b"Traceback" not in errors


@pytest.mark.usefixtures("trait_model")
def test_no_text_is_written_and_no_socket_is_opened(tmp_path: Path) -> None:
    """Every file that is opened for writing and every socket is seen by the interpreter's audit hook."""
    path = tmp_path / "essay.txt"
    path.write_text(ESSAY)
    before = set(tmp_path.rglob("*"))
    child = subprocess.run(
        [
            sys.executable,
            "-B",
            "-c",
            WATCHED,
            "text",
            "-v",
            "so happy",
            "-",
            "--file",
            str(path),
            "--traits",
            "--words",
        ],
        input=b"a sad day\n\xff\n",
        capture_output=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path / "home"), "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    lines = child.stdout.decode().splitlines()
    after = lines[lines.index("code 0") + 1 :]
    assert [line for line in after if "/dev/null" not in line] == []
    assert set(tmp_path.rglob("*")) == before
    # Nor is it in the log, which may be kept.
    for word in ("happy", "music", "friends", "day"):
        assert word not in child.stderr.decode()


def test_it_starts_without_the_camera_s_and_the_training_s_libraries(tmp_path: Path) -> None:
    script = """
import sys
from edge.cli import main
main(["text", "happy"])
print(sorted({"cv2", "tensorflow", "scipy", "nltk", "librosa", "numba", "soundfile"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert done.stdout.decode().splitlines()[-1] == "[]"
