"""The text emotion model's run: one command from GoEmotions' files to an int8 file that the device reads."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow_model_optimization")

from edge.cli import main
from edge.errors import DataError
from edge.features.token_ids import TextSettings
from edge.inference.manifest import verify_model
from edge.recognizers.text_emotion import TextRecognizer
from tests.training.text_data import EKMAN_NAMES, write_goemotions

pytestmark = pytest.mark.tensorflow

RECIPE = """
name = "tiny"
task = "text-emotion"

[features]
length = 12
least = 2
buckets = 50
pieces = 4

[network]
embedding = 8
filters = [16]
lstm = 8
dropout = 0.0
embedding_dropout = 0.0

[schedule]
epochs = {epochs}
batch_size = 8
learning_rate = 2e-2
warmup_epochs = 0.5
average_decay = 0.5
choose = "loss"

[quantization]
calibration_images = 64
"""

SIGNS = ("furious", "gross", "scared", "delighted", "table", "gloomy", "wow")
"""The word that gives each class away, in the order of the data's own names."""

FILLERS = ("the", "a", "my", "your", "this", "that", "one", "some")


def rows(count: int, seed: int) -> list[tuple[str, str]]:
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        label = number % len(SIGNS)
        words = [*rng.choice(FILLERS, rng.integers(1, 7)), SIGNS[label]]
        made.append((" ".join([*rng.permutation(words), f"{seed}n{number}"]), str(label)))
    return made


@dataclass(frozen=True)
class TinyText:
    data: Path
    recipe: Path
    out: Path

    def words(self, out: Path | None = None) -> list[str]:
        return ["train", str(self.recipe), "--data", str(self.data), "--out", str(out or self.out), "--quiet"]


@pytest.fixture(scope="module")
def tiny_text(tmp_path_factory: pytest.TempPathFactory) -> TinyText:
    folder = tmp_path_factory.mktemp("text")
    data = write_goemotions(folder / "data", {"train": rows(224, 1), "dev": rows(70, 2), "test": rows(70, 3)})
    recipe = folder / "tiny.toml"
    recipe.write_text(RECIPE.format(epochs=16))
    tiny = TinyText(data, recipe, folder / "runs" / "tiny")
    assert main(tiny.words()) == 0
    return tiny


def test_a_run_leaves_all_that_it_promises(tiny_text: TinyText) -> None:
    left = {path.name for path in tiny_text.out.iterdir()}
    assert left == {"checkpoint.npz", "curves.png", "tiny.keras", "tiny.tflite", "tiny.json"}


def test_the_int8_file_knows_what_the_network_learned(tiny_text: TinyText) -> None:
    recognizer = TextRecognizer(tiny_text.out / "tiny.tflite")
    names = {"anger": "angry", "joy": "happy", "sadness": "sad"}
    for sign, name in zip(SIGNS, EKMAN_NAMES, strict=True):
        answer = recognizer.recognize(f"the {sign} one")
        assert answer is not None
        assert answer.label == names.get(name, name)
        assert answer.present == (answer.label,)


def test_the_manifest_carries_the_vocabulary_and_how_it_came_about(tiny_text: TinyText) -> None:
    manifest = verify_model(tiny_text.out / "tiny.tflite", task="text-emotion")
    text = manifest.text_input.text
    assert isinstance(text, TextSettings)
    assert set(SIGNS) | set(FILLERS) <= set(text.words)
    assert (text.length, text.pieces, text.buckets) == (12, 4, 50)
    assert manifest.calibration.link == "sigmoid"
    assert len(manifest.calibration.thresholds) == len(SIGNS)
    assert manifest.training["cleaning"]["read"] == 224
    assert manifest.quantization["method"] == "int8"
    assert "Reddit" in manifest.limits


def test_the_same_command_again_trains_no_more(tiny_text: TinyText, capsys: pytest.CaptureFixture[str]) -> None:
    before = (tiny_text.out / "tiny.tflite").read_bytes()
    assert main(tiny_text.words()) == 0
    assert (tiny_text.out / "tiny.tflite").read_bytes() == before
    assert re.search(r"validation macro F1 \d\.\d+, epoch \d+ of 16", capsys.readouterr().out)


def test_words_begin_with_vectors_of_a_file(tiny_text: TinyText, tmp_path: Path) -> None:
    from training import text
    from training.architectures.text_net import build_text_net
    from training.recipe_parts import TextNetwork

    settings = TextSettings(length=4, words=("sun", "moon", "star"))
    network = build_text_net(TextNetwork(embedding=6, filters=(), lstm=0), settings, outputs=2)
    before = network.get_layer("embedding").get_weights()[0]
    vectors = tmp_path / "vectors.txt"
    vectors.write_text("star 1 2 3 4\nsun 3 2 1 0\nother 1 1 1 1\n")
    assert text.begin_with_vectors(network, settings, vectors) == 2
    after = network.get_layer("embedding").get_weights()[0]
    changed = (before != after).any(axis=1)
    assert changed.tolist() == [False, False, True, False, True]
    assert np.array_equal(before[:, 4:], after[:, 4:])
    assert np.sign(after[2, :4]).tolist() == [1, 0, -1, -1]  # each place by its own mean: sun above star, equal, below


@pytest.mark.parametrize("content", ["", "nobody 1 2\n"])
def test_vectors_of_no_use_are_refused(tiny_text: TinyText, tmp_path: Path, content: str) -> None:
    vectors = tmp_path / "vectors.txt"
    vectors.write_text(content)
    words = [*tiny_text.words(tmp_path / "out"), "--vectors", str(vectors)]
    assert main(words) == DataError.exit_code


@pytest.mark.parametrize(
    ("line", "message"),
    [("words = -1", "features.words"), ("filters = [0]", "network.filters"), ("lenght = 3", "unknown key")],
)
def test_a_recipe_with_a_mistake_is_refused_with_its_line(
    tiny_text: TinyText, tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, message: str
) -> None:
    section = "[network]" if "filters" in line else "[features]"
    recipe = tmp_path / "wrong.toml"
    text = RECIPE.format(epochs=1).replace("filters = [16]\n", "").replace(section, f"{section}\n{line}")
    recipe.write_text(text)
    assert main(["train", str(recipe), "--data", str(tiny_text.data)]) == 78
    assert message in capsys.readouterr().err


def labels_of(manifest: Path) -> Sequence[str]:
    return tuple(json.loads(manifest.read_text())["labels"])


def test_the_labels_are_the_face_models(tiny_text: TinyText) -> None:
    face = Path(__file__).parents[2] / "models" / "expression" / "expression.json"
    assert labels_of(tiny_text.out / "tiny.json") == labels_of(face)
