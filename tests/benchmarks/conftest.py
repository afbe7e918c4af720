"""What the tests of the benchmarks share: they run the real commands, with the model that is installed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.config import Config
from edge.errors import AffectEdgeError
from edge.inference.catalog import find_model
from edge.sources.demo import DemoSource

ROOT = Path(__file__).parents[2]

Benchmark = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def benchmark() -> Benchmark:
    """Runs `python -m benchmarks.NAME ARGUMENTS` as a user does."""

    def start(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    return start


@pytest.fixture
def face_detector() -> Path:
    """The near face detector that is installed; skips where there is none."""
    try:
        return find_model("face-detection", "face_near")
    except AffectEdgeError as error:
        pytest.skip(str(error))


@pytest.fixture
def figures(benchmark: Benchmark) -> Callable[..., dict[str, Any]]:
    """Runs a benchmark with --json and returns what it found; skips where there is no model or no demonstration."""
    try:
        find_model("expression")
        find_model("face-detection", Config().face.model)
        DemoSource().close()
    except AffectEdgeError as error:
        pytest.skip(str(error))

    def measure(name: str, *arguments: str) -> dict[str, Any]:
        done = benchmark(name, "--json", *arguments)
        assert done.returncode == 0, done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        assert document["benchmark"] == name
        assert document["environment"].keys() >= {"cpu", "cores", "board", "python", "numpy", "opencv", "runtime"}
        return document

    return measure
