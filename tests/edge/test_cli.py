from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edge.cli import main

COMMANDS = (
    "analyze",
    "bench",
    "convert",
    "doctor",
    "evaluate",
    "log",
    "models",
    "run",
    "service",
    "status",
    "text",
    "train",
    "validate-config",
)


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert all(f"\n    {command}" in printed for command in COMMANDS)
    assert "prohibited" in printed


@pytest.mark.parametrize("command", COMMANDS)
def test_each_commands_help_teaches_with_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"affect-edge {command}" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["dance"], ["run", "--duration", "soon"], ["run", "--duration", "-1"]])
def test_wrong_usage_exits_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_an_error_is_one_line_and_its_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[camera]\nfpss = 3\n")
    assert main(["run", "--config", str(config)]) == 78
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert f"{config}:2: camera.fpss" in error


def test_the_runtime_imports_nothing_heavy(models_folder: Path, tmp_path: Path) -> None:
    """What runs on the device is NumPy, OpenCV, LiteRT and pydantic, also where much more is installed."""
    script = (
        "import sys; from edge.cli import main;"
        "code = main(['run', '--source', 'demo', '--duration', '0.3', '--journal', sys.argv[1]]);"
        "heavy = {'tensorflow', 'keras', 'tf_keras', 'torch', 'librosa', 'numba', 'scipy', 'sklearn', 'matplotlib', "
        "'training', 'converter'} & set(sys.modules);"
        "print(code, sorted(heavy))"
    )
    child = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "journal.db")], capture_output=True, text=True, check=True
    )
    assert child.stdout.splitlines()[-1] == "0 []"
    assert models_folder.is_dir()
