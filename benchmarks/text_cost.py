"""What reading costs: milliseconds for a sentence and for an essay of 650 words, on one thread.

Measured in one process, in turns:

  sentence                  TextRecognizer.recognize: the text in, label and probabilities out
  ... front end             normalise, tokenise, look the numbers up
  ... model                 the interpreter alone, its copying of input and output included
  ... TF-IDF                scikit-learn's TfidfVectorizer (words and pairs) and a logistic regression for each label
  essay, over time          TextRecognizer.parts, and recognize for each of them
  essay, traits             TraitRecognizer.read
  ... front end             normalise, tokenise, look the numbers up
  ... model                 the interpreter alone, for all runs of tokens of the essay
  ... TF-IDF                as above, fitted on essays
  essay, words that weigh   TraitRecognizer.weighed: the model again for each different word

The texts are GoEmotions' test comments and the essays of Pennebaker and King, from --data, or made up of the
vocabulary's words. TF-IDF is fitted on the same texts with labels by chance: what it costs does not depend on them.

examples:
  python -m benchmarks.text_cost
  python -m benchmarks.text_cost --data ../shared/data/text --json
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

# One thread, for scikit-learn's matrix products too; read when NumPy is loaded.
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np

from benchmarks import measuring
from benchmarks.text_samples import Texts, count_words, made_up_texts, public_texts
from edge.config import Config
from edge.errors import ModelError
from edge.features.token_ids import TokenIds
from edge.features.words import tokenise
from edge.inference.catalog import find_model
from edge.recognizers.text_emotion import TextRecognizer
from edge.recognizers.text_model import tokens_of
from edge.recognizers.traits import TraitRecognizer, Traits

Calls = dict[str, Callable[[int], object]]

_Item = TypeVar("_Item")

WEIGHING_ROUNDS = 5
"""It takes a model's run for each different word."""


def measure(model: Path, traits: Path | None, *, data: Path | None, rounds: int, progress: bool) -> measuring.Results:
    """Time the recognizers, their parts and what they are compared with."""
    from tqdm import tqdm

    emotions = TextRecognizer(model)
    scorer = TraitRecognizer(traits) if traits else None
    texts = public_texts(data) if data else made_up_texts(emotions.manifest.text_input.text.words)
    calls = _sentence_calls(emotions, texts) | _essay_calls(emotions, scorer, texts)
    peers, absent = _peers(texts, labels=len(emotions.labels), traits=len(scorer.labels) if scorer else 0)
    calls |= peers
    warmup = max(3, rounds // 10)
    with tqdm(total=rounds + warmup, unit="round", disable=not progress) as bar:
        seconds = measuring.interleaved(calls, rounds=rounds, warmup=warmup, advance=bar.update)
    if scorer:
        weigh = scorer.weighed
        slow: Calls = {"essay, words that weigh": lambda turn: weigh(_turn(texts.essays, turn))}
        seconds |= measuring.interleaved(slow, rounds=min(rounds, WEIGHING_ROUNDS), warmup=1)
    costs = {name: measuring.spread(values, 1e3, 4) for name, values in seconds.items()}
    return {
        "models": {
            recognizer.manifest.task: {
                "file": f"{recognizer.manifest.file}",
                "sha256": recognizer.manifest.sha256,
                "version": recognizer.manifest.version,
                "size_bytes": recognizer.manifest.size_bytes,
                "tokens": recognizer.manifest.text_input.text.length,
            }
            for recognizer in (emotions, scorer)
            if recognizer
        },
        "texts": texts.name,
        "protocol": {
            "rounds": rounds,
            "warmup": warmup,
            "weighing_rounds": min(rounds, WEIGHING_ROUNDS),
            "threads": 1,
            "sentences": len(texts.sentences),
            "words_a_sentence": round(texts.mean_words, 1),
            "essays": len(texts.essays),
            "words_an_essay": round(float(np.mean([count_words(essay) for essay in texts.essays]))),
        },
        "essays_scored": sum(isinstance(scorer.read(essay), Traits) for essay in texts.essays) if scorer else 0,
        "milliseconds": costs,
        "ratios": ratios({name: values["median"] for name, values in costs.items()}),
        "tfidf_absent": absent,
        "traits_absent": "" if scorer else "no trait model is installed",
    }


def ratios(medians: dict[str, float]) -> dict[str, float]:
    """How many times dearer one way is than another, for each pair of which both were measured."""
    pairs = (
        ("sentence, TF-IDF", "sentence"),
        ("sentence", "sentence, model"),
        ("essay, traits, TF-IDF", "essay, traits"),
        ("essay, traits", "essay, traits, model"),
    )
    return {
        f"{dear} / {cheap}": round(medians[dear] / medians[cheap], 2)
        for dear, cheap in pairs
        if dear in medians and cheap in medians
    }


def _sentence_calls(emotions: TextRecognizer, texts: Texts) -> Calls:
    ids = TokenIds(emotions.manifest.text_input.text)
    run = emotions._model._interpreter.run
    ready = [ids(tokenise(sentence))[None] for sentence in texts.sentences]
    return {
        "sentence": lambda turn: emotions.recognize(_turn(texts.sentences, turn)),
        "sentence, front end": lambda turn: ids(tokenise(_turn(texts.sentences, turn))),
        "sentence, model": lambda turn: run(_turn(ready, turn)),
    }


def _essay_calls(emotions: TextRecognizer, scorer: TraitRecognizer | None, texts: Texts) -> Calls:
    def over_time(turn: int) -> object:
        return [emotions.recognize(part) for part in emotions.parts(_turn(texts.essays, turn))]

    calls: Calls = {"essay, over time": over_time}
    if scorer:
        inner, read = scorer._model, scorer.read
        ids = TokenIds(inner.settings)
        ready = [[ids(run)[None] for run in inner.runs(tokens_of(essay))] for essay in texts.essays]
        calls["essay, traits"] = lambda turn: read(_turn(texts.essays, turn))
        calls["essay, traits, front end"] = lambda turn: [
            ids(run) for run in inner.runs(tokens_of(_turn(texts.essays, turn)))
        ]
        calls["essay, traits, model"] = lambda turn: [inner._interpreter.run(row) for row in _turn(ready, turn)]
    return calls


def _peers(texts: Texts, *, labels: int, traits: int) -> tuple[Calls, str]:
    """The usual way with text, and why there is none."""
    try:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.multiclass import OneVsRestClassifier
        from sklearn.pipeline import make_pipeline
    except ImportError:
        return {}, "scikit-learn is not installed: pip install scikit-learn"
    generator = np.random.default_rng(0)

    def fitted(known: Sequence[str], outputs: int) -> Callable[[list[str]], object]:
        way = make_pipeline(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
            OneVsRestClassifier(LogisticRegression(solver="liblinear")),
        )
        # Each label is there and not there at least once.
        targets = generator.integers(0, 2, (len(known), outputs))
        targets[0], targets[1] = 0, 1
        predict: Callable[[list[str]], object] = way.fit(list(known), targets).predict_proba
        return predict

    sentence = fitted(texts.sentences, labels)
    calls: Calls = {"sentence, TF-IDF": lambda turn: sentence([_turn(texts.sentences, turn)])}
    if traits:
        essay = fitted(texts.essays, traits)
        calls["essay, traits, TF-IDF"] = lambda turn: essay([_turn(texts.essays, turn)])
    return calls, ""


def _turn(items: Sequence[_Item], turn: int) -> _Item:
    return items[turn % len(items)]


def table(results: measuring.Results) -> str:
    """The figures for people."""
    return "\n".join(_lines(results))


def _lines(results: measuring.Results) -> Iterator[str]:
    protocol = results["protocol"]
    models = ", ".join(
        f"{task}/{model['file']} ({model['size_bytes'] / 1e6:.2f} MB, {model['tokens']} tokens at once)"
        for task, model in results["models"].items()
    )
    yield (
        f"{protocol['rounds']} rounds in turn after {protocol['warmup']} to warm up; {results['texts']}: "
        f"{protocol['words_a_sentence']:g} words a sentence, {protocol['words_an_essay']} an essay; one thread"
    )
    yield models
    yield ""
    yield f"{'':<28}{'median':>10}{'5 %':>10}{'95 %':>10}"
    for name, values in results["milliseconds"].items():
        yield f"{name:<28}{values['median']:>10.3f}{values['p5']:>10.3f}{values['p95']:>10.3f} ms"
    yield ""
    for pair, times in results["ratios"].items():
        yield f"{pair:<44}{times:>10.2f}x"
    if not results["traits_absent"] and results["essays_scored"] < protocol["essays"]:
        yield f"only {results['essays_scored']} of the essays get a score; the model is not run for the others"
    for missing in (results["tfidf_absent"], results["traits_absent"]):
        if missing:
            yield missing


def _trait_model(name: str | None) -> Path | None:
    """The trait model; None where none was named and none is there."""
    try:
        return find_model("traits", name or "traits")
    except ModelError:
        if name:
            raise
        return None


def run(arguments: argparse.Namespace) -> int:
    results = measure(
        find_model("text-emotion", arguments.model or Config().text.model),
        _trait_model(arguments.traits_model),
        data=arguments.data,
        rounds=20 if arguments.quick else arguments.rounds,
        progress=measuring.show_progress(arguments),
    )
    measuring.report("text_cost", results, table, as_json=arguments.json)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    parser = measuring.parser("benchmarks.text_cost", __doc__)
    parser.add_argument("--model", metavar="NAME|FILE", help="the text-emotion model (default: the configuration's)")
    parser.add_argument("--traits-model", metavar="NAME|FILE", help="the trait model (default: traits, if it is there)")
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="folder of GoEmotions and the essays (default: made-up texts)"
    )
    parser.add_argument("--rounds", type=measuring.positive, default=300, metavar="N", help="default 300")
    arguments = parser.parse_args(argv)
    return measuring.main(parser.prog, lambda: run(arguments))


if __name__ == "__main__":
    sys.exit(main())
