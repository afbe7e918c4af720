"""The trait model's run: ten folds, what they say of the scores, and the file that the device reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow_model_optimization")

from edge.cli import main
from edge.errors import DataError
from edge.inference.manifest import verify_model
from edge.recognizers.traits import TooShort, TraitRecognizer, Traits
from tests.training.text_data import write_essays

pytestmark = pytest.mark.tensorflow

RECIPE = """
name = "tiny"
task = "traits"

[features]
length = 20
least = 2

[network]
embedding = 8
filters = []
lstm = 0
dropout = 0.0
embedding_dropout = 0.0

[schedule]
epochs = 4
batch_size = 8
learning_rate = 1e-1
warmup_epochs = 0.5
average_decay = 0.5

[quantization]
calibration_images = 40
"""

COLUMNS = ("extraversion", "neuroticism", "agreeableness", "conscientiousness", "openness")
"""In the order of the table's columns."""

SIGNS = ("party", "worry", "kindly", "tidy", "poems")


def essay(answers: list[int], rng: np.random.Generator, number: int) -> str:
    """Half of the words are neutral, and a trait shows in its sign."""
    signs = [sign for sign, answer in zip(SIGNS, answers, strict=True) if answer] or ["nothing"]
    words = [*rng.choice(("the", "and", "then", "thing"), 20), *rng.choice(signs, 20), *signs, f"number{number}"]
    return " ".join(rng.permutation(words))


@dataclass(frozen=True)
class TinyTraits:
    data: Path
    recipe: Path
    out: Path

    @property
    def command(self) -> list[str]:
        return ["train", str(self.recipe), "--data", str(self.data), "--out", str(self.out), "--quiet"]


@pytest.fixture(scope="module")
def tiny_traits(tmp_path_factory: pytest.TempPathFactory) -> TinyTraits:
    folder = tmp_path_factory.mktemp("traits")
    rng = np.random.default_rng(5)
    answers = rng.integers(0, 2, (160, 5)).tolist()
    data = write_essays(folder / "data", [(essay(own, rng, number), own) for number, own in enumerate(answers)])
    recipe = folder / "tiny.toml"
    recipe.write_text(RECIPE)
    tiny = TinyTraits(data, recipe, folder / "runs" / "tiny")
    assert main(tiny.command) == 0
    return tiny


def test_every_fold_keeps_its_answers_and_the_run_its_model(tiny_traits: TinyTraits) -> None:
    left = {str(path.relative_to(tiny_traits.out)) for path in tiny_traits.out.rglob("*") if path.is_file()}
    assert {f"fold_{number}/answers.npz" for number in range(1, 11)} <= left
    assert {"tiny.keras", "tiny.tflite", "tiny.json"} <= left


def test_what_the_folds_found_is_in_the_manifest(tiny_traits: TinyTraits) -> None:
    manifest = verify_model(tiny_traits.out / "tiny.tflite", task="traits")
    assert manifest.traits is not None
    assert manifest.traits.least_words == 25  # the shortest length that is looked at: the signs are everywhere
    assert manifest.traits.words_measured == pytest.approx(43, abs=3)
    assert set(manifest.labels) == set(COLUMNS)
    assert "hiring" in manifest.limits


def test_the_file_reads_what_the_signs_say(tiny_traits: TinyTraits) -> None:
    recognizer = TraitRecognizer(tiny_traits.out / "tiny.tflite")
    found = recognizer.read("the party and then thing poems " * 8)
    assert isinstance(found, Traits)
    high = {trait.label for trait in found.traits if trait.percentage > 50}
    assert high == {"extraversion", "openness"}
    assert isinstance(recognizer.read("party"), TooShort)


def test_folds_that_are_done_are_not_trained_again(
    tiny_traits: TinyTraits, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from training import traits

    def never(*_: object, **__: object) -> None:
        raise AssertionError("a fold was trained again")

    monkeypatch.setattr(traits, "_run_fold", never)
    assert main(tiny_traits.command) == 0
    assert "160 essays" in capsys.readouterr().out


def test_a_damaged_fold_is_named(tiny_traits: TinyTraits, capsys: pytest.CaptureFixture[str]) -> None:
    answers = tiny_traits.out / "fold_3" / "answers.npz"
    whole = answers.read_bytes()
    answers.write_bytes(whole[:50])
    try:
        assert main(tiny_traits.command) == DataError.exit_code
        assert f"{answers}: damaged" in capsys.readouterr().err
    finally:
        answers.write_bytes(whole)
