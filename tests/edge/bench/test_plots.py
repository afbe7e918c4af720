from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from edge.bench.plots import draw
from edge.errors import DataError, MissingDependencyError
from tests.edge.bench.documents import document


def test_draws_a_png(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    sizes = []
    for name, run in (("all", document()), ("less", document(sustained=None, microphone=None))):
        file = tmp_path / f"{name}.png"
        draw(run, file)
        content = file.read_bytes()
        assert content.startswith(b"\x89PNG")
        sizes.append(int.from_bytes(content[20:24], "big"))
    assert sizes[0] > sizes[1] > 0


def test_nothing_to_draw_is_said(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    with pytest.raises(DataError, match="nothing was measured"):
        draw(document(models=[], camera=None, microphone=None, sustained=None), tmp_path / "a.png")


def test_without_matplotlib_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"affect-edge\[demo\]"):
        draw(document(), tmp_path / "a.png")
