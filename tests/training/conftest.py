"""Faces for the training's tests: patterns that a small network learns in seconds, and the real ones where they lie."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edge.cli import main
from edge.errors import DataError
from training.datasets.fer2013 import LABELS, FaceSet, read_faces

# Before any of these tests imports TensorFlow, which decides once what tf.keras stands for.
os.environ["TF_USE_LEGACY_KERAS"] = "1"

SHARED_DATA = Path(__file__).parents[3] / "shared" / "data"


def pattern_faces(per_class: int, seed: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Noise in which the face of class c has a bright band in rows 6c to 6c+5; classes in turn."""
    rng = np.random.default_rng(seed)
    labels = np.tile(np.arange(len(LABELS)), per_class)
    images = rng.integers(0, 120, (len(labels), 48, 48), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[6 * label : 6 * label + 6] += 120
    return images, labels


def table_row(label: int | str, image: npt.NDArray[np.uint8], usage: str) -> str:
    """One line of fer2013.csv, without its end."""
    return f"{label},{' '.join(map(str, image.ravel()))},{usage}"


def write_table(folder: Path, per_class: dict[str, int]) -> Path:
    """Write fer2013.csv with so many pattern faces of each class for each Usage."""
    folder.mkdir(exist_ok=True)
    lines = ["emotion,pixels,Usage"]
    for seed, (usage, count) in enumerate(per_class.items()):
        images, labels = pattern_faces(count, seed)
        lines += [table_row(label, image, usage) for image, label in zip(images, labels, strict=True)]
    (folder / "fer2013.csv").write_text("\n".join(lines) + "\n")
    return folder


def refused(folder: Path, message: str, named: Path | None = None) -> None:
    """Reading ends with a DataError told in one short line that begins with the file or folder."""
    with pytest.raises(DataError, match=message) as caught:
        read_faces(folder)
    assert str(caught.value).startswith(f"{named or folder}")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300 + len(str(named or folder))


@dataclass(frozen=True)
class TinySpeech:
    """A finished run of `affect-edge train` on recordings that are told apart in seconds."""

    data: Path
    recipe: Path
    out: Path
    words: list[str]
    """The command, for once more."""
    printed: str

    @property
    def head(self) -> Path:
        return self.out / "speech-emotion" / "tiny.tflite"

    @property
    def encoder(self) -> Path:
        return self.out / "speech-encoder" / "tiny.tflite"

    @property
    def float_model(self) -> Path:
        return self.out / "tiny.keras"


@pytest.fixture(scope="session")
def tiny_speech(tmp_path_factory: pytest.TempPathFactory) -> TinySpeech:
    pytest.importorskip("tensorflow_model_optimization")
    pytest.importorskip("soundfile")
    from tests.training.speech_corpus import RECIPE, write_corpora

    folder = tmp_path_factory.mktemp("speech")
    recipe = folder / "tiny.toml"
    recipe.write_text(RECIPE)
    data, out = write_corpora(folder / "data"), folder / "runs" / "tiny"
    words = ["train", str(recipe), "--data", str(data), "--out", str(out), "--quiet"]
    printed = io.StringIO()
    with redirect_stdout(printed):
        assert main(words) == 0
    return TinySpeech(data, recipe, out, words, printed.getvalue())


@pytest.fixture(scope="session")
def real_faces(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FaceSet]:
    """All of FER-2013, with FER+'s votes."""
    folder = Path(os.environ.get("AFFECT_EDGE_DATA", SHARED_DATA)) / "fer2013"
    if not (folder / "fer2013.csv").is_file():
        if not (folder / "unpack.py").is_file():
            pytest.skip(f"neither fer2013.csv nor unpack.py in {folder}; AFFECT_EDGE_DATA names the folder above")
        pytest.importorskip("PIL")
        unpacked = tmp_path_factory.mktemp("fer2013")
        subprocess.run([sys.executable, folder / "unpack.py", unpacked], check=True, capture_output=True)
        folder = unpacked
    return read_faces(folder)


@pytest.fixture(scope="session")
def real_texts() -> Path:
    """The folder of GoEmotions, the essays, EmoBank and word vectors, each in its own."""
    folder = Path(os.environ.get("AFFECT_EDGE_DATA", SHARED_DATA)) / "text"
    if not folder.is_dir():
        pytest.skip(f"no folder {folder}; AFFECT_EDGE_DATA names the one above it")
    return folder
