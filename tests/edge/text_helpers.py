"""Tiny text models whose answers can be worked out by hand: a few words speak for a label, all others for none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from edge.features.token_ids import TextSettings, TokenIds
from edge.features.words import tokenise
from edge.inference.interpreter import load_interpreter
from edge.inference.manifest import (
    Band,
    Calibration,
    Manifest,
    TensorSpec,
    TextInput,
    TraitScores,
    file_sha256,
)

DATA = Path(__file__).parents[1] / "data"
SMALL_EMOTION = DATA / "small_text_emotion.tflite"
SMALL_TRAITS = DATA / "small_traits.tflite"
"""Real int8 models: `small_network`, converted by `convert_ids`."""

FloatArray = npt.NDArray[np.float32]

EMOTIONS: Final = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
TRAITS: Final = ("openness", "conscientiousness", "extraversion", "agreeableness", "neuroticism")

_PLAIN: Final = tuple(
    "the a an is are was were i you he she it we they am be not and or of in on to with my your our his her this that "  # noqa: SIM905
    "day today tomorrow yesterday weather book read house work friend tree table chair water walk walked went came "
    "said will have had <number> [name] . , ! ?".split()
)

_EMOTIONAL: Final = {
    "angry": "angry furious hate",
    "disgust": "disgusting gross",
    "fear": "afraid scared fear",
    "happy": "happy wonderful love :heavy_black_heart: :)",
    "sad": "sad cry lonely :(",
    "surprise": "wow surprised",
}
_TELLING: Final = {
    "openness": "music art dream",
    "conscientiousness": "plan tidy",
    "extraversion": "party friends",
    "agreeableness": "kind help",
    "neuroticism": "worried nervous",
}

EMOTION_STEP, TRAIT_STEP = 6.0, 1.0
"""What one word adds to the logit of the label that it speaks for."""
EMOTION_REPEATS, TRAIT_REPEATS = 3, 4
"""How many of the same word count."""

EMOTION_BIAS: Final = np.array([-3.0] * 6 + [0.5], np.float32)
TRAIT_BIAS: Final = np.full(5, -0.5, np.float32)

EMOTION_SETTINGS: Final = TextSettings(length=12, words=(*_PLAIN, *" ".join(_EMOTIONAL.values()).split()))
TRAIT_SETTINGS: Final = TextSettings(
    length=20, words=(*_PLAIN, *" ".join(_TELLING.values()).split()), buckets=16, pieces=3
)
"""With pieces, which weigh nothing: a word's vector stands at its own number alone."""

BANDS: Final = (
    Band(score_from=0.0, score_to=0.5, texts=40, share=0.4, low=0.2635, high=0.554),
    Band(score_from=0.5, score_to=1.0, texts=60, share=0.7, low=0.5749, high=0.8013),
)


def emotion_table() -> FloatArray:
    """(numbers, labels): what each word adds; a word of an emotion speaks against 'neutral' too."""
    table = _table(EMOTION_SETTINGS, EMOTIONS, _EMOTIONAL, EMOTION_STEP)
    table[:, -1] = -table.sum(1) / 2
    return table


def trait_table() -> FloatArray:
    """(numbers, labels): what each word adds."""
    return _table(TRAIT_SETTINGS, TRAITS, _TELLING, TRAIT_STEP)


def small_network(ids: Any, table: FloatArray, bias: FloatArray) -> Any:
    """A function of (1, length, pieces) int32 that TensorFlow can trace: the sum of all vectors, and a bias."""
    import tensorflow as tf

    flat = tf.reshape(ids, (1, -1))
    return tf.reduce_sum(tf.gather(table, flat), axis=1) + bias


def convert_ids(network: Any, samples: npt.NDArray[np.int32], *, owner: Any = None) -> bytes:
    """The bytes of an int8 model of int32 numbers; `samples` (n, length, pieces) give the ranges."""
    import tensorflow as tf

    traced = tf.function(network, input_signature=[tf.TensorSpec((1, *samples.shape[1:]), tf.int32)])
    converter = tf.lite.TFLiteConverter.from_concrete_functions([traced.get_concrete_function()], owner)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([sample[None]] for sample in samples)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def sample_ids(settings: TextSettings, texts: list[str]) -> npt.NDArray[np.int32]:
    """(n, length, pieces) of some texts."""
    ids = TokenIds(settings)
    return np.stack([ids(tokenise(text)) for text in texts])


def calibration_texts(settings: TextSettings, repeats: int) -> list[str]:
    """Each word so many times, for the ranges must hold what that adds up to; more of it changes nothing further."""
    return ["", *(" ".join([word] * repeats) for word in settings.words)]


def install_text_model(folder: Path, *, name: str = "text", **calibration: Any) -> Path:
    """Put the tiny text-emotion model with its manifest into a models folder; returns its file."""
    return _install(
        SMALL_EMOTION,
        folder / "text-emotion" / f"{name}.tflite",
        EMOTION_SETTINGS,
        task="text-emotion",
        labels=EMOTIONS,
        calibration=Calibration(link="sigmoid", **calibration),
    )


def install_trait_model(folder: Path, *, name: str = "traits", least_words: int = 10) -> Path:
    """The same with the tiny trait model."""
    scores = TraitScores(least_words=least_words, words_measured=30, bands=dict.fromkeys(TRAITS, BANDS))
    return _install(
        SMALL_TRAITS,
        folder / "traits" / f"{name}.tflite",
        TRAIT_SETTINGS,
        task="traits",
        labels=TRAITS,
        calibration=Calibration(link="sigmoid"),
        traits=scores,
    )


def alter(model: Path, **changes: object) -> None:
    """Change a manifest's keys, those of its parts written with __ for the dot."""
    path = model.with_suffix(".json")
    document = json.loads(path.read_text())
    for key, value in changes.items():
        first, _, second = key.partition("__")
        if second:
            document[first][second] = value
        else:
            document[first] = value
    path.write_text(json.dumps(document))


def _table(settings: TextSettings, labels: tuple[str, ...], words: dict[str, str], step: float) -> FloatArray:
    ids = TokenIds(settings)
    table = np.zeros((settings.numbers, len(labels)), np.float32)
    for label, telling in words.items():
        for word in telling.split():
            table[ids([word])[0, 0], labels.index(label)] = step
    return table


def _install(source: Path, model: Path, settings: TextSettings, **keys: Any) -> Path:
    model.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, model)
    interpreter = load_interpreter(model)
    entry, out = interpreter.input, interpreter.output
    Manifest(
        name=model.stem,
        version="1",
        file=model.name,
        sha256=file_sha256(model),
        size_bytes=model.stat().st_size,
        input=TextInput(shape=entry.shape, dtype="int32", text=settings),
        output=TensorSpec(shape=out.shape, dtype="int8", scale=out.scale, zero_point=out.zero_point),
        **keys,
    ).write(model.with_suffix(".json"))
    model.with_suffix(".md").write_text("# small\n\nKnows nothing.\n")
    return model
