"""The text benchmarks: their texts, and the commands in a quick run. No test looks at a time."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from benchmarks import text_cost, text_samples, text_soak
from edge.errors import DataError, ModelError
from edge.inference import catalog
from edge.inference.catalog import MODELS_VARIABLE
from edge.observation import Observation, TextLine
from edge.pipeline.text import TextPipeline
from tests.benchmarks.conftest import Benchmark
from tests.edge.text_helpers import EMOTION_SETTINGS, install_text_model, install_trait_model

# They wait for the CPU when the machine is busy.
pytestmark = pytest.mark.timeout(900)

WORDS = EMOTION_SETTINGS.words


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A models folder with the tiny text models, which every command finds first."""
    folder = tmp_path / "models"
    install_text_model(folder)
    install_trait_model(folder)
    monkeypatch.setenv(MODELS_VARIABLE, str(folder))
    return folder


def found(benchmark: Benchmark, name: str, *arguments: str) -> dict[str, Any]:
    done = benchmark(name, "--json", "--quick", *arguments)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    assert document["benchmark"] == name
    return document


def test_made_up_texts_are_like_real_ones() -> None:
    texts = text_samples.made_up_texts(WORDS)
    assert texts == text_samples.made_up_texts(WORDS)
    assert 10 < texts.mean_words < 14
    assert len(set(texts.sentences)) == len(texts.sentences)
    for essay in texts.essays:
        assert 650 <= text_samples.count_words(essay) < 672
    known = {word for word in WORDS if word[0].isalpha()}
    words = [word for sentence in texts.sentences for word in sentence.lower().strip(".!?").split()]
    strange = [word for word in words if word.isalpha() and word not in known]
    assert len(strange) / len(words) == pytest.approx(text_samples.INVENTED, abs=0.02)
    assert len(set(strange)) == len(strange)
    # Zipf: the first word twice as often as the second.
    assert words.count("the") / words.count("a") == pytest.approx(2, abs=0.2)


def test_without_a_vocabulary_there_is_nothing_to_make_texts_of() -> None:
    with pytest.raises(DataError, match="name a folder with --data"):
        text_samples.made_up_texts([".", "<number>"])


def test_ratios_are_told_of_what_was_measured() -> None:
    medians = {"sentence": 2.0, "sentence, model": 1.0, "essay, traits": 3.0}
    assert text_cost.ratios(medians) == {"sentence / sentence, model": 2.0}
    assert text_cost.ratios(medians | {"essay, traits, TF-IDF": 6.0})["essay, traits, TF-IDF / essay, traits"] == 2.0


def test_without_scikit_learn_the_rest_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "sklearn"]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "sklearn.feature_extraction.text", None)
    texts = text_samples.Texts("none", ("a",), ("b",))
    calls, absent = text_cost._peers(texts, labels=2, traits=2)
    assert calls == {} and "pip install scikit-learn" in absent


@pytest.mark.usefixtures("folder")
def test_text_cost_compares_sentences_and_essays_with_tfidf(benchmark: Benchmark) -> None:
    figures = found(benchmark, "text_cost")
    costs = figures["milliseconds"]
    ours = {"sentence", "sentence, front end", "sentence, model", "essay, over time", "essay, words that weigh"}
    ours |= {"essay, traits", "essay, traits, front end", "essay, traits, model"}
    assert costs.keys() - {"sentence, TF-IDF", "essay, traits, TF-IDF"} == ours
    for values in costs.values():
        assert 0 < values["p5"] <= values["median"] <= values["p95"]
    assert ("sentence, TF-IDF" in costs) == (figures["tfidf_absent"] == "")
    assert figures["models"].keys() == {"text-emotion", "traits"}
    assert figures["protocol"]["rounds"] == 20
    assert 650 <= figures["protocol"]["words_an_essay"] < 672
    assert figures["essays_scored"] == figures["protocol"]["essays"] == 20


def test_without_a_trait_model_the_rest_is_measured(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = text_cost.measure(folder / "text-emotion" / "text.tflite", None, data=None, rounds=2, progress=False)
    assert not [name for name in figures["milliseconds"] if "traits" in name or "weigh" in name]
    assert figures["traits_absent"] in text_cost.table(figures)
    monkeypatch.setattr(catalog, "model_folders", lambda: [folder / "none"])
    assert text_cost._trait_model(None) is None
    with pytest.raises(ModelError, match="no model 'other' for the task 'traits'"):
        text_cost._trait_model("other")


@pytest.mark.usefixtures("folder")
def test_lines_leave_nothing_behind(benchmark: Benchmark) -> None:
    figures = found(benchmark, "text_soak")
    assert figures["grown"] == []
    assert [sample["frames"] for sample in figures["samples"]] == list(range(300, 3001, 300))
    # And those that filled the caches before.
    assert figures["figures"]["lines"] == 3000 + -(-figures["protocol"]["words_before"] // EMOTION_SETTINGS.length)
    assert figures["figures"]["observations"] > figures["figures"]["lines"] - figures["figures"]["wordless"]
    assert figures["figures"]["wordless"] > 0


def test_a_pipeline_that_keeps_its_lines_is_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    right = TextPipeline.__call__
    kept: list[tuple[str, ...]] = []

    def keeping(pipeline: TextPipeline, line: TextLine) -> list[Observation]:
        kept.append((line.text, line.source))
        return right(pipeline, line)

    monkeypatch.setattr(TextPipeline, "__call__", keeping)
    results = text_soak.measure(folder / "text-emotion" / "text.tflite", lines=2000, progress=False)
    assert results["grown"] and results["grown"][0].startswith("blocks grew by ")


def test_lines_are_mixed_and_always_the_same() -> None:
    def first(count: int) -> Iterator[str]:
        return islice(text_soak.mixed_lines(WORDS, seed=0), count)

    lines = list(first(20_000))
    assert lines == list(first(20_000))
    assert 5 < sum(line in text_soak._ODD_LINES for line in lines) < 50
    assert 5 < sum(len(line.split()) > 200 for line in lines) < 50
    assert len(set(lines)) > 19_000


@pytest.mark.parametrize("name", ["text_cost", "text_soak"])
def test_help_teaches(benchmark: Benchmark, name: str) -> None:
    done = benchmark(name, "--help")
    assert done.returncode == 0
    assert "examples:\n  python -m benchmarks." + name in done.stdout


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("text_cost", "--model", "absent.tflite"), 1, "absent.tflite: no such model file"),
        (("text_soak", "--model", "absent.tflite"), 1, "absent.tflite: no such model file"),
        (("text_cost", "--data", "absent"), 1, "absent"),
        (("text_cost", "--rounds", "0"), 2, "0 is not 1 or more"),
        (("text_soak", "--lines", "3"), 2, "3 is fewer than 10"),
    ],
)
def test_bad_arguments_are_told(benchmark: Benchmark, arguments: tuple[str, ...], code: int, message: str) -> None:
    done = benchmark(*arguments)
    assert done.returncode == code
    assert message in done.stderr.splitlines()[-1]
