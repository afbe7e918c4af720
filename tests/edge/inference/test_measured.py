from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.inference.measured import Measured, Measurement, cache_folder, machine, recall, remember

FOUND = Measurement(2.5, {"GPU": Measured(1.25, "Orin"), "CUDA": Measured(None, error="no driver")})


def test_remembers_what_was_measured_on_this_machine(tmp_path: Path) -> None:
    assert recall("ab", 1, "here") is None
    remember("ab", 1, "here", FOUND)
    assert recall("ab", 1, "here") == FOUND
    assert [recall(*key) for key in (("ab", 2, "here"), ("cd", 1, "here"), ("ab", 1, "elsewhere"))] == [None] * 3
    # What is newer takes the place of what is older; other models stay.
    remember("cd", 1, "here", FOUND)
    remember("ab", 1, "elsewhere", FOUND)
    assert recall("ab", 1, "here") is None
    assert recall("ab", 1, "elsewhere") == recall("cd", 1, "here") == FOUND
    assert [path.name for path in (tmp_path / "cache/affect-edge").iterdir()] == ["accelerators.json"]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"schema": 2}', '{"schema": 1, "models": []}', '{"schema": 1, "models": {"ab 1": 3}}']
    + [
        json.dumps({"schema": 1, "models": {"ab 1": {"machine": "here", **broken}}})
        for broken in ({}, {"ways": [], "cpu_milliseconds": 1}, {"ways": {"GPU": {"ms": 1}}, "cpu_milliseconds": 1})
    ],
)
def test_a_damaged_file_counts_as_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / "cache/affect-edge/accelerators.json"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    assert recall("ab", 1, "here") is None
    remember("ab", 1, "here", FOUND)
    assert recall("ab", 1, "here") == FOUND


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with caplog.at_level("INFO"):
        remember("ab", 1, "here", FOUND)
    assert "the next start measures again" in caplog.text
    assert recall("ab", 1, "here") is None


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"CACHE_DIRECTORY": "/var/cache/a:/var/cache/b", "STATE_DIRECTORY": "/var/lib/a"}, "/var/cache/a"),
        ({"STATE_DIRECTORY": "/var/lib/a"}, "/var/lib/a"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/affect-edge"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/home/pi"}, "/home/pi/.cache/affect-edge"),
    ],
)
def test_where_it_lies(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path(expected)


def test_another_driver_or_runtime_is_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    first = machine({"runtime": "litert 2.1.0"})
    assert machine({"runtime": "litert 2.1.0"}) == first
    assert machine({"runtime": "litert 2.3.0"}) != first
    monkeypatch.setenv("VK_DRIVER_FILES", "/other/icd.json")
    assert machine({"runtime": "litert 2.1.0"}) != first
