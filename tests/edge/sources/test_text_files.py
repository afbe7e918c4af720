"""Pipes whose writers come and go, and files that grow, are truncated, replaced and deleted."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.sources import text as module
from edge.sources import text_files
from edge.sources.text import TextSource, open_text_source
from edge.sources.text_files import FifoSource, FollowedFile

OPEN = Path("/proc/self/fd")
"""An entry for each descriptor of this process."""


@pytest.fixture(autouse=True)
def looking_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_files, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 60.0)


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "lines.fifo"
    os.mkfifo(path)
    return path


def read(source: TextSource, count: int = 1) -> list[str]:
    lines = [source.read() for _ in range(count)]
    return [line.text for line in lines if line is not None]


def add(path: Path, data: bytes) -> None:
    with path.open("ab") as stream:
        stream.write(data)


def wait_until(holds: Callable[[], object]) -> None:
    pause = threading.Event()
    while not holds():
        pause.wait(0.01)


def nothing_more(source: TextSource, until: Callable[[], object] = lambda: True) -> bool:
    """Whether nothing comes until it is closed, which happens soon after something holds."""

    def close() -> None:
        wait_until(until)
        source.close()

    closer = threading.Timer(0.3, close)
    closer.start()
    line = source.read()
    closer.join()
    return line is None


def test_writers_of_a_pipe_come_and_go(fifo: Path) -> None:
    with open_text_source(str(fifo)) as source:
        assert isinstance(source, FifoSource)
        assert source.live
        for number in range(5):
            fifo.write_bytes(b"writer %d\nand its half line" % number)
            assert read(source, 2) == [f"writer {number}", "and its half line"]
        assert nothing_more(source)
    assert source.figures.reopened >= 4
    assert source.figures.lines == 10
    assert source.figures.unfinished == 0


def test_a_pipe_with_several_writers_at_once(fifo: Path) -> None:
    with open_text_source(str(fifo)) as source, fifo.open("wb", buffering=0) as one:
        with fifo.open("wb", buffering=0) as other:
            one.write(b"one\n")
            other.write(b"other\n")
            assert read(source, 2) == ["one", "other"]
        one.write(b"one ")
        one.write(b"again\n")
        assert read(source) == ["one again"]
        assert source.figures.reopened == 0


def test_half_a_line_in_a_pipe_is_read_though_its_writer_stays(fifo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.1)
    with open_text_source(str(fifo)) as source, fifo.open("wb", buffering=0) as writer:
        writer.write(b"no end")
        assert read(source) == ["no end"]
        writer.write(b"the next\n")
        assert read(source) == ["the next"]
        assert source.figures.unfinished == 1


def test_no_line_of_many_writers_is_lost(fifo: Path) -> None:
    """Each opens, writes and leaves, as `echo ... > lines.fifo` does, while the reader opens anew between them."""
    script = "import sys\nfor n in range(100):\n open(sys.argv[1], 'w').write(f'{sys.argv[2]}-{n}\\n')"
    with open_text_source(str(fifo)) as source:
        writers = [subprocess.Popen([sys.executable, "-W", "ignore", "-c", script, str(fifo), name]) for name in "abc"]
        found = read(source, 300)
        for writer in writers:
            assert writer.wait() == 0
        assert nothing_more(source)
    assert sorted(found) == sorted(f"{name}-{n}" for name in "abc" for n in range(100))


def test_a_pipe_that_is_made_anew_is_read(fifo: Path, caplog: pytest.LogCaptureFixture) -> None:
    with open_text_source(str(fifo)) as source:
        fifo.write_bytes(b"one\n")
        assert read(source) == ["one"]
        fifo.unlink()
        os.mkfifo(fifo)
        writer = threading.Thread(target=fifo.write_bytes, args=(b"two\n",))
        writer.start()
        assert read(source) == ["two"]
        writer.join()
    assert caplog.records == []


def test_a_pipe_that_went_is_waited_for_and_told_once(fifo: Path, caplog: pytest.LogCaptureFixture) -> None:
    with open_text_source(str(fifo)) as source:
        with fifo.open("wb", buffering=0) as writer:
            fifo.unlink()
            writer.write(b"written after it was removed\n")
            assert read(source) == ["written after it was removed"]
        answer: list[str] = []
        reader = threading.Thread(target=lambda: answer.extend(read(source)))
        reader.start()
        wait_until(lambda: caplog.records)
        os.mkfifo(fifo)
        fifo.write_bytes(b"back\n")
        reader.join()
        assert answer == ["back"]
    assert [record.getMessage() for record in caplog.records] == [
        f"{fifo}: No such file or directory; waiting for a pipe there"
    ]


def test_a_file_in_the_pipe_s_place_is_told(fifo: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What `echo hello > lines.fifo` leaves where the pipe was removed."""
    with open_text_source(str(fifo)) as source:
        fifo.unlink()
        fifo.write_text("hello\n")
        assert nothing_more(source, until=lambda: caplog.records)
    assert [record.getMessage() for record in caplog.records] == [f"{fifo}: no pipe any more; waiting for a pipe there"]


def test_what_is_added_to_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_bytes(b"old\nolder\nbegun ")
    with open_text_source(f"follow:{path}") as source:
        assert isinstance(source, FollowedFile)
        assert (source.name, source.live) == (str(path), True)
        for number in range(3):
            add(path, b"and ended\nline %d\nbegun " % number)
            assert read(source, 2) == ["begun and ended", f"line {number}"]
        assert nothing_more(source)
    assert source.figures.reopened == 0


@pytest.mark.parametrize("content", [b"", b"old\n", b"x" * 200_000, b"x" * 200_000 + b"\n"])
def test_what_stood_in_a_file_before_is_not_read(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "lines.txt"
    path.write_bytes(content)
    with open_text_source(f"follow:{path}") as source:
        add(path, b"new\n")
        assert read(source) == ["new"]


def test_a_file_is_waited_for_and_read_from_its_beginning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "folder" / "lines.txt"
    with open_text_source(f"follow:{path}") as source:
        answer: list[str] = []
        reader = threading.Thread(target=lambda: answer.extend(read(source, 2)))
        reader.start()
        path.parent.mkdir()
        path.write_bytes(b"one\ntwo\n")
        reader.join()
        assert answer == ["one", "two"]
    assert [record.getMessage() for record in caplog.records] == [f"{path}: not there yet; waiting for a file there"]


def test_a_truncated_file_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_bytes(b"old\n" * 100)
    with open_text_source(f"follow:{path}") as source:
        add(path, b"half")
        path.write_bytes(b"new\n")  # truncates, as logrotate's copytruncate does
        assert read(source) == ["new"]
        add(path, b"newer\nhalf")
        assert read(source) == ["newer"]
        # Its writer, which did not open it to append, goes on where it was: a hole of zero bytes stands before.
        reading = threading.Thread(target=lambda: answer.extend(read(source, 2)))
        answer: list[str] = []
        reading.start()
        with path.open("r+b") as writer:
            writer.truncate(0)
            wait_until(lambda: source.figures.reopened == 2)
            writer.seek(1_000_000)
            writer.write(b"after the hole\n")
        reading.join()
        assert answer == ["half", "after the hole"]


def test_a_replaced_file_is_read_to_its_end_and_then_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_bytes(b"old\n")
    with open_text_source(f"follow:{path}") as source, path.open("ab", buffering=0) as writer:
        writer.write(b"one\n")
        assert read(source) == ["one"]
        # As logrotate does; the writer learns of it later.
        path.rename(tmp_path / "lines.txt.1")
        writer.write(b"two\nhalf")
        path.write_bytes(b"three\n")
        assert read(source, 3) == ["two", "half", "three"]
        assert source.figures.reopened == 1
        replacement = tmp_path / "replacement"
        replacement.write_bytes(b"four\n")
        replacement.replace(path)
        assert read(source) == ["four"]
        assert nothing_more(source)


def test_a_deleted_file_is_read_on_until_there_is_another(tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.touch()
    with open_text_source(f"follow:{path}") as source:
        with path.open("ab", buffering=0) as writer:
            path.unlink()
            writer.write(b"into the deleted one\n")
            assert read(source) == ["into the deleted one"]
        path.write_bytes(b"into the new one\n")
        assert read(source) == ["into the new one"]


def test_what_is_no_file_takes_no_file_s_place(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "lines.txt"
    path.touch()
    with open_text_source(f"follow:{path}") as source:
        path.rename(tmp_path / "old.txt")
        path.mkdir()
        add(tmp_path / "old.txt", b"still read\n")
        assert read(source) == ["still read"]
        assert nothing_more(source, until=lambda: caplog.records)
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert told == [f"{path}: no file any more; waiting for a file there"]


@pytest.mark.parametrize("kind", ["pipe", "file", "missing file"])
def test_nothing_is_left_open_and_waiting_is_no_running_in_circles(
    tmp_path: Path, fifo: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_files, "LOOK_SECONDS", 0.1)
    waits = 0
    wait = TextSource._wait

    def counted(self: TextSource, descriptor: int | None, seconds: float | None) -> bool:
        nonlocal waits
        waits += 1
        return wait(self, descriptor, seconds)

    monkeypatch.setattr(TextSource, "_wait", counted)
    (tmp_path / "there.txt").touch()
    spec = {"pipe": str(fifo), "file": f"follow:{tmp_path}/there.txt", "missing file": f"follow:{tmp_path}/gone.txt"}
    before, began = set(OPEN.iterdir()), time.monotonic()
    source = open_text_source(spec[kind])
    if kind == "pipe":
        fifo.write_bytes(b"somebody was here\n")
        assert read(source) == ["somebody was here"]
    assert nothing_more(source)
    assert waits <= 5 + (time.monotonic() - began) / 0.1
    assert set(OPEN.iterdir()) == before
