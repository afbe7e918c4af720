"""What the tests of the runtime share."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.inference.catalog import MODELS_VARIABLE, find_model
from edge.inference.manifest import ImageInput, Manifest, TensorSpec, file_sha256
from edge.observation import UNSURE
from tests.edge.speech_helpers import install_speech_model
from tests.edge.text_helpers import install_text_model, install_trait_model

SMALL_MODEL = Path(__file__).parents[1] / "data" / "small_int8.tflite"
"""A real int8 model, untrained: one convolution, a mean, a dense layer. test_interpreter.py's `convert` made it."""

LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
assert UNSURE not in LABELS


@pytest.fixture
def models_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A models folder with expression/expression.tflite, its manifest and card; $AFFECT_EDGE_MODELS names it."""
    folder = tmp_path / "models"
    (folder / "expression").mkdir(parents=True)
    model = folder / "expression" / "expression.tflite"
    shutil.copyfile(SMALL_MODEL, model)
    Manifest(
        name="small",
        task="expression",
        version="1",
        file=model.name,
        sha256=file_sha256(model),
        size_bytes=model.stat().st_size,
        labels=LABELS,
        input=ImageInput(shape=(1, 48, 48, 1), dtype="int8", scale=0.003921555820852518, zero_point=-128),
        output=TensorSpec(shape=(1, 7), dtype="int8", scale=0.012482281774282455, zero_point=16),
        parameters=128,
        evaluation={"PrivateTest": {"accuracy": 0.1234}},
    ).write(model.with_suffix(".json"))
    model.with_suffix(".md").write_text("# small\n\nKnows nothing.\n")
    monkeypatch.setenv(MODELS_VARIABLE, str(folder))
    return folder


@pytest.fixture
def expression_model(models_folder: Path) -> Path:
    return models_folder / "expression" / "expression.tflite"


@pytest.fixture
def speech_model(models_folder: Path) -> Path:
    """The head of a tiny speech model in the same folder, with its encoder and manifests."""
    return install_speech_model(models_folder)


@pytest.fixture
def text_model(models_folder: Path) -> Path:
    """A tiny text-emotion model in the same folder, with its manifest."""
    return install_text_model(models_folder)


@pytest.fixture
def trait_model(models_folder: Path) -> Path:
    """A tiny trait model in the same folder, with its manifest."""
    return install_trait_model(models_folder)


@pytest.fixture(scope="session")
def face_model() -> Path:
    """The face detector that ships."""
    return find_model("face-detection", "face_near")


@pytest.fixture
def unprivileged() -> Callable[[Callable[[], str]], str]:
    """Calls a function as a user who may not do everything: for root, in a child as nobody."""
    return _as_nobody if os.geteuid() == 0 else lambda function: function()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB; needs root."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small disk needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _as_nobody(function: Callable[[], str]) -> str:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            os.write(writer, function().encode())
        except BaseException as error:
            os.write(writer, f"raised {error!r}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        answer = stream.read().decode()
    os.waitpid(child, 0)
    return answer
