from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from edge.commands import validate_config
from edge.commands.validate_config import as_template
from edge.config import CONFIG_VARIABLE, Config, load_config, parse_config, settings


@pytest.fixture(autouse=True)
def no_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    validate_config.add_arguments(parser)
    return validate_config.run(parser.parse_args(words))


def test_says_which_file_is_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "xdg" / "affect-edge" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text("camera.fps = 5")
    assert run() == 0
    assert capsys.readouterr().out == f"{path}: ok\n"


def test_prints_every_error_and_exits_with_78(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[camera]\nfps = 0\nzoom = 1\n")
    assert run(str(path)) == 78
    printed = capsys.readouterr()
    assert printed.out == ""
    first, second = printed.err.splitlines()
    assert first.startswith(f"{path}:2: camera.fps: 0 is not allowed")
    assert second.startswith(f"{path}:3: camera.zoom: unknown key")
    assert run(str(path), "--show") == 78
    assert capsys.readouterr().out == ""


def test_json_holds_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "c.toml"
    path.write_text("[camera]\nfps = 0\n")
    assert run(str(path), "--json") == 78
    answer = json.loads(capsys.readouterr().out)
    assert (answer["file"], answer["ok"], answer["config"]) == (str(path), False, None)
    assert [(error["line"], error["key"]) for error in answer["errors"]] == [(2, "camera.fps")]
    path.write_text("[camera]\nfps = 7\n")
    assert run(str(path), "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["ok"], answer["errors"], answer["config"]["camera"]["fps"]) == (True, [], 7)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "journal.path = '/some where/j.db'\nsmoothing.unsure_below = 0.4",
        r'camera.source = "C:\\a \"b\" é"' + "\njournal.max_age_days = 1e-3\nsmoothing.half_life = 2",
    ],
)
def test_what_it_shows_reads_back_to_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text)
    assert run(str(path), "--show") == 0
    shown = tmp_path / "shown.toml"
    shown.write_text(capsys.readouterr().out)
    assert load_config(shown).model_dump() == load_config(path).model_dump()


def test_the_template_explains_every_setting() -> None:
    text = as_template(Config())
    words = " ".join(line.removeprefix("# ") for line in text.splitlines())
    for setting in settings():
        assert setting.description in words
        assert f"{setting.key} =" in text
    # What is left out is shown as a remark; with a value in its place it is a setting.
    assert "\n# path =\n" in text
    assert parse_config(text.replace("# path =", "path = '/j.db'"), Path("c")).journal.path == Path("/j.db")
    assert max(len(line) for line in text.splitlines()) <= 110
