"""Where a frame's and a hop's time goes. No test looks at a time itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks import hot_path
from benchmarks.camera_loop import moving_frames
from benchmarks.frame_parts import INVOKE, PARTS, FrameWatch
from edge.config import Config
from edge.inference.interpreter import Interpreter
from edge.pipeline.faces import FacePipeline


def test_its_tables(figures: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- last run: begin -->\nold\n<!-- last run: end -->\nafter\n")
    found = figures("hot_path", "--quick", "--write", str(page))
    kinds, hop = found["frame"]["kinds"], found["hop"]
    for kind, runs in (("followed", 1), ("searched", 2)):
        parts = kinds[kind]["parts"]
        assert set(parts) == {*PARTS, "the rest"}
        assert 0 < kinds[kind]["models"]["median"] < kinds[kind]["whole"]["median"]
        assert kinds[kind]["overhead"] > 0
        # The detector's part is there where it ran, and nowhere else.
        assert (parts["read the detector's cells"]["median"] > 0) == (parts["letterbox"]["median"] > 0) == (runs == 2)
        assert all(
            spread["median"] > 0
            for part, spread in parts.items()
            if part not in ("letterbox", "read the detector's cells")
        )
    assert 0 < found["frame"]["searched"] < 1
    assert hop["overhead"] > hop["overhead_over_models_and_features"] > 0
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert hot_path.table(found).splitlines()[0] in text
    assert "old" not in text


@pytest.mark.parametrize("parts", [True, False])
def test_what_is_watched_is_put_back_and_adds_up(parts: bool) -> None:
    before = Interpreter.run
    loop = FrameWatch(FacePipeline.from_config(Config()), moving_frames(10), parts=parts)
    for turn in range(8):
        loop.step(turn)
    assert Interpreter.run is before
    assert len(loop.spent) == len(loop.searched) == 8
    assert loop.searched[0]
    for frame in loop.spent:
        whole = frame["whole"]
        assert sum(seconds for part, seconds in frame.items() if part != "whole") < whole
        assert (set(frame) == {INVOKE, "whole"}) or parts
