from __future__ import annotations

import grp
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.config import Config, parse_config
from edge.diagnosis import (
    check_board,
    check_cameras,
    check_journal,
    check_models,
    check_package,
    check_packages,
    check_platform,
    check_runtimes,
    check_space,
)


def journal_at(path: Path) -> Config:
    return parse_config(f"journal.path = '{path}'", Path("c.toml"))


def write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


@pytest.mark.parametrize(("python", "state"), [((3, 9), "warn"), ((3, 10), "ok"), ((3, 13), "ok"), ((3, 14), "warn")])
def test_python_must_be_one_that_is_tested(tmp_path: Path, python: tuple[int, int], state: str) -> None:
    write(tmp_path / "proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0")
    checks = {check.name: check for check in check_platform(tmp_path, python)}
    assert checks["Python"].state == state
    assert checks["board"].detail == "Raspberry Pi 5 Model B Rev 1.0"


def test_what_this_environment_has_is_found_whole() -> None:
    assert {check.state for check in check_packages()} == {"ok", "info"}
    runtimes = list(check_runtimes())
    assert any(check.state == "ok" for check in runtimes)
    assert all(check.state != "fail" for check in runtimes)


@pytest.mark.parametrize(
    ("name", "content", "detail"),
    [
        ("absent_package", None, "not installed"),
        ("needs_more", "import absent_package", "lacks absent_package"),
        ("broken", "raise OSError('libGL.so.1:\\n cannot open')", "importing it fails: libGL.so.1: cannot open"),
    ],
)
def test_a_package_that_cannot_be_used_fails_with_the_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: str | None, detail: str
) -> None:
    if content:
        write(tmp_path / f"{name}.py", content)
    monkeypatch.syspath_prepend(str(tmp_path))
    check = check_package(name, "the mend")
    assert (check.state, check.mend) == ("fail", "the mend")
    assert detail in check.detail


def test_models_are_verified(models_folder: Path, expression_model: Path) -> None:
    def states() -> dict[str, str]:
        return {check.detail: check.state for check in check_models(Config()) if str(models_folder) in check.detail}

    loaded = [check for check in check_models(Config()) if check.name == "expression/expression"]
    assert [(check.state, check.detail.partition(",")[0]) for check in loaded] == [("ok", "small 1")]
    assert states() == {}
    expression_model.write_bytes(expression_model.read_bytes()[:-1])
    assert set(states().values()) == {"fail"}


def test_the_configured_model_must_be_there(models_folder: Path) -> None:
    config = parse_config("expression.model = 'other'\nface.model = 'eyes'", Path("c.toml"))
    failed = {check.name: check.detail for check in check_models(config) if check.state == "fail"}
    assert failed["face-detection"].startswith("no model 'eyes' for the task 'face-detection'")
    assert failed["expression"].startswith("no model 'other' for the task 'expression'")


def test_a_model_for_another_task_is_told(expression_model: Path) -> None:
    config = parse_config(f"face.model = '{expression_model}'", Path("c.toml"))
    told = [check.detail for check in check_models(config) if check.state == "fail" and check.name == "face-detection"]
    assert told
    assert "made for the task 'expression', not for 'face-detection'" in told[0]


def test_a_camera_without_permission_is_told(unprivileged: Callable[[Callable[[], str]], str]) -> None:
    # Not under tmp_path, which only its owner may enter.
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        (root / "dev").mkdir()
        (root / "dev" / "video0").touch()
        (root / "dev" / "video0").chmod(0)

        def told() -> str:
            first = next(check_cameras(Config(), root))
            return f"{first.state} {first.name} {first.detail}; {first.mend}"

        group = grp.getgrgid(os.getegid()).gr_name
        expected = f"warn {root}/dev/video0 no permission to open it; sudo usermod -aG {group} $USER, then log in again"
        assert unprivileged(told) == expected


def test_a_broken_camera_library_does_not_stop_the_other_checks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> list[object]:
        raise AttributeError("module 'cv2' has no\n attribute")

    monkeypatch.setattr("edge.sources.list_cameras", broken)
    (check,) = check_cameras(Config(), tmp_path)
    assert (check.state, check.detail) == ("warn", "cannot be listed: module 'cv2' has no attribute")


def test_the_journal_s_place(tmp_path: Path, unprivileged: Callable[[Callable[[], str]], str]) -> None:
    def state(config: Config) -> list[tuple[str, str]]:
        return [(check.name, check.state) for check in check_journal(config)]

    assert state(journal_at(tmp_path / "new" / "deep" / "j.db")) == [("file", "ok"), ("disk", "ok")]
    assert not (tmp_path / "new").exists()
    assert state(journal_at(tmp_path)) == [("file", "fail")]
    (tmp_path / "file").touch()
    assert state(journal_at(tmp_path / "file")) == [("file", "ok"), ("disk", "ok")]
    assert state(journal_at(tmp_path / "file" / "j.db")) == [("file", "fail")]
    assert state(parse_config("journal.enabled = false", Path("c"))) == [("file", "info")]
    config = journal_at(Path("/proc/1/journal.db"))
    answer = unprivileged(lambda: "\n".join(f"{check.state}: {check.detail}" for check in check_journal(config)))
    assert answer.startswith("fail: /proc/1/journal.db: no permission to write to /proc")


@pytest.mark.parametrize(("free", "held", "state"), [(64e6, 0, "ok"), (63e6, 0, "warn"), (63e6, 2_000_000, "ok")])
def test_the_disk_must_have_room_for_the_cap(tmp_path: Path, free: float, held: int, state: str) -> None:
    journal = tmp_path / "journal.db"
    if held:
        journal.write_bytes(bytes(held))
    assert check_space(journal, int(free), 64).state == state


@pytest.mark.parametrize(
    ("bits", "told"),
    [
        ("0\n", ["ok none since the start"]),
        ("50000\n", ["warn since the start: under-voltage, throttled"]),
        ("50001\n", ["warn now: under-voltage", "warn since the start: throttled"]),
        ("80008\n", ["warn now: soft temperature limit"]),
    ],
)
def test_throttling_is_told_with_its_mend(tmp_path: Path, bits: str, told: list[str]) -> None:
    write(tmp_path / "sys/devices/platform/soc/soc:firmware/get_throttled", bits)
    checks = list(check_board(tmp_path))
    assert [f"{check.state} {check.detail}" for check in checks] == told
    assert all(bool(check.mend) == (check.state == "warn") for check in checks)
    if "under-voltage" in checks[0].detail:
        assert "power supply" in str(checks[0].mend)


@pytest.mark.parametrize(("millidegrees", "state"), [(79_900, "ok"), (80_000, "warn")])
def test_heat_is_told(tmp_path: Path, millidegrees: int, state: str) -> None:
    write(tmp_path / "sys/class/thermal/thermal_zone0/type", "cpu-thermal\n")
    write(tmp_path / "sys/class/thermal/thermal_zone0/temp", f"{millidegrees}\n")
    checks = list(check_board(tmp_path, vcgencmd=str(tmp_path / "none")))
    assert [(check.name, check.state) for check in checks] == [("cpu-thermal", state)]
