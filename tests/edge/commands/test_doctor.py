from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import pytest

from edge.commands import doctor
from edge.config import CONFIG_VARIABLE


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, models_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    doctor.add_arguments(parser)
    return doctor.run(parser.parse_args(words))


def test_a_machine_that_has_all_is_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] is True
    topics = list(dict.fromkeys(check["topic"] for check in answer["checks"]))
    expected = ["machine", "packages", "runtimes", "models", "cameras", "microphones", "configuration", "journal"]
    assert topics[: len(expected)] == expected
    assert set(answer["checks"][0]) == {"topic", "name", "state", "detail", "mend"}
    # It looks and leaves nothing behind.
    assert not (tmp_path / "state").exists()


def test_what_fails_is_told_with_its_mend(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "config" / "affect-edge" / "config.toml"
    broken.parent.mkdir(parents=True)
    broken.write_text("[camera]\nzoom = 2\n")
    (tmp_path / "models" / "expression" / "expression.tflite").write_bytes(b"")
    assert run() == 1
    text = capsys.readouterr().out
    assert f"fail  file: {broken}:2: camera.zoom: unknown key" in text
    assert "mend: correct the file" in text
    assert "fail  expression/expression:" in text
    assert "ok    numpy:" in text
    assert text.splitlines()[-1].startswith("2 failed")


def test_where_text_comes_from_is_looked_at(
    tmp_path: Path, text_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config" / "affect-edge" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f"text.source = '{tmp_path}/transcripts.fifo'\n")
    assert run() == 1
    assert f"fail  source: there is no {tmp_path}/transcripts.fifo\n        mend: mkfifo" in capsys.readouterr().out
    os.mkfifo(tmp_path / "transcripts.fifo")
    assert run("--json") == 0
    checks = json.loads(capsys.readouterr().out)["checks"]
    found = [check for check in checks if check["topic"] == "text" or check["name"] == "text"]
    assert [(check["topic"], check["name"], check["state"]) for check in found] == [
        ("models", "text", "ok"),
        ("text", "source", "ok"),
    ]
