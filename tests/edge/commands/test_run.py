from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edge.cli import main

pytestmark = pytest.mark.usefixtures("models_folder")


def start(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "edge", "run", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )


def records(journal: Path) -> int:
    with sqlite3.connect(journal) as connection:
        count: int = connection.execute("SELECT count(*) FROM observation").fetchone()[0]
    connection.close()
    return count


def test_the_demonstration_prints_and_leaves_observations(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = tmp_path / "journal.db"
    assert main(["run", "--source", "demo", "--duration", "2", "--journal", str(journal)]) == 0
    printed = capsys.readouterr()
    assert "face 1" in printed.out
    assert "work or in education" in printed.err
    assert f"records in {journal}" in printed.err
    assert records(journal) >= 2


def test_json_is_a_line_per_observation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--source", "demo", "--duration", "1", "--no-journal", "--json"]) == 0
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
    assert main(["run", "--source", source, "--no-journal"]) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
    assert len(errors) == 1
    assert message in errors[0]


def test_nothing_but_the_journal_is_written_and_no_socket_is_opened(tmp_path: Path) -> None:
    """Every file that is opened for writing and every socket is seen by the interpreter's audit hook."""
    script = """
import sys
seen = []
def hook(event, args):
    if event.startswith("socket.") and event != "socket.gethostname":
        seen.append((event, str(args[:1])))
    if event == "open" and isinstance(args[0], str) and (set(str(args[1] or "r")) & set("wax+") or (args[2] or 0) & 3):
        seen.append((event, args[0]))
sys.addaudithook(hook)
from edge.cli import main
code = main(["run", "--source", "demo", "--duration", "1.5", "--journal", sys.argv[1]])
print("code", code)
for event in seen:
    print(*event)
"""
    folder = tmp_path / "state"
    child = subprocess.run(
        [sys.executable, "-B", "-c", script, str(folder / "journal.db")],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path / "home"), "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    lines = child.stdout.splitlines()
    after = lines[lines.index("code 0") + 1 :]
    assert [line for line in after if "journal.db" not in line and "/dev/null" not in line] == []
    written = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert {"journal.db"} <= written
    assert all(
        name.startswith("journal.db") or name in ("expression.tflite", "expression.json", "expression.md")
        for name in written
    )
    # No picture's bytes in what is kept: the journal of a second and a half is a few pages of labels and numbers.
    assert (folder / "journal.db").stat().st_size < 100_000
