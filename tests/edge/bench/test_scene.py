from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from edge.bench import scene as module
from edge.bench.camera_job import job
from edge.bench.scene import FACE, NO_FACE, scene, why_no_face
from edge.errors import MissingDependencyError


def refuse(**_: object) -> None:
    raise MissingDependencyError("matplotlib", "demo", "the portrait")


def test_with_a_portrait_there_is_a_face() -> None:
    if reason := why_no_face():
        pytest.skip(reason)
    name, pictures = scene(320, 240, 15.0)
    assert name == FACE
    assert [picture.shape for picture in islice(pictures, 2)] == [(240, 320, 3)] * 2


def test_without_a_portrait_the_search_is_measured_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DemoSource", refuse)
    name, pictures = scene(320, 240, 15.0)
    assert name == NO_FACE
    first, second = islice(pictures, 2)
    assert first.shape == (240, 320, 3)
    assert not np.array_equal(first, second)
    memory, measured, _ = job({"config": None, "frames": 6, "seconds": 60.0, "paced": 0.0})
    assert memory["camera"]["scene"] == NO_FACE
    assert measured["camera"]["searched"] > 0
    assert measured["camera"]["back_to_back"]["invocations"] == measured["camera"]["searched"]
