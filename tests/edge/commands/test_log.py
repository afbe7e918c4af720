"""`affect-edge log` on real journals, run as the command line runs it."""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import pty
import subprocess
import sys
import threading
import time
from datetime import datetime, timezone
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Protocol

import pytest

from edge import cli
from edge.commands.log import parse_time
from edge.journal import Journal
from edge.observation import NO_SPEECH, UNSURE, Observation
from tests.edge.journal_helpers import LABELS, fill, numbers, observation

HOUR = 3600.0


class Run(Protocol):
    def __call__(self, *words: str) -> tuple[int, str, str]: ...


@pytest.fixture
def run(path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command on the journal `path`; gives exit code, stdout and stderr."""
    # Only this command, so that what the others import does not matter here.
    monkeypatch.setattr(cli, "entry_points", lambda group: [EntryPoint("log", "edge.commands.log", group)])

    def run(*words: str) -> tuple[int, str, str]:
        try:
            code = cli.main(["log", *words, "--journal", str(path)])
        except SystemExit as end:  # argparse's way
            code = int(end.code or 0)
        output = capsys.readouterr()
        return code, output.out, output.err

    return run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def noon() -> float:
    """A noon that lies two days back, in local time."""
    return datetime.fromtimestamp(time.time() - 48 * HOUR).replace(hour=12, minute=0, second=0).timestamp() // 1


@pytest.fixture
def varied(path: Path, noon: float) -> Path:
    """Happy at 12:00, sad at 12:10, unsure at 13:00, and 30 happy ones in the last minute."""
    now = time.time()
    fill(
        path,
        [
            observation(0, wall_time=noon, changed=True),
            observation(1, wall_time=noon + 600, label="sad", source="rtsp://garden", changed=True, track=None),
            observation(2, wall_time=noon + HOUR, label=UNSURE, changed=True),
            *(observation(number, wall_time=now - 60 + number) for number in range(3, 33)),
        ],
    )
    return path


# query


def test_the_latest_twenty_are_shown_unless_asked_otherwise(varied: Path, run: Run) -> None:
    code, output, _ = run()
    assert code == 0
    header, *rows = output.splitlines()
    assert header.split() == ["time", "label", "conf.", "track", "modality", "source"]
    assert len(rows) == 20
    seen = datetime.strptime(rows[-1][:19], "%Y-%m-%d %H:%M:%S").timestamp()
    assert abs(seen - (time.time() - 28)) < 5
    assert rows[-1][19:].split() == ["happy", "0.70", "1", "face", "/dev/video0"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--limit", "2"], [31, 32]),
        (["--limit", "0"], [*range(33)]),
        (["--since", "1h"], [*range(3, 33)]),
        (["--until", "1h"], [0, 1, 2]),
        (["--until", "1h", "--limit", "1"], [2]),
        (["--since", "{noon_iso}", "--until", "{one_utc}"], [0, 1]),
        (["--label", "sad"], [1]),
        (["--label", "unsure"], [2]),
        (["--source", "garden"], [1]),
        (["--modality", "speech"], []),
        (["--changes"], [0, 1, 2]),
        (["query", "--changes", "--label", "sad"], [1]),
    ],
)
def test_queries_as_json_lines(varied: Path, run: Run, noon: float, words: list[str], expected: list[int]) -> None:
    times = {
        "noon_iso": datetime.fromtimestamp(noon).isoformat(),
        "one_utc": datetime.fromtimestamp(noon + HOUR, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    code, output, errors = run(*(word.format(**times) for word in words), "--json")
    assert (code, errors) == (0, "")
    records = [json.loads(line) for line in output.splitlines()]
    assert [round(record["monotonic_time"] / 0.2) for record in records] == expected
    for record in records:
        assert set(record) == {
            *("modality", "source", "wall_time", "monotonic_time", "track", "box", "label", "confidence"),
            *("probabilities", "changed", "session", "boot_id"),
        }
        assert sum(record["probabilities"].values()) == pytest.approx(1.0, abs=0.001)


def test_a_source_cannot_command_the_terminal(path: Path, run: Run) -> None:
    fill(path, [observation(source="evil\x1b[2J\nname")])
    _, output, _ = run()
    assert output.splitlines()[1].endswith("evil?[2J?name")
    assert len(output.splitlines()) == 2


def test_times_beyond_the_calendar_are_still_shown(path: Path, run: Run, tmp_path: Path) -> None:
    fill(path, [observation(wall_time=1e18)])
    assert run()[1].splitlines()[1].startswith("@1000000000000000000 ")
    assert "unknown" in run("summary")[1]
    assert run("export", "--csv", str(tmp_path / "x.csv"))[0] == 0


# times


@pytest.mark.parametrize(
    ("text", "ago"), [("90s", 90.0), ("15m", 900.0), ("1.5h", 5400.0), ("2d", 172_800.0), ("1w", 604_800.0)]
)
def test_ages(text: str, ago: float) -> None:
    assert parse_time(text) == pytest.approx(time.time() - ago, abs=2)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-01", datetime(2026, 11, 1)),
        ("2026-11-01T14:30", datetime(2026, 11, 1, 14, 30)),
        ("2026-11-01 14:30:15", datetime(2026, 11, 1, 14, 30, 15)),
        ("2026-11-01T14:30Z", datetime(2026, 11, 1, 14, 30, tzinfo=timezone.utc)),
        ("2026-11-01T14:30+02:00", datetime(2026, 11, 1, 12, 30, tzinfo=timezone.utc)),
    ],
)
def test_moments(text: str, moment: datetime) -> None:
    assert parse_time(text) == moment.timestamp()


BAD_TIMES = ["", "yesterday", "1y", "h", "-1h", "2026-13-01", "2026-11-01T25:00", "99999999d", "9" * 400 + "d", "nan"]


@pytest.mark.parametrize("text", BAD_TIMES)
def test_bad_times_are_refused(varied: Path, run: Run, text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is no time: write an age"):
        parse_time(text)
    code, output, errors = run(f"--since={text}")
    assert (code, output) == (2, "")
    assert f"argument --since: '{text}' is no time" in errors


# summary


def test_the_summary_counts_labels_and_hours(varied: Path, run: Run, noon: float) -> None:
    code, output, _ = run("summary", "--until", "1h")
    assert code == 0
    labels, hours = output.split("\n\n")
    assert [line.split()[:2] for line in labels.splitlines()[1:]] == [["happy", "1"], ["sad", "1"], ["unsure", "1"]]
    day = datetime.fromtimestamp(noon).strftime("%Y-%m-%d")
    assert [line.split()[:4] for line in hours.splitlines()[1:]] == [
        [day, "12:00", "2", "happy"],
        [day, "13:00", "1", "unsure"],
    ]
    assert [line.count("#") for line in hours.splitlines()[1:]] == [40, 20]


def test_the_summary_as_json(varied: Path, run: Run, noon: float) -> None:
    code, output, _ = run("summary", "--per", "day", "--json")
    summary = json.loads(output)
    assert code == 0
    assert summary["per"] == "day"
    assert summary["labels"]["happy"]["observations"] == 31
    # 29 steps of 0.2 s in the last minute, and 0.4 s from the first one to the next of its track
    assert summary["labels"]["happy"]["seconds"] == pytest.approx(29 * 0.2 + 0.4, abs=0.06)
    day = summary["periods"][datetime.fromtimestamp(noon).strftime("%Y-%m-%d")]
    assert {label: share["observations"] for label, share in day.items()} == {"happy": 1, "sad": 1, UNSURE: 1}


def test_the_gap_bounds_what_one_record_stands_for(path: Path, run: Run) -> None:
    now = time.time() - 60
    probabilities = dict.fromkeys(LABELS, 1 / 7)
    fill(path, [Observation("face", "c", now + t, t, "sad", 0.5, probabilities, track=1) for t in (0.0, 30.0)])
    for words, seconds in (([], 2.0), (["--gap", "60"], 30.0)):
        assert json.loads(run("summary", "--json", *words)[1])["labels"]["sad"]["seconds"] == seconds


# export


def test_export_as_csv(varied: Path, run: Run, tmp_path: Path, noon: float) -> None:
    target = tmp_path / "out.csv"
    target.write_text("old")
    code, output, errors = run("export", "--csv", str(target), "--until", "1h")
    assert (code, output) == (0, "")
    assert f"3 records written to {target}" in errors
    assert target.stat().st_mode & 0o777 == 0o600
    rows = list(csv.DictReader(io.StringIO(target.read_text())))
    assert [row["label"] for row in rows] == ["happy", "sad", "unsure"]
    assert [row["track"] for row in rows] == ["1", "", "1"]
    first = rows[0]
    assert datetime.fromisoformat(first["time"].replace("Z", "+00:00")).timestamp() == noon == float(first["wall_time"])
    assert [first[side] for side in ("x", "y", "width", "height")] == ["0", "20", "96", "96"]
    assert [float(first[f"p_{label}"]) for label in LABELS] == [0.7 if label == "happy" else 0.05 for label in LABELS]
    assert not list(tmp_path.glob("*.partial"))


def test_export_with_different_models_has_a_column_for_each_label(path: Path, run: Run) -> None:
    fill(path, [observation(), Observation("speech", "mic", 1e9, 0.0, "calm", 0.9, {"calm": 0.9, "happy": 0.1})])
    code, output, _ = run("export", "--csv", "-")
    rows = list(csv.DictReader(io.StringIO(output)))
    assert code == 0
    assert [(row["p_happy"], row["p_calm"], row["p_sad"]) for row in rows] == [("0.7", "", "0.05"), ("0.1", "0.9", "")]


def test_export_as_json_lines_says_what_the_query_says(varied: Path, run: Run) -> None:
    code, output, errors = run("export", "--jsonl", "-")
    assert code == 0
    assert output == run("--limit", "0", "--json")[1]
    assert "33 records written to -" in errors


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("{tmp}/absent/out.csv", "No such file or directory"),
        ("{tmp}/journal.db/out.csv", "Not a directory"),
        ("{tmp}", "Is a directory"),
        ("{tmp}/journal.db", "this is the journal itself"),
        ("/dev/full", "No space left on device"),
        ("{tmp}/" + "x" * 300, "File name too long"),
    ],
)
def test_export_to_where_it_cannot_go(varied: Path, run: Run, tmp_path: Path, target: str, reason: str) -> None:
    before = varied.read_bytes()
    name = target.format(tmp=tmp_path)
    code, _, errors = run("export", "--csv", name)
    assert code == 1
    (line,) = [line for line in errors.splitlines() if "error" in line]
    assert line.startswith(f"affect-edge log: error: {name}: ")
    assert reason in line
    assert varied.read_bytes() == before
    # SQLite leaves an empty -wal behind a reader.
    assert {each.name for each in tmp_path.iterdir()} <= {"journal.db", "journal.db-wal", "journal.db-shm"}


def test_export_into_a_pipe_leaves_it_a_pipe(varied: Path, run: Run, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
    reader.start()
    code, _, errors = run("export", "--jsonl", str(pipe))
    reader.join(timeout=10)
    assert (code, len(read[0].splitlines())) == (0, 33), errors
    assert pipe.is_fifo()


def test_export_streams(path: Path, tmp_path: Path) -> None:
    given = observation(source="x" * 8000)
    few, many = path.with_name("few.db"), path.with_name("many.db")
    fill(few, [given] * 10)
    fill(many, [given] * 6_000)
    peaks = []
    for journal in (few, many):
        script = (
            "import argparse, resource, sys\nfrom edge.commands import log\n"
            "parser = argparse.ArgumentParser(); log.add_arguments(parser)\n"
            "log.run(parser.parse_args(sys.argv[1:]))\n"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        words = ["export", "--jsonl", str(tmp_path / "out"), "--journal", str(journal)]
        ran = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=True)
        peaks.append(int(ran.stdout))
    assert (tmp_path / "out").stat().st_size > 40_000_000
    assert peaks[1] - peaks[0] < 25_000, "kilobytes; all at once would take more than 48,000"


# erase


@pytest.mark.parametrize(
    ("words", "left"),
    [(["--all"], []), (["--before", "1h"], [*range(3, 33)]), (["--since", "1h"], [0, 1, 2])],
)
def test_erase(varied: Path, run: Run, words: list[str], left: list[int]) -> None:
    code, output, _ = run("erase", *words, "--yes")
    assert (code, output) == (0, f"Erased {33 - len(left)} observations from {varied}.\n")
    assert numbers(varied) == left
    assert (b"rtsp://garden" in varied.read_bytes()) == (1 in left)


@pytest.mark.parametrize(
    ("answer", "code", "left"), [("n\n", 1, 33), ("\n", 1, 33), ("y\n", 0, 0)], ids=["no", "nothing", "yes"]
)
def test_erase_asks_on_a_terminal(varied: Path, answer: str, code: int, left: int) -> None:
    controller, terminal = pty.openpty()
    script = (
        "import argparse, sys\nfrom edge.commands import log\n"
        "parser = argparse.ArgumentParser(); log.add_arguments(parser)\n"
        "sys.exit(log.run(parser.parse_args(sys.argv[1:])))"
    )
    words = ["erase", "--all", "--journal", str(varied)]
    try:
        os.write(controller, answer.encode())
        ran = subprocess.run(
            [sys.executable, "-c", script, *words], stdin=terminal, capture_output=True, text=True, check=False
        )
    finally:
        os.close(controller)
        os.close(terminal)
    assert ran.returncode == code, ran.stderr
    assert f"Erase all observations in {varied} for good? [y/N]" in ran.stdout
    assert len(numbers(varied)) == left


# events


@pytest.fixture
def eventful(path: Path) -> Path:
    with Journal(path) as journal:
        journal.event("start", "affect-edge 1.0")
        journal.event("fault", "camera /dev/video0: no frame for 20 s\x1b[2J")
        journal.event("restart", "camera")
        journal.add(observation())
    return path


def test_events_as_a_table(eventful: Path, run: Run) -> None:
    code, output, errors = run("events")
    assert (code, errors) == (0, "")
    header, *rows = output.splitlines()
    assert header.split() == ["time", "event", "detail"]
    assert [row[19:].split(maxsplit=1) for row in rows] == [
        ["start", "affect-edge 1.0"],
        ["fault", "camera /dev/video0: no frame for 20 s?[2J"],
        ["restart", "camera"],
    ]
    assert abs(datetime.strptime(rows[0][:19], "%Y-%m-%d %H:%M:%S").timestamp() - time.time()) < 120


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ["start", "fault", "restart"]),
        (["--limit", "1"], ["restart"]),
        (["--kind", "fault"], ["fault"]),
        (["--kind", "smell"], []),
        (["--since", "1h"], ["start", "fault", "restart"]),
        (["--until", "1h"], []),
    ],
)
def test_events_as_json_lines(eventful: Path, run: Run, words: list[str], expected: list[str]) -> None:
    code, output, _ = run("events", *words, "--json")
    events = [json.loads(line) for line in output.splitlines()]
    assert code == 0
    assert [event["kind"] for event in events] == expected
    for event in events:
        assert set(event) == {"id", "session", "boot_id", "wall_time", "monotonic_time", "kind", "detail"}


def test_the_latest_twenty_events(path: Path, run: Run) -> None:
    with Journal(path) as journal:
        for number in range(30):
            journal.event("fault", str(number))
    assert [line.split()[-1] for line in run("events")[1].splitlines()[1:]] == [str(n) for n in range(10, 30)]
    assert len(run("events", "--limit", "0")[1].splitlines()) == 31


# backup


def test_backup(varied: Path, run: Run, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    code, output, errors = run("backup", str(target))
    assert (code, errors) == (0, "")
    assert output == f"{varied} copied to {target} and checked: {target.stat().st_size / 1e6:.1f} MB\n"
    assert numbers(target) == numbers(varied)
    assert cli.main(["log", "--journal", str(target)]) == 0


@pytest.mark.parametrize("name", ["absent/copy.db", "journal.db", ""])
def test_backup_to_where_it_cannot_go(varied: Path, run: Run, tmp_path: Path, name: str) -> None:
    before = varied.read_bytes()
    code, output, errors = run("backup", str(tmp_path / name))
    assert (code, output) == (1, "")
    assert errors.startswith(f"affect-edge log: error: {tmp_path / name}: ")
    assert errors.count("\n") == 1
    assert varied.read_bytes() == before


# damage


def test_what_can_be_read_of_a_damaged_journal_is_shown(path: Path, run: Run, tmp_path: Path) -> None:
    fill(path, [observation(number) for number in range(5000)])
    with path.open("r+b") as stream:
        stream.seek(path.stat().st_size // 4096 // 2 * 4096)
        stream.write(b"\xa5" * 4096)
    code, output, errors = run("--limit", "0", "--json")
    assert code == 1
    shown = [round(json.loads(line)["monotonic_time"] / 0.2) for line in output.splitlines()]
    assert shown == sorted(set(shown))
    assert 4900 < len(shown) < 5000
    assert errors == (
        f"affect-edge log: error: {path}: damaged: what stood in 1 place is left out; sqlite3 '{path}' .recover may "
        "find more\n"
    )
    target = tmp_path / "out.jsonl"
    code, _, errors = run("export", "--jsonl", str(target))
    assert (code, len(target.read_text().splitlines())) == (1, len(shown))
    assert "damaged: what stood in 1 place is left out" in errors
    code, _, errors = run("backup", str(tmp_path / "copy.db"))
    assert code == 1
    assert "the journal is damaged" in errors


def test_erasing_tells_of_what_was_set_aside(path: Path, run: Run) -> None:
    path.write_text("not a journal " * 100)
    with Journal(path, set_aside=True) as journal:
        journal.add(observation())
    (kept,) = path.parent.glob("*.corrupt-*")
    code, _, errors = run("erase", "--all", "--yes")
    assert code == 0
    assert errors == f"Not erased: what is in {kept}; delete them to be rid of it.\n"
    assert kept.exists()


# wrong usage


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["erase"], "erase needs either --all"),
        (["erase", "--all", "--since", "1h", "--yes"], "erase needs either --all"),
        (["erase", "--label", "happy", "--all", "--yes"], "--label does not belong to 'erase'"),
        (["erase", "--all"], "--yes where nobody can be asked"),
        (["--since", "1h", "--until", "2h"], "--since must be before --until"),
        (["--csv", "x"], "--csv does not belong to 'query'"),
        (["export"], "export needs --csv FILE or --jsonl FILE"),
        (["export", "--csv", "a", "--jsonl", "b"], "not allowed with argument"),
        (["summary", "--limit", "3"], "--limit does not belong to 'summary'"),
        (["summary", "--gap", "0"], "not a number of seconds above 0"),
        (["--limit", "-1"], "argument --limit"),
        (["--limit", "many"], "'many' is not a count"),
        (["--modality", "smell"], "invalid choice"),
        (["delete"], "invalid choice"),
        (["backup"], "backup needs a FILE"),
        (["backup", "a", "b"], "unrecognized arguments: b"),
        (["backup", "a", "--since", "1h"], "--since does not belong to 'backup', which takes only --journal"),
        (["erase", "x", "--all", "--yes"], "'erase' takes no FILE: x"),
        (["query", "x"], "'query' takes no FILE: x"),
        (["events", "--label", "happy"], "--label does not belong to 'events'"),
        (["--kind", "fault"], "--kind does not belong to 'query'"),
    ],
)
def test_options_that_do_not_go_together(
    varied: Path, run: Run, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    code, output, errors = run(*words)
    assert (code, output) == (2, "")
    assert message in errors
    assert len(numbers(varied)) == 33, "something was erased"


def test_an_unknown_label_is_told_with_those_there_are(varied: Path, run: Run) -> None:
    code, _, errors = run("--label", "hapy")
    assert code == 1
    assert errors.count("\n") == 1
    assert "no label 'hapy' here; it has angry, disgust, fear, happy, sad, surprise, neutral, unsure" in errors


def test_voices_stand_beside_faces(path: Path, run: Run) -> None:
    said = {"calm": 0.7, "happy": 0.2, NO_SPEECH: 0.1}
    fill(path, [observation(), Observation("speech", "USB Mic", 1e9, 0.0, "calm", 0.7, said)])
    _, output, _ = run()
    assert output.splitlines()[-1].split()[2:] == ["calm", "0.70", "-", "speech", "USB", "Mic"]
    assert len(run("--modality", "speech")[1].splitlines()) == 2
    # What is never observed is no label to ask for.
    code, _, errors = run("--label", NO_SPEECH)
    assert code == 1
    assert errors.endswith("surprise, neutral, calm, unsure\n")


@pytest.mark.parametrize(
    "words", [[], ["summary"], ["export", "--csv", "-"], ["erase", "--all", "--yes"], ["events"], ["backup", "x"]]
)
def test_no_journal(path: Path, run: Run, words: list[str]) -> None:
    code, output, errors = run(*words)
    assert (code, output) == (1, "")
    assert errors == (
        f"affect-edge log: error: {path}: no journal here; `affect-edge run` writes one, or name another with "
        "--journal\n"
    )
    assert not path.exists()


def test_an_empty_journal(path: Path, run: Run, tmp_path: Path) -> None:
    fill(path, [])
    assert run()[1].splitlines()[1:] == []
    assert run("summary")[1] == "No observations.\n"
    assert run("export", "--csv", str(tmp_path / "x.csv"))[0] == 0
    assert (tmp_path / "x.csv").read_text().count("\n") == 1
    assert run("erase", "--all", "--yes")[1] == f"Erased 0 observations from {path}.\n"


def test_the_help_teaches(run: Run) -> None:
    code, output, _ = run("--help")
    assert code == 0
    for word in ("summary", "export", "erase", "--since", "--changes", "affect-edge log erase --all --yes"):
        assert word in output
