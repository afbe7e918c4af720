"""The gate on instruction counts: real counts on an emulated Arm processor. No test looks at a time."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

from benchmarks import aarch64_root, instructions, instructions_root
from benchmarks.fetching import UnavailableError
from benchmarks.instructions import EXPECTED, PATHS, QUICK, NotComparableError
from benchmarks.instructions_root import CHECKOUT, PINS, Mark
from edge.errors import ModelError
from edge.inference.catalog import list_models
from tests.benchmarks.conftest import Benchmark

# They wait for the CPU when the machine is busy.
pytestmark = pytest.mark.timeout(1800)

CPU = "cortex-a76"
VERSIONS = {"numpy": "2.0", "python": "3.11.2"}
EXPECTATION = {"versions": VERSIONS, "instructions": {CPU: {"frame": 1000, "sentence": 500}}}


@pytest.fixture(scope="module")
def root() -> Path:
    """The folder that the command builds and keeps; skips where it can be neither found nor built."""
    try:
        instructions_root.prepare()
    except UnavailableError as error:
        pytest.skip(str(error))
    return aarch64_root.DEFAULT


@pytest.fixture(scope="module")
def counted(root: Path) -> dict[str, Any]:
    """What this checkout counts to."""
    return instructions.measure(root, [CPU], QUICK, progress=False)


def test_no_count_is_beyond_the_expectation(counted: dict[str, Any]) -> None:
    """The gate. Where it fails: is the work that was added meant? Then `python -m benchmarks.instructions --write`."""
    try:
        ratios = instructions.compare(counted, instructions.read_expected(EXPECTED))
    except NotComparableError as error:
        pytest.skip(str(error))
    assert ratios[CPU].keys() == {*QUICK, "frame, without models", "hop, speech, without models"}
    assert {row: ratio for row, ratio in ratios[CPU].items() if instructions.verdict(ratio) == "more"} == {}


def test_more_work_in_a_frame_is_caught_and_no_other_row_moves(
    root: Path, counted: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "source"
    shutil.copytree(CHECKOUT / "edge", source / "edge", ignore=shutil.ignore_patterns("__pycache__"))
    (source / "models").symlink_to(CHECKOUT / "models")
    path = source / "edge" / "pipeline" / "faces.py"
    line = "        faces = self._follow(frame)\n"
    assert path.read_text().count(line) == 1
    path.write_text(path.read_text().replace(line, f"{line}        sum(range(10000))\n"))
    told = ["--root", str(root), "--cpu", CPU, "--source", str(source), "--expected", str(write(tmp_path, counted))]
    code = instructions.main([*told, "--row", "frame", "speech-encoder/speech", "--json"])
    ratios = json.loads(capsys.readouterr().out)["ratios"][CPU]
    assert code == 1
    assert instructions.verdict(ratios["frame"]) == "more"
    assert ratios["speech-encoder/speech"] == pytest.approx(1, abs=0.001)


def test_the_benchmark_works_on_arm(root: Path) -> None:
    """`affect-edge bench` there: its parts are processes that are emulated like itself."""
    with instructions_root.guest(root, CPU) as place:
        place.take_command()
        options = ["--quick", "--json", "--only", "models", "camera", "microphone", "--threads", "1"]
        done = place.run("-m", "edge", "bench", *options, "--python", shlex.join(place.command()))
    assert done.returncode == 0, done.stderr or done.stdout
    found = json.loads(done.stdout)
    jsonschema = pytest.importorskip("jsonschema", reason="the dev extra is not installed")
    schema = json.loads((CHECKOUT / "edge" / "bench" / "schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(found)
    assert found["not_measured"] == []
    assert {row["model"] for row in found["models"]} == {f"{each.task}/{each.name}" for each in installed()}
    assert "aarch64" in json.dumps(found["machine"])


def test_all_is_expected_on_both_processors() -> None:
    recorded = instructions.read_expected(EXPECTED)
    rows = {f"{each.task}/{each.name}" for each in installed()} | set(PATHS)
    for cpu in aarch64_root.BOARDS:
        assert recorded["instructions"][cpu].keys() >= rows
    assert {name: recorded["versions"][name] for name in PINS if name in recorded["versions"]}.items() <= PINS.items()


def installed() -> list[Any]:
    return list_models([CHECKOUT / "models"])


def results(frame: int, **others: Any) -> dict[str, Any]:
    return {
        "protocol": {"qemu": "0", "threads": 1, "tolerance": 0.01, "layouts": 0},
        "versions": VERSIONS,
        "instructions": {CPU: {"frame": frame}},
        "spreads": {},
        **others,
    }


def write(folder: Path, expectation: dict[str, Any]) -> Path:
    file = folder / "expected.json"
    file.write_text(json.dumps(expectation))
    return file


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The command without its board: what is appended is what it counts."""
    found: list[dict[str, Any]] = []
    monkeypatch.setattr(instructions_root, "prepare", lambda root: None)
    monkeypatch.setattr(instructions, "measure", lambda *arguments, **options: found.pop())
    return found


@pytest.mark.parametrize(
    ("counts", "code", "phrase"),
    [
        (results(1005), 0, "all within 1% of what is expected"),
        (
            results(1020),
            1,
            "cortex-a76, frame: 1.0200 times what is expected; is it meant? then record it with --write",
        ),
        (results(900), 0, "frame: 0.9000 times what is expected; record it, so that it stays so"),
        (results(9999, versions={**VERSIONS, "numpy": "2.1"}), 3, "not comparable: numpy: recorded with 2.0, here 2.1"),
    ],
)
def test_the_verdict(
    command: list[dict[str, Any]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    counts: dict[str, Any],
    code: int,
    phrase: str,
) -> None:
    command.append(counts)
    assert instructions.main(["--expected", str(write(tmp_path, EXPECTATION)), "--row", "frame"]) == code
    assert phrase in capsys.readouterr().out


def test_what_is_recorded_keeps_what_was_not_counted(command: list[dict[str, Any]], tmp_path: Path) -> None:
    file = write(tmp_path, EXPECTATION)
    command.append(results(1234))
    assert instructions.main(["--expected", str(file), "--row", "frame", "--write"]) == 0
    assert instructions.read_expected(file)["instructions"] == {CPU: {"frame": 1234, "sentence": 500}}
    # Of other versions nothing is kept.
    command.append(results(1234, versions={"numpy": "2.1"}))
    assert instructions.main(["--expected", str(file), "--row", "frame", "--write"]) == 0
    assert instructions.read_expected(file)["instructions"] == {CPU: {"frame": 1234}}


def test_no_expectation_is_not_a_pass(command: list[dict[str, Any]], tmp_path: Path) -> None:
    command.append(results(1000))
    assert instructions.main(["--expected", str(tmp_path / "none.json"), "--row", "frame"]) == 3


def test_a_count_is_what_lies_between_the_marks() -> None:
    rows = {"nothing": {"calls": 1, "runs": {}}, "frame": {"calls": 4, "runs": {"a/b": 2}}}
    marks = [Mark(n, 1) for n in (100, 110, 500, 910)]
    assert instructions._between(rows, marks) == {"frame": 100}
    assert instructions.with_rest({"frame": 100, "a/b": 30}, {"frame": {"a/b": 0.5}}) == {
        "frame": 100,
        "a/b": 30,
        "frame, without models": 85,
    }
    # What was not counted cannot be taken off.
    assert instructions.with_rest({"frame": 100}, {"frame": {"a/b": 0.5}}) == {"frame": 100}
    with pytest.raises(ModelError, match="something else asks for its priority"):
        instructions._between(rows, marks[1:])
    with pytest.raises(ModelError, match="the guest had 2 threads"):
        instructions._between(rows, [*marks[:3], Mark(910, 2)])


def test_a_guest_that_fails_tells_why(root: Path) -> None:
    with (
        instructions_root.guest(root, CPU) as place,
        pytest.raises(ModelError, match=r"cortex-a76: benchmarks\.nothing ended with code 1: .*No module named"),
    ):
        place.count("benchmarks.nothing", {})


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UnavailableError) as caught:
        instructions_root.prepare(tmp_path / "root")
    for part in ("apt install qemu-user;", "apt install gcc", "apt install mmdebstrap"):
        assert part in str(caught.value)


def test_bad_arguments_are_told(benchmark: Benchmark) -> None:
    done = benchmark("instructions", "--row", "unheard-of")
    assert done.returncode == 1
    assert "no row 'unheard-of'; there are: expression/expression; " in done.stderr
