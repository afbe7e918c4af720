from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from edge.whole_file import write_whole


def test_the_file_is_there_whole_with_its_mode_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_whole(tmp_path / "a", "first\n")
        write_whole(tmp_path / "a", "zweite Zeile: ä\n")
        write_whole(tmp_path / "b", "", mode=0o600)
    finally:
        os.umask(before)
    assert (tmp_path / "a").read_text(encoding="utf-8") == "zweite Zeile: ä\n"
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("kept")
    (tmp_path / "link").symlink_to(precious)
    write_whole(tmp_path / "link", "new")
    assert precious.read_text() == "kept"
    assert not (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("text", ["x" * 100, "\ud800"])
def test_what_fails_leaves_the_old_one_and_nothing_else(tmp_path: Path, text: str) -> None:
    target = tmp_path / "folder"
    (target / "in").mkdir(parents=True)  # no file can take its place
    with pytest.raises((OSError, UnicodeError)):
        write_whole(target, text)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "nowhere" / "a", text)
