"""The service's status file: written whole, read with clear errors."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from edge.service import status
from edge.service.status import NoServiceError, read_status, remove_status, runtime_folder, service_folder, write_status


def test_what_is_written_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "affect-edge"
    write_status(folder, {"doing": "sensing"})
    write_status(folder, {"doing": "paused"})
    assert read_status(folder) == {"doing": "paused"}
    assert [path.name for path in folder.iterdir()] == ["status.json"]
    assert stat.S_IMODE((folder / "status.json").stat().st_mode) == 0o644
    remove_status(folder)
    remove_status(folder)
    with pytest.raises(NoServiceError, match="no service runs"):
        read_status(folder)


def test_nothing_half_written_stays(tmp_path: Path) -> None:
    write_status(tmp_path, {"doing": "sensing"})
    with pytest.raises(TypeError):
        write_status(tmp_path, {"doing": object()})
    assert read_status(tmp_path) == {"doing": "sensing"}
    assert [path.name for path in tmp_path.iterdir()] == ["status.json"]


@pytest.mark.parametrize("content", ["", "{", "[1]", "\x00"])
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "status.json").write_text(content)
    with pytest.raises(NoServiceError, match=r"status\.json: not what affect-edge writes"):
        read_status(tmp_path)


def test_where_it_lies(tmp_path: Path) -> None:
    assert runtime_folder({"RUNTIME_DIRECTORY": "/run/a:/run/b", "XDG_RUNTIME_DIR": str(tmp_path)}) == Path("/run/a")
    assert runtime_folder({"XDG_RUNTIME_DIR": str(tmp_path)}) == tmp_path / "affect-edge"
    assert runtime_folder({"XDG_RUNTIME_DIR": "relative"}) is None
    assert runtime_folder({"XDG_RUNTIME_DIR": str(tmp_path / "gone")}) is None
    assert runtime_folder({}) is None


def test_the_system_s_service_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = tmp_path / "system"
    monkeypatch.setattr(status, "_SYSTEM_FOLDER", system)
    own = {"XDG_RUNTIME_DIR": str(tmp_path)}
    with pytest.raises(NoServiceError, match=r"no service runs: no status\.json in"):
        service_folder(own)
    write_status(tmp_path / "affect-edge", {})
    assert service_folder(own) == tmp_path / "affect-edge"
    write_status(system, {})
    assert service_folder(own) == system
