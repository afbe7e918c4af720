"""What is compared, where it is found, what is said of what is not, and the command itself. No test looks at a time."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.fetching import UnavailableError
from benchmarks.peers import accuracy, environments, inputs, page, report
from benchmarks.peers.__main__ import chosen, main
from benchmarks.peers.catalogue import SYSTEMS
from benchmarks.peers.places import Absent, Folders, PeerError, Ready, place
from benchmarks.peers.process import Item
from benchmarks.peers.rounds import Run, measure
from benchmarks.peers.system import BASELINES, ENVIRONMENTS, HERE, JOBS, PeerFile, System

# They wait for the CPU when the machine is busy.
pytestmark = pytest.mark.timeout(900)

BY_NAME = {system.name: system for system in SYSTEMS}
YUNET = BY_NAME["YuNet"]


def with_file(data: bytes, folder: Path, *, listed: bytes | None) -> System:
    """YuNet with a file of one's own; `listed` is what its hash is of."""
    (folder / "yunet.onnx").write_bytes(data)
    sha256 = None if listed is None else hashlib.sha256(listed).hexdigest()
    size = None if listed is None else len(listed)
    return replace(
        YUNET,
        files=(PeerFile("yunet.onnx", "https://example.org/zoo", sha256, size),),
        adapter="opencv_yunet.py",
    )


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_every_system_has_what_is_to_be_said_of_it(system: System) -> None:
    folder = HERE if system.environment == "face-api" else HERE / "adapters"
    assert (folder / system.adapter).is_file()
    assert system.environment in ENVIRONMENTS
    assert BY_NAME[BASELINES[system.job]].ours
    assert all((system.what, system.licence, system.trained_on, system.on_test_data))
    assert system.ours or system.origin
    for file in system.files:
        assert file.origin
        assert file.sha256 is None or re.fullmatch("[0-9a-f]{64}", file.sha256)


def test_the_systems_that_were_asked_for_are_all_there() -> None:
    assert len(BY_NAME) == len(SYSTEMS)
    names = " ".join(BY_NAME)
    for word in ("Haar", "mini_XCEPTION", "big_XCEPTION", "BlazeFace", "Landmarker", "face-api.js", "YuNet"):
        assert word in names
    for word in ("librosa", "TF-IDF", "EmotiEffLib", "DeepFace"):
        assert word in names
    assert {system.job for system in SYSTEMS} == JOBS.keys()


def test_ours_are_measured_beside_whatever_is_chosen() -> None:
    assert [system.name for system in chosen(["haar"])] == ["affect-edge detector", "OpenCV Haar"]
    assert {"affect-edge", "MediaPipe Face Mesh"} <= {system.name for system in chosen(["mesh"])}
    with pytest.raises(PeerError, match="no system is called 'openface'"):
        chosen(["openface"])


def test_an_absent_file_is_told_with_where_to_put_it(tmp_path: Path) -> None:
    for folders in (Folders(), Folders(files=tmp_path)):
        found = place(YUNET, folders)
        assert isinstance(found, Absent)
        assert not found.refused
        for word in ("face_detection_yunet_2023mar.onnx", YUNET.files[0].sha256, "opencv_zoo", "--files"):
            assert str(word) in found.reason


def test_an_absent_package_is_told_with_what_makes_its_environment(tmp_path: Path) -> None:
    system = replace(BY_NAME["DeepFace"], module="a_package_that_nobody_has")
    found = place(system, Folders(environments=tmp_path))
    assert isinstance(found, Absent)
    assert "python -m benchmarks.peers.environments DIR deepface" in found.reason
    # What is told may go into a page for others.
    assert str(tmp_path) not in found.reason


def test_a_file_that_is_the_listed_one_is_used(tmp_path: Path) -> None:
    found = place(with_file(b"weights", tmp_path, listed=b"weights"), Folders(files=tmp_path))
    assert isinstance(found, Ready)
    assert found.files[0].listed is True
    assert found.files[0].bytes == 7


@pytest.mark.parametrize("data", [b"weight", b"WEIGHTS"], ids=["cut short", "another"])
def test_a_file_that_is_not_the_listed_one_is_refused(tmp_path: Path, data: bytes) -> None:
    found = place(with_file(data, tmp_path, listed=b"weights"), Folders(files=tmp_path))
    assert isinstance(found, Absent)
    assert found.refused
    assert str(tmp_path / "yunet.onnx") in found.reason
    assert hashlib.sha256(data).hexdigest()[:12] in found.reason
    assert ("6 bytes of 7" in found.reason) == (len(data) == 6)


def test_a_damaged_file_without_a_listed_hash_fails_alone(tmp_path: Path) -> None:
    damaged = place(with_file(b"no weights", tmp_path, listed=None), Folders(files=tmp_path))
    haar = place(BY_NAME["OpenCV Haar"], Folders())
    if isinstance(haar, Absent):
        pytest.skip(haar.reason)
    assert isinstance(damaged, Ready)
    assert damaged.files[0].listed is None
    item = Item.frame(np.zeros((120, 160, 3), np.uint8), 0.0)
    run = measure(
        [damaged, haar], {"detection": [item] * 3}, starts=1, rounds=2, warmup=1, threads=("one",), patience=300
    )
    assert run.systems["YuNet"].failure.startswith("starting: ended ")
    assert len(run.systems["OpenCV Haar"].seconds["one"]) == 2
    found = report.results([damaged, haar], [], run, {}, {"rounds": 2, "warmup": 1, "starts": 1}, NO_INPUTS, None)
    status = {row["name"]: row["status"] for row in found["systems"]}
    # Only one of the two ways was asked for.
    assert status == {"YuNet": "failed", "OpenCV Haar": "interrupted"}
    assert "YuNet: failed: starting: ended" in report.table(found)


NO_INPUTS: dict[str, Any] = {"inputs": {}, "fitted": ""}


def row(name: str, ms: float, mb: float, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "job": "detection",
        "status": "measured",
        "reason": "",
        "threads": {
            "shipped": {
                "milliseconds": {"mean": ms, "p5": ms, "median": ms, "p95": ms},
                "a_second": round(1000 / ms, 1),
                "cpu_milliseconds": ms,
                "answered": 1.0,
                "peak_mb": mb,
                "threads": 1,
            }
        },
        "start": {"seconds": {"median": mb / 100}, "cpu_seconds": {"median": mb / 200}},
        "disk": {"mb": mb * 2, "versions": {}},
        **more,
    }


def test_ratios_are_to_affect_edge() -> None:
    ours, theirs = row("affect-edge detector", 2.0, 100.0), row("a peer", 50.0, 250.0)
    assert report.ratios(theirs, ours) == {
        "ms shipped": 25.0,
        "cpu shipped": 25.0,
        "peak": 2.5,
        "start": 2.5,
        "start cpu": 2.5,
        "disk": 2.5,
    }
    assert set(report.ratios(ours, ours).values()) == {1.0}
    assert report.ratios(theirs, None) == {}
    del theirs["disk"], theirs["start"], theirs["threads"]["shipped"]["peak_mb"]
    assert report.ratios(theirs, ours).keys() == {"ms shipped", "cpu shipped"}


def document(*rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    for each in rows:
        each["ratios"] = report.ratios(each, rows[0])
        each |= {"what": "it", "origin": "", "licence": "MIT", "trained_on": "x", "on_test_data": "no", "files": []}
    return {
        "protocol": {
            "rounds": 2,
            "warmup": 1,
            "starts": 1,
            "inputs": {"frames": "a scene"},
            "fitted": "",
            "jobs": dict(JOBS),
            "baselines": dict(BASELINES),
        },
        "systems": list(rows),
        "interrupted": "",
        "accuracy": None,
        **more,
    }


ENVIRONMENT = {
    "cpu": "a CPU",
    "cores": 2,
    "board": None,
    "system": "Linux",
    "load_average": 0.0,
    "affect_edge": "1",
    "python": "3",
    "numpy": "2",
    "opencv": "4",
    "runtime": "litert",
}


def test_a_page_keeps_what_people_wrote(tmp_path: Path) -> None:
    path = tmp_path / "peers.md"
    path.write_text(f"# Peers\n\n{page.BEGIN}\nthe old table\n{page.END}\n\nthe end\n")
    absent = {"name": "YuNet", "job": "detection", "status": "absent", "reason": "needs a | b", "threads": {}}
    found = document(row("affect-edge detector", 2.0, 100.0), row("a peer", 50.0, 250.0), absent)
    page.write(path, found, ENVIRONMENT)
    text = path.read_text()
    assert text.startswith("# Peers\n")
    assert text.endswith("\n\nthe end\n")
    assert "the old table" not in text
    line = next(line for line in text.splitlines() if line.startswith("| a peer"))
    assert [cell.strip() for cell in line.split("|")[2:]][:5] == ["20", "50.00", "50.00", "50.00", "25x"]
    assert "- YuNet: **absent**: needs a / b" in text
    # A second writing changes nothing.
    page.write(path, found, ENVIRONMENT)
    assert path.read_text() == text


@pytest.mark.parametrize("text", ["", "no marks", f"{page.END} {page.BEGIN}", page.BEGIN * 2 + page.END])
def test_a_page_without_its_marks_is_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "page.md"
    path.write_text(text)
    with pytest.raises(PeerError, match="lacks the marks"):
        page.write(path, document(row("affect-edge detector", 2.0, 100.0)), ENVIRONMENT)
    assert path.read_text() == text
    with pytest.raises(PeerError, match="No such file"):
        page.write(tmp_path / "none.md", document(row("affect-edge detector", 2.0, 100.0)), ENVIRONMENT)


def test_an_interrupted_run_says_so() -> None:
    found = document(row("affect-edge detector", 2.0, 100.0), interrupted="starting")
    assert "interrupted while starting" in report.table(found)
    assert "**Interrupted** while starting" in page.markdown(found, ENVIRONMENT)


def test_accuracy_counts_repeated_faces_apart() -> None:
    answers, labels = np.array([0, 0, 1, 1]), np.array([0, 0, 0, 1])
    scored = accuracy.score(answers, labels, np.array([True, False, False, False]))
    assert scored["accuracy"] == 0.75
    assert scored["balanced_accuracy"] == round((2 / 3 + 1) / 2, 4)
    assert scored["accuracy_without_repeated"] == round(2 / 3, 4)
    assert scored["interval"][0] < 0.75 < scored["interval"][1]


def test_frames_go_forth_and_back(figures: Callable[..., Any]) -> None:
    del figures  # skips where there is no demonstration
    _, items = inputs.frames(None, 7)
    _, few = inputs.frames(None, 4)
    assert [item.data for item in few] == [item.data for item in items[:4]]
    assert len({item.data for item in items}) == 7
    steps = np.diff([item.about["time"] for item in items])
    np.testing.assert_allclose(steps, 1 / 15)


def test_environments_are_pinned_and_nothing_is_overwritten(tmp_path: Path) -> None:
    for name, packages in ENVIRONMENTS.items():
        assert name == "affect-edge" or all("==" in each or "@" in each[1:] or "<" in each for each in packages)
        assert list(packages) == environments.commands(tmp_path / name, name)[-1][-len(packages) :]
    (tmp_path / "fer").mkdir()
    (tmp_path / "fer" / "thesis.txt").write_text("mine")
    with pytest.raises(UnavailableError, match="holds something else"):
        environments.make(tmp_path, "fer")
    assert (tmp_path / "fer" / "thesis.txt").read_text() == "mine"
    (tmp_path / "opencv").mkdir()
    (tmp_path / "opencv" / ".installed").touch()
    assert environments.make(tmp_path, "opencv") is False
    with pytest.raises(SystemExit):
        environments.main([str(tmp_path), "caffe"])


def test_an_environment_that_was_cut_short_is_not_used(tmp_path: Path) -> None:
    python = tmp_path / "opencv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    commands = []
    for _ in range(2):
        found = place(replace(BY_NAME["OpenCV Haar"], module="json", files=()), Folders(environments=tmp_path))
        assert isinstance(found, Ready)
        commands.append(found.command[0])
        (tmp_path / "opencv" / ".installed").touch()
    assert commands == [sys.executable, str(python)]


def test_the_program_for_node_is_sound() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    done = subprocess.run([node, "--check", str(HERE / "face_api_child.cjs")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_list_tells_of_all_systems(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    told = capsys.readouterr().out
    for system in SYSTEMS:
        assert f"{system.name} ({system.job})" in told
    assert told.count("trained on the test data:") == len(SYSTEMS)
    assert "ABSENT: " in told


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--files", "/nowhere"], "/nowhere: no such folder"),
        (["--only", "openface"], "no system is called 'openface'"),
        (["--only", "YuNet", "--video", __file__], "OpenCV reads no frame of it"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(arguments: list[str], word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*arguments, "--quick"]) == 1
    assert word in capsys.readouterr().err


def test_a_python_that_is_none_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    none = tmp_path / "python"
    none.write_text("#!/bin/sh\necho no >&2\nexit 3\n")
    none.chmod(0o755)
    assert main(["--only", "haar", "--python", f"opencv={none}", "--quick"]) == 1
    assert "is no Python that works: no" in capsys.readouterr().err
    for wrong in (f"caffe={none}", str(tmp_path / "missing")):
        with pytest.raises(SystemExit):
            main(["--python", wrong])


def test_the_command_measures_what_is_here_and_tells_of_the_rest(
    figures: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / "face_detection_yunet_2023mar.onnx").write_bytes(b"cut short")
    found = figures("peers", "--quick", "--only", "haar", "yunet", "--files", str(tmp_path))
    rows = {row["name"]: row for row in found["systems"]}
    assert rows["YuNet"]["status"] == "refused"
    assert "9 bytes of 232589" in rows["YuNet"]["reason"]
    ours, haar = rows["affect-edge detector"], rows["OpenCV Haar"]
    if haar["status"] == "absent":
        pytest.skip(haar["reason"])
    for measured_row in (ours, haar):
        assert measured_row["status"] == "measured", measured_row["reason"]
        for threads in ("shipped", "one"):
            assert measured_row["threads"][threads]["items"] == 4
            assert measured_row["threads"][threads]["answered"] > 0.7
        assert measured_row["start"]["runs"] == 2
        assert measured_row["disk"]["mb"] > 10
    assert set(ours["ratios"].values()) == {1.0}
    times = {"ms shipped", "ms one", "cpu shipped", "cpu one", "start", "start cpu"}
    assert haar["ratios"].keys() == times | {"peak", "disk"}
    assert haar["files"][0]["listed"] in (True, False)
    assert found["interrupted"] == ""


def test_help_names_what_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    for word in ("--environments", "--files", "--faces", "--write", "trained on"):
        assert word in told


def test_json_of_a_run_is_plain() -> None:
    haar = place(BY_NAME["OpenCV Haar"], Folders())
    if isinstance(haar, Absent):
        pytest.skip(haar.reason)
    found = report.results([haar], [], Run({}), {}, {"rounds": 1, "warmup": 1, "starts": 1}, NO_INPUTS, None)
    assert found["systems"][0]["status"] == "interrupted"
    assert "OpenCV Haar: interrupted: nothing of it was measured" in report.table(found)
    assert json.loads(json.dumps(found)) == found
