"""The wheel: what somebody gets who installs affect-edge elsewhere, models included."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("build", reason="the dev extra is not installed")
    out = tmp_path_factory.mktemp("dist")
    # A copy, since setuptools builds in the tree: an old build/ there must not find its way into the wheel.
    source = tmp_path_factory.mktemp("source") / "affect-edge"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(source)], check=True)
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(source)],
        check=True,
        capture_output=True,
    )
    (path,) = out.glob("*.whl")
    return path


def test_it_holds_the_packages_the_recipes_and_the_models(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"edge/cli.py", "edge/py.typed", "converter/command.py", "training/recipes/expression.toml"} <= names
    for model in ("expression/expression", "face-detection/face_near", "face-detection/face_far"):
        assert any(name.endswith(f"share/affect-edge/models/{model}.tflite") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/"))]


def test_it_works_when_installed_elsewhere(wheel: Path, tmp_path: Path) -> None:
    """Installed into a folder of its own; the packages that it needs are those of this environment."""
    target = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), str(wheel)],
        check=True,
    )
    environment = {key: value for key, value in os.environ.items() if not key.startswith("AFFECT_EDGE")}
    child = subprocess.run(
        [sys.executable, "-m", "edge", "models", "verify", "--json"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(target)},
        check=False,
    )
    assert child.returncode == 0, child.stderr
    assert str(target) in child.stdout
    assert json.loads(child.stdout)
