"""The command as it is typed: real models, real loops, real signals."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edge.cli import main
from edge.commands.bench import INTERRUPTED
from tests.edge.audit import WATCHED

HEAVY = """
heavy = {"tensorflow", "keras", "librosa", "scipy", "matplotlib", "psutil", "jsonschema", "training"}
print("heavy", sorted(heavy & set(sys.modules)))
"""

BENCH = (sys.executable, "-m", "edge", "bench")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str, str]:
    """A quick run of nearly everything: its JSON, its table, and what it opened, as the audit hook saw it."""
    file = tmp_path_factory.mktemp("bench") / "a.json"
    parts = ["models", "camera", "microphone", "start"]
    child = subprocess.run(
        [
            sys.executable,
            "-c",
            WATCHED + HEAVY,
            "bench",
            "--quick",
            "--threads",
            "1",
            "--json",
            str(file),
            "--only",
            *parts,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    table, _, opened = child.stdout.rpartition("code ")
    return json.loads(file.read_text()), table, opened


def test_its_json_is_as_the_schema_says(
    measured: tuple[dict[str, Any], str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="the dev extra is not installed")
    assert main(["bench", "--schema"]) == 0
    jsonschema.Draft202012Validator(json.loads(capsys.readouterr().out)).validate(measured[0])


def test_it_measures_what_it_says(measured: tuple[dict[str, Any], str, str]) -> None:
    found, table, _ = measured
    assert found["not_measured"] == []
    assert not found["interrupted"]
    cpu = [row for row in found["models"] if row["accelerator"] == "cpu"]
    assert {"expression/expression", "face-detection/face_near", "speech-emotion/speech", "traits/traits"} <= {
        row["model"] for row in cpu
    }
    for row in cpu:
        assert 0 < row["min_ms"] <= row["p50_ms"] <= row["p90_ms"] <= row["p99_ms"]
        assert row["rounds"] == 2
    # A search and an expression for a frame in which faces are searched for, an expression in the others.
    camera = found["camera"]
    assert camera["back_to_back"]["invocations"] == pytest.approx(camera["searched"] + camera["observed"], abs=0.1)
    assert camera["back_to_back"]["mean_ms"] > camera["back_to_back"]["models_ms"] > 0
    assert camera["back_to_back"]["overhead"] > 0
    assert camera["paced"]["due"] >= camera["paced"]["missed"] >= 0
    # The encoder and the head.
    microphone = found["microphone"]
    assert microphone["back_to_back"]["invocations"] == pytest.approx(2.0)
    assert microphone["ms_a_second"] > microphone["silence_ms_a_second"] > 0
    for loop in (camera, microphone):
        memory = loop["memory"]
        assert memory["start_mb"] < memory["loaded_mb"] <= memory["peak_mb"] >= memory["after_mb"]
    assert found["start"]["first_s"] > 0
    assert "Models, ms" in table


def test_what_the_machine_lacks_is_told(measured: tuple[dict[str, Any], str, str]) -> None:
    found, table, _ = measured
    told = {entry["what"] for entry in found["absent"]}
    assert found["energy"] or {"energy: INA sensors", "energy: RAPL"} <= told
    for entry in found["absent"]:
        assert entry["reason"] in table


def test_it_opens_no_socket_writes_only_the_named_file_and_imports_nothing_heavy(
    measured: tuple[dict[str, Any], str, str],
) -> None:
    code, *opened, heavy = measured[2].splitlines()
    assert (code, heavy) == ("0", "heavy []")
    # The file comes to be under another name, and is then given its own.
    assert [line for line in opened if not line.startswith("open /dev/null") and "a.json" not in line] == []


def test_ctrl_c_midway_keeps_what_was_measured(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    command = [*BENCH, "-v", "--quick", "--threads", "1", "--only", "models", "microphone", "--json", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("measures: microphone"):
                break
        process.send_signal(signal.SIGINT)
        table, _ = process.communicate(timeout=120)
    assert process.returncode == INTERRUPTED
    found = json.loads(file.read_text())
    assert found["interrupted"]
    assert len(found["models"]) == 7
    missing = {entry["what"]: entry["reason"] for entry in found["not_measured"]}
    assert missing.items() >= {"microphone: at its pace": "interrupted"}.items()
    assert "microphone: at its pace: interrupted" in table


def test_compares_two_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.edge.bench.documents import document

    old, new, bad = (tmp_path / name for name in ("old.json", "new.json", "bad.json"))
    old.write_text(document().model_dump_json(by_alias=True))
    new.write_text(document(start=None).model_dump_json(by_alias=True))
    bad.write_text("{")
    assert main(["bench", "--compare", str(old), str(new)]) == 0
    assert "Only in the old run:" in capsys.readouterr().out
    assert main(["bench", "--compare", str(old), str(new), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["only_old"]
    assert main(["bench", "--compare", str(old), str(bad)]) == 1
    assert f"{bad}: no JSON" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["--json", "--markdown"], 2, "standard output"),
        (["--json", "/nowhere/a.json"], 1, "its folder does not exist"),
        (["--plot", "/"], 1, "is a folder"),
        (["--config", "/nowhere/config.toml"], 78, "config.toml"),
    ],
)
def test_what_would_fail_at_the_end_fails_at_once(
    arguments: list[str], code: int, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *arguments]) == code
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--threads", "0"], ["--minutes", "-1"], ["--only", "dance"]])
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["bench", *arguments])
    assert ended.value.code == 2


def test_its_help_teaches_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bench", "--help"])
    assert "affect-edge bench --quick" in capsys.readouterr().out
