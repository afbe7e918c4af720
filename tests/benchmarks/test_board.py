"""The pieces of the emulated board that are quickly tried: its files, its end and its summary. `make board` runs it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks import board, board_image, board_report, pages
from benchmarks.fetching import UnavailableError
from edge.cli import main
from edge.config import load_config
from edge.errors import DataError

MACHINE = {"cpu": "a processor", "cores": 2, "load_average": 1.5}

IMAGE = board_image.BoardImage(Path("/k"), Path("/i"), Path("/d"))


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """What a board leaves when all went well."""
    folder = tmp_path / "results"
    folder.mkdir()
    loop = {"state": "running", "restarts": 0, "source": "/dev/video0", "rate": 3.25}
    words = {
        "complete": "yes",
        "machine": "Linux 6.1.0 aarch64, 2 of 0xd08, Debian GNU/Linux 12 (bookworm)",
        "boot_seconds": "41.5",
        "install_seconds": "900",
        "sensing_seconds": "120",
        "held_before": "2",
        "held_paused": "0",
        "status_paused": "4",
        "resumed": "yes",
        "came_back": "yes",
        "kept": "7",
        "stop_seconds": "1",
        "stop_result": "success",
        "security": "→ Overall exposure level for affect-edge.service: 0.6 SAFE",
        "properties": "NRestarts=0\nMemoryCurrent=104857600\nCPUUsageNSec=5000000000",
        "status.json": json.dumps({"loops": {"camera": loop, "microphone": loop | {"source": "Loopback"}}}),
        "observations.jsonl": '{"modality": "face", "label": "happy"}\n' * 3
        + '{"modality": "speech", "label": "neutral"}\n',
        "summary.txt": "happy 3",
        "events.txt": "start",
        "journald.txt": "\n".join(f"line {number}" for number in range(40)),
    }
    for name, text in words.items():
        (folder / name).write_text(f"{text}\n")
    return folder


def test_what_it_left_is_told(left: Path) -> None:
    results = board_report.read(left) | {"seconds": 3000, "package": "affect-edge_1_arm64.deb", "cpu": "cortex-a72"}
    assert board_report.check(results) == []
    text = board_report.as_markdown(results, MACHINE)
    for told in (
        "| board | Linux 6.1.0 aarch64, 2 of 0xd08, Debian GNU/Linux 12 (bookworm); QEMU cortex-a72 |",
        "| camera | /dev/video0: running, 3.2 a second, begun anew 0 times |",
        "| observed | 3 of face (happy 3); 1 of speech (neutral 1) in 120 s |",
        "| memory of the service | 105 MB |",
        "| killed (SIGKILL) | came back: yes; records lost: 0 |",
        "| the whole run | 50 minutes |",
        "| failed | nothing |",
        "line 11\n...\nline 28\n",
    ):
        assert told in text


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("observations.jsonl", '{"modality": "face", "label": "happy"}', "nothing was observed of speech"),
        ("status.json", "", "the camera did not run"),
        ("held_before", "0", "nobody had the devices open"),
        ("held_paused", "1", "devices were open while it was paused: 1"),
        ("status_paused", "0", "did not tell the pause"),
        ("resumed", None, "it did not resume: None"),
        ("came_back", None, "it did not come back"),
        ("kept", "-2", "records were lost when it was killed: -2"),
        ("kept", None, "records were lost when it was killed: None"),
        ("stop_result", "timeout", "it did not stop cleanly: timeout"),
        ("journald.txt", "", "journald has nothing of it"),
    ],
)
def test_what_went_wrong_is_found(left: Path, name: str, content: str | None, problem: str) -> None:
    if content is None:
        (left / name).unlink()
    else:
        (left / name).write_text(content)
    results = board_report.read(left) | {"seconds": 1, "package": "", "cpu": ""}
    problems = board_report.check(results)
    assert any(problem in found for found in problems), problems
    assert problem in board_report.as_markdown(results, MACHINE)


def test_a_board_that_did_not_come_to_its_end(left: Path, tmp_path: Path) -> None:
    (left / "complete").unlink()
    with pytest.raises(UnavailableError, match="did not come to its end; there are boot_seconds, came_back"):
        board_report.read(left)
    with pytest.raises(UnavailableError, match="no results"):
        board_report.read(tmp_path / "none")


def test_a_document_is_rewritten_between_its_marks(tmp_path: Path) -> None:
    document = tmp_path / "board.md"
    with pytest.raises(DataError, match="cannot be read"):
        pages.rewrite(document, "new")
    document.write_text("before\n")
    with pytest.raises(DataError, match="has no lines <!-- last run: begin -->"):
        pages.rewrite(document, "new")
    document.write_text(f"before\n{pages.BEGIN}\nold\n{pages.END}\nafter\n")
    for _ in range(2):
        pages.rewrite(document, "new\n")
        assert document.read_text() == (f"before\n{pages.BEGIN}\n\nnew\n\n{pages.END}\nafter\n")


def test_the_boot_partition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board, "_FRAMES", 3)
    monkeypatch.setattr(board, "write_voice", Path.touch)
    package = tmp_path / "affect-edge_0.1.0_arm64.deb"
    package.write_bytes(b"")
    board.prepare(tmp_path / "boot", package)
    files = {str(file.relative_to(tmp_path / "boot")) for file in (tmp_path / "boot").rglob("*") if file.is_file()}
    assert files >= {
        "board_guest.sh",
        "frames.bgr",
        "voice.raw",
        "affect-edge/first_boot.sh",
        "affect-edge/affect-edge_0.1.0_arm64.deb",
    }
    frames = np.fromfile(tmp_path / "boot/frames.bgr", np.uint8).reshape(3, 576, 720, 3)
    assert not np.array_equal(frames[0], frames[1])
    settings = load_config(tmp_path / "boot/affect-edge/config.toml")
    assert settings.camera.source == "/dev/video0"


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_the_model_hears_speech_in_the_voice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    board.write_voice(tmp_path / "voice.raw")
    soundfile.write(tmp_path / "voice.wav", np.fromfile(tmp_path / "voice.raw", "<i2"), 16000)
    assert main(["analyze", "--json", str(tmp_path / "voice.wav")]) == 0
    heard = [json.loads(line)["heard"] for line in capsys.readouterr().out.splitlines()]
    assert heard.count("speech") > len(heard) / 2 > 10


def test_the_image_starts_what_lies_on_the_boot_partition(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    board_image.set_up(tmp_path)
    units = tmp_path / "etc/systemd/system"
    started = (units / "multi-user.target.wants/board.service").read_text()
    assert f"ExecStart=/bin/sh /boot/firmware/{board.GUEST.name}\n" in started
    mounts = [line.split() for line in (tmp_path / "etc/fstab").read_text().splitlines()]
    tag = next(source for source, place, *_ in mounts if place == "/boot/firmware")
    assert f"mount_tag={tag}," in " ".join(board.qemu(IMAGE, Path("/boot"), "cortex-a72"))
    assert (tmp_path / "boot/firmware").is_dir()


def test_it_names_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda tool, path=None: None)
    with pytest.raises(UnavailableError, match=r"mmdebstrap is not installed: apt install mmdebstrap; qemu-system"):
        board_image.build(tmp_path / "board")
    assert not (tmp_path / "board").exists()


def test_the_image_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board_image, "missing_tools", list)
    (tmp_path / "made").write_text(board_image._mark())
    assert board_image.build(tmp_path).disk == tmp_path / "disk.img"

    def fails(command: list[str], purpose: str) -> None:
        raise UnavailableError(f"{purpose}: {' '.join(command[:3])}")

    monkeypatch.setattr(board_image, "call", fails)
    monkeypatch.setattr(board_image, "_run_foreign_programs", lambda: None)
    (tmp_path / "made").write_text("of something else")
    with pytest.raises(UnavailableError, match="board: unshare --mount mmdebstrap"):
        board_image.build(tmp_path)
    assert not (tmp_path / "made").exists()


def test_the_board_is_watched_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    program = "printf 'kernel: \\377\\r\\n\\033[0mBOARD 1.5 hello\\r\\n'"
    monkeypatch.setattr(board, "qemu", lambda *_: ["sh", "-c", program])
    seconds = board.boot_board(IMAGE, tmp_path, cpu="", limit=60, console=tmp_path / "console")
    assert seconds < 60
    assert capsys.readouterr().err == "BOARD 1.5 hello\n"
    assert b"kernel: \xff" in (tmp_path / "console").read_bytes()


def test_a_board_that_hangs_is_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board, "qemu", lambda *_: ["sleep", "600"])
    with pytest.raises(UnavailableError, match="not done after"):
        board.boot_board(IMAGE, tmp_path, cpu="", limit=1, console=tmp_path / "console")


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="apt install shellcheck")
def test_the_boards_own_script_passes_shellcheck() -> None:
    done = subprocess.run(["shellcheck", str(board.GUEST)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
