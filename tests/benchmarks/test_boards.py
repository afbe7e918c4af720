"""The page of measured boards is made of the committed files, and takes no others than whole runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import boards
from benchmarks.instructions import EXPECTED
from benchmarks.pages import BEGIN, END
from edge.errors import DataError
from tests.edge.bench.documents import document

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"


def test_the_page_is_made_of_the_files() -> None:
    text = PAGE.read_text()
    between = text[text.index(BEGIN) + len(BEGIN) : text.index(END)]
    assert between.strip() == boards.page().strip(), "python -m benchmarks.boards --write docs/benchmarks.md"


def test_every_committed_file_is_a_whole_run() -> None:
    for file, found in boards.results():
        assert boards.unfit(found) == [], file.name


def test_every_file_is_a_row(tmp_path: Path) -> None:
    for name in ("one.json", "two.json"):
        (tmp_path / name).write_text(document().model_dump_json(by_alias=True))
    table = boards.measured(boards.results(tmp_path))
    for name in ("one.json", "two.json"):
        assert table.count(f"results/{name})") == 1
        assert f"- {name}: " in table
    assert "| 2.50 |" in table  # back to back, a frame
    assert "| 1 of 31 |" in table
    assert boards.measured([]) == "Nobody has sent a measured board yet."


def test_a_projection_is_instructions_by_clock(tmp_path: Path) -> None:
    counts = {"frame": 3_600_000, "frame, without models": 600_000, "traits/traits": 1800}
    file = tmp_path / "counts.json"
    file.write_text(json.dumps({"instructions": {"cortex-a72": counts, "cortex-a76": counts}}))
    lines = boards.projected(file).splitlines()
    assert "| frame | 3.60 | 1.00 to 2.00 | 20% | 3.60 | 0.75 to 1.50 | 20% |" in lines
    assert "| traits/traits | 0.00 | 0.00 to 0.00 |  | 0.00 | 0.00 to 0.00 |  |" in lines
    assert not any(line.startswith("| frame, without") for line in lines)


@pytest.mark.parametrize("content", ["", "{}", '{"instructions": {"cortex-a72": {}}}'])
def test_counts_that_cannot_be_read(tmp_path: Path, content: str) -> None:
    file = tmp_path / "counts.json"
    file.write_text(content)
    with pytest.raises(DataError, match=r"counts\.json: cannot be read"):
        boards.projected(file)


def test_the_committed_counts_can_be_projected() -> None:
    assert boards.projected(EXPECTED).startswith("| | Raspberry Pi 4")


def test_a_run_that_is_not_whole_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = json.loads(document().model_dump_json(by_alias=True))
    content["protocol"]["quick"] = content["interrupted"] = False
    content["not_measured"] = []
    file = tmp_path / "run.json"
    file.write_text(json.dumps(content))
    assert boards.main(["--check", str(file)]) == 0
    assert "can be sent" in capsys.readouterr().out
    content["protocol"]["quick"] = content["interrupted"] = True
    content["machine"]["emulator"] = "qemu-aarch64"
    content["camera"] = None
    content["not_measured"] = [{"what": "camera", "reason": "interrupted"}]
    file.write_text(json.dumps(content))
    assert boards.main(["--check", str(file)]) == 1
    told = capsys.readouterr().err
    for problem in ("--quick", "interrupted", "emulated by qemu-aarch64", "it lacks camera", "camera was not measured"):
        assert problem in told


def test_a_broken_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    assert boards.main(["--check", str(broken)]) != 0
    assert "broken.json: no JSON" in capsys.readouterr().err
