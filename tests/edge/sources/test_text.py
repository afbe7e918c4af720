"""Lines through real pipes and files, in every cut and damage."""

from __future__ import annotations

import errno
import os
import pty
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.errors import SourceError
from edge.observation import TextLine
from edge.sources import text as module
from edge.sources.text import TextStream, open_text_source
from edge.sources.text_cutter import LINE_BYTES

OPEN = Path("/proc/self/fd")
"""An entry for each descriptor of this process."""


@contextmanager
def piped(*, patience: float = 60.0) -> Iterator[tuple[TextStream, int]]:
    """A stream on a pipe, and its writing end."""
    reader, writer = os.pipe()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PATIENCE_SECONDS", patience)
        source = TextStream("-", reader, owned=True)
        try:
            yield source, writer
        finally:
            source.close()
            try:
                os.close(writer)
            except OSError as error:  # the test closed it
                assert error.errno == errno.EBADF


def text(line: TextLine | None) -> str:
    assert line is not None
    return line.text


def test_lines_have_numbers_and_the_time_they_came() -> None:
    before = time.time(), time.monotonic()
    with piped() as (source, writer):
        os.write(writer, b"one\n\nthree\n")
        os.close(writer)
        lines = list(source)
        assert source.read() is None
    assert [(line.text, line.number, line.source) for line in lines] == [
        ("one", 0, "-"),
        ("", 1, "-"),
        ("three", 2, "-"),
    ]
    assert all(before[0] <= line.wall_time <= time.time() for line in lines)
    assert all(before[1] <= line.monotonic_time <= time.monotonic() for line in lines)
    assert source.figures.lines == 3
    assert not source.live


def test_a_line_does_not_show_its_text_by_accident() -> None:
    assert "secret" not in repr(TextLine("secret", 0, 0.0, 0.0, "-"))


def test_a_line_is_answered_before_the_next_one_comes() -> None:
    with piped() as (source, writer):
        for number in range(3):
            os.write(writer, b"line %d\nand a bit of the nex" % number)
            assert text(source.read()).endswith(f"line {number}")
            os.write(writer, b"t\n")
            assert text(source.read()) == "and a bit of the next"


def test_the_last_line_needs_no_end() -> None:
    with piped() as (source, writer):
        os.write(writer, b"one\ntwo")
        os.close(writer)
        assert [line.text for line in source] == ["one", "two"]


def test_half_a_line_that_is_left_waiting_is_read() -> None:
    with piped(patience=0.2) as (source, writer):
        os.write(writer, b"whole\nhalf \xc3")
        assert text(source.read()) == "whole"
        assert text(source.read()) == "half "
        os.write(writer, b"\xbc rest\n")
        assert text(source.read()) == "ü rest"
        assert source.figures.unfinished == 1


def test_what_has_come_is_read_before_half_a_line_is_given_up() -> None:
    """A reader that took long over the lines before must not cut the one whose rest is there."""
    with piped(patience=0.1) as (source, writer):
        os.write(writer, b"whole\nhalf")
        assert text(source.read()) == "whole"
        time.sleep(0.3)
        os.write(writer, b" and half\n")
        assert text(source.read()) == "half and half"
        assert source.figures.unfinished == 0


def test_ten_megabytes_on_one_line() -> None:
    with piped() as (source, writer):

        def write() -> None:
            for _ in range(10):
                os.write(writer, b"x" * 1_000_000)
            os.write(writer, b"\nshort\n")
            os.close(writer)

        thread = threading.Thread(target=write)
        thread.start()
        assert [len(line.text) for line in source] == [LINE_BYTES, 5]
        thread.join()
        assert source.figures.cut == 1


def test_close_from_another_thread_ends_a_waiting_read() -> None:
    with piped() as (source, _):
        closer = threading.Timer(0.2, source.close)
        closer.start()
        assert source.read() is None
        closer.join()
        source.close()
        assert source.read() is None


def test_closing_lets_go_of_everything() -> None:
    before = set(OPEN.iterdir())
    with piped() as (source, _):
        source.close()
        source.close()
    assert set(OPEN.iterdir()) == before


def test_waiting_is_no_running_in_circles(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = 0
    wait = TextStream._wait

    def counted(self: TextStream, descriptor: int | None, seconds: float | None) -> bool:
        nonlocal waits
        waits += 1
        return wait(self, descriptor, seconds)

    monkeypatch.setattr(TextStream, "_wait", counted)
    with piped(patience=0.1) as (source, writer):
        os.write(writer, b"\xc3")  # no character comes of it
        threading.Timer(0.5, source.close).start()
        assert source.read() is None
    assert waits <= 5


def test_a_terminal_s_lines_are_read_until_its_end() -> None:
    master, slave = pty.openpty()
    with TextStream("-", slave, owned=True) as source:
        os.write(master, b"I typed this\n")
        assert text(source.read()) == "I typed this"
        os.write(master, b"\x04")  # Ctrl-D
        assert source.read() is None
    os.close(master)


def test_a_terminal_that_goes_away_is_at_its_end() -> None:
    master, slave = pty.openpty()
    os.close(master)
    with TextStream("-", slave, owned=True) as source:
        assert source.read() is None


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    with (
        TextStream("-", folder, owned=True) as source,
        pytest.raises(SourceError, match="standard input: cannot be read: Is a directory"),
    ):
        source.read()


def test_a_file_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_bytes(b"one\r\ntwo\r\nthree")
    with open_text_source(str(path)) as source:
        assert (source.name, source.live) == (str(path), False)
        assert [line.text for line in source] == ["one", "two", "three"]


def test_the_home_folder_may_be_written_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "lines.txt").write_text("one\n")
    with open_text_source("~/lines.txt") as source:
        assert [line.text for line in source] == ["one"]


def test_an_empty_device_is_at_its_end() -> None:
    with open_text_source("/dev/null") as source:
        assert source.read() is None


def test_a_shell_s_own_pipe_ends_with_its_writer() -> None:
    """`--text <(command)` gives a path; nobody else can ever write there."""
    reader, writer = os.pipe()
    os.write(writer, b"from a command\n")
    os.close(writer)
    with open_text_source(f"/dev/fd/{reader}") as source:
        assert [line.text for line in source] == ["from a command"]
    os.close(reader)


READER = """
from edge.sources.text import open_text_source
with open_text_source("-") as source:
    for line in source:
        print(line.number, ascii(line.text), line.source, source.live, flush=True)
"""


def standard_input(**options: object) -> tuple[int, str, str]:
    child = subprocess.run(  # type: ignore[call-overload]
        [sys.executable, "-c", READER],
        capture_output=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        **options,
    )
    return child.returncode, child.stdout.decode(), child.stderr.decode()


def test_standard_input_may_be_a_pipe_a_file_or_nothing(tmp_path: Path) -> None:
    expected = "0 'one' - False\n1 'tw\\xf6' - False\n"
    data = "one\ntwö".encode()
    assert standard_input(input=data) == (0, expected, "")
    path = tmp_path / "lines.txt"
    path.write_bytes(data)
    with path.open("rb") as stream:
        assert standard_input(stdin=stream) == (0, expected, "")
    assert standard_input(stdin=subprocess.DEVNULL) == (0, "", "")


def test_standard_input_that_is_closed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)  # as Python has it then
    with pytest.raises(SourceError, match="standard input is closed: pipe text into it"):
        open_text_source("-")


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("", "no text source is named; it is -, a pipe's or a file's path, or follow:PATH"),
        ("none", "no text source is named"),
        ("follow:", "no text source is named"),
        ("nowhere.txt", "there is no file or pipe 'nowhere.txt':  mkfifo nowhere.txt  makes a pipe"),
        (".", r"\. is a folder: name a text file"),
        ("follow:.", r"\. is a folder: name a text file"),
        ("lines\0.txt", "cannot be opened: embedded null byte"),
        ("x" * 300, "cannot be opened: File name too long"),
    ],
)
def test_what_cannot_be_opened_is_told(spec: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = set(OPEN.iterdir())
    with pytest.raises(SourceError, match=told):
        open_text_source(spec)
    assert set(OPEN.iterdir()) == before


def test_a_file_without_permission_is_told(unprivileged: Callable[[Callable[[], str]], str]) -> None:
    def told() -> str:
        try:
            open_text_source("/etc/shadow")
        except SourceError as error:
            return str(error)
        return "opened"

    assert unprivileged(told) == "/etc/shadow: cannot be opened: Permission denied"
