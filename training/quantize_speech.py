"""The last stage of a speech run: encoder and head become two int8 files with their manifests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from converter import bridge, cost, export, package, qat, verify
from converter.unrolled import unroll
from edge.inference.interpreter import load_interpreter
from edge.inference.manifest import SequenceInput, SpeechInput, file_sha256, manifest_path, read_manifest
from training.architectures.speech_net import SpeechNet
from training.datasets.speech_batches import SpeechBatches
from training.fit import Progress
from training.quantize import QAT_SEED_STEP, Written, training_notes
from training.recipe import SpeechRecipe
from training.speech import LIMITS, SpeechSplits, data_terms, speech_batches, unweighted_recall, validation_of

FloatArray = npt.NDArray[np.float32]

ENCODER_FOLDER, HEAD_FOLDER = "speech-encoder", "speech-emotion"

INPUT_RANGE = (-4.0, 4.0)
"""Normalised numbers that the int8 input can hold: deviations of the window; what lies beyond is cut off."""


def quantize_speech(
    recipe: SpeechRecipe,
    net: SpeechNet,
    state: Progress,
    splits: SpeechSplits,
    out: Path,
    models: Path,
    *,
    progress: bool,
) -> Written:
    """Quantise both parts, verify them together on the validation speakers, and write files and manifests.

    The encoder is fine-tuned with fake quantisation towards the float encoder's embeddings, or calibrated alone where
    the recipe asks for no epochs. The head is calibrated: TFMOT takes no LSTM; see `converter.unrolled` for why its
    layers are unrolled.

    Parameters
    ----------
    recipe, state, splits
        Of the float run.
    net
        With its best weights.
    out
        Folder of the run.
    models
        Folder that holds the tasks' folders, or will.

    Raises
    ------
    ModelError
        A file is not int8 throughout, or cannot be written.
    """
    windows = _training_windows(recipe, splits)
    encoder, note = _encoder(recipe, net, windows, splits, out, progress=progress)
    common: dict[str, Any] = {
        "name": recipe.name,
        "version": recipe.version,
        "training": training_notes(recipe, state, data_terms(recipe))
        | {"cleaning": splits.cleaning.as_dict(), "validation_recall_float": round(state.best_score, 4)},
        "limits": LIMITS,
    }
    encoder_path = package.write_package(
        encoder,
        models / ENCODER_FOLDER,
        task="speech-encoder",
        takes=(SpeechInput, {"spectrogram": splits.settings}),
        parameters=cost.parameters(net.encoder),
        multiply_adds=cost.multiply_adds(net.encoder),
        quantization=note,
        **common,
    )
    verify.require_int8(encoder_path)
    # The head is calibrated on what the int8 encoder says, which is what it will be given, in the same numbers.
    picked = windows[: recipe.quantization.calibration_images]
    stored = load_interpreter(encoder_path).output
    least, most = ((end - stored.zero_point) * stored.scale for end in (-128, 127))
    calibration = embed(encoder_path, picked, progress=progress).clip(least, most)
    head = export.int8_calibrated(unroll(bridge.to_tf_keras(net.head)), calibration, pixel_range=(least, most))
    head_path = package.write_package(
        head,
        models / HEAD_FOLDER,
        task="speech-emotion",
        labels=recipe.data.labels,
        takes=(SequenceInput, {"encoder": recipe.name, "encoder_sha256": file_sha256(encoder_path)}),
        parameters=cost.parameters(net.full),
        multiply_adds=cost.multiply_adds(net.encoder) + cost.multiply_adds(net.head),
        quantization=note | {"calibration_recordings": len(picked)},
        **common,
    )
    verify.require_int8(head_path)
    validation = validation_of(splits, splits.validation, recipe)
    reference = np.asarray(net.full.predict(validation.windows, batch_size=128, verbose=0), np.float32)
    answers = answer(head_path, validation.windows, progress=progress)
    found = verify.agreement(reference, answers)
    recall = unweighted_recall(answers, validation.labels)
    _note(head_path, {"agreement_on_validation": found.as_dict(), "validation_recall": round(recall, 4)})
    return Written(
        head_path,
        f"names what the float model names on {found.top1:.2%} of the validation recordings; unweighted average recall "
        f"{recall:.4f}, in float {state.best_score:.4f}; encoder: {encoder_path.stat().st_size} bytes",
    )


def answer(head: Path, windows: FloatArray, *, progress: bool = False) -> FloatArray:
    """Logits of a head's file and its encoder's, (n, windows, frames, bands) -> (n, labels)."""
    manifest = read_manifest(manifest_path(head))
    assert isinstance(manifest.input, SequenceInput)  # a speech model's manifest is refused without it
    encoder = head.parents[1] / ENCODER_FOLDER / f"{manifest.input.encoder}.tflite"
    return verify.logits(head, embed(encoder, windows, progress=progress))


def embed(encoder: Path, windows: FloatArray, *, progress: bool = False) -> FloatArray:
    """What an encoder's file says of normalised windows, (n, windows, frames, bands) -> (n, windows, numbers)."""
    flat = windows.reshape(-1, *windows.shape[2:], 1)
    return verify.logits(encoder, flat, progress=progress).reshape(*windows.shape[:2], -1)


def _training_windows(recipe: SpeechRecipe, splits: SpeechSplits) -> FloatArray:
    """(n, windows, frames, bands) recordings of training speakers, varied as in training, for the ranges."""
    batches = speech_batches(recipe, splits, seed=recipe.seed + QAT_SEED_STEP)
    count = -(-max(recipe.quantization.calibration_images, 1) // recipe.schedule.batch_size)
    return np.concatenate([batches[index][0] for index in range(min(count, len(batches)))]).clip(*INPUT_RANGE)


def _encoder(
    recipe: SpeechRecipe, net: SpeechNet, windows: FloatArray, splits: SpeechSplits, out: Path, *, progress: bool
) -> tuple[bytes, dict[str, Any]]:
    """The int8 encoder and what the manifest says of how it was made."""
    options = recipe.quantization
    legacy = bridge.to_tf_keras(_folded(net.encoder))
    if not options.epochs:
        flat = windows[: options.calibration_images].reshape(-1, *windows.shape[2:], 1)
        picked = np.random.default_rng(recipe.seed).permutation(len(flat))[: options.calibration_images]
        return export.int8_calibrated(legacy, flat[picked], pixel_range=INPUT_RANGE), {
            "method": "int8",
            "calibration_windows": len(picked),
        }
    validation = validation_of(splits, splits.validation, recipe)

    def recall(candidate: Any) -> float:
        """Of the float head on the candidate's embeddings."""
        flat = validation.windows.reshape(-1, *validation.windows.shape[2:], 1).clip(*INPUT_RANGE)
        embeddings = candidate.predict(flat, batch_size=256, verbose=0)
        sequences = embeddings.reshape(*validation.windows.shape[:2], -1)
        return unweighted_recall(net.head.predict(sequences, batch_size=256, verbose=0), validation.labels)

    batches = speech_batches(recipe, splits, seed=recipe.seed + QAT_SEED_STEP)
    tuned = qat.fine_tune(
        legacy,
        lambda epoch: _towards(net.encoder, batches, epoch),
        epochs=options.epochs,
        learning_rate=options.learning_rate,
        steps_per_epoch=len(batches),
        score=recall,
        loss=_squared_error,
        pixel_range=INPUT_RANGE,
        checkpoint=out,
        progress=progress,
    )
    return export.int8_from_qat(tuned.model), {
        "method": "qat",
        "epochs": options.epochs,
        "kept_epoch": tuned.best_epoch,
        "towards": "the float encoder's embeddings",
    }


def _folded(encoder: keras.Model) -> keras.Model:
    """The same encoder with the last batch norm folded into the dense layer before it.

    Fine-tuned with fake quantisation, the pair would stay in float: the converter folds only those behind convolutions.
    """
    norm = encoder.get_layer("embedding_norm")
    gamma, beta, mean, variance = norm.get_weights()
    scale = gamma / np.sqrt(variance + norm.epsilon)
    (kernel,) = encoder.get_layer("embedding").get_weights()
    dense = keras.layers.Dense(kernel.shape[1], activation="relu", name="embedding")
    folded = keras.Model(encoder.input, dense(encoder.get_layer("flat").output), name=encoder.name)
    dense.set_weights([kernel * scale, beta - mean * scale])
    return folded


def _towards(encoder: keras.Model, batches: SpeechBatches, epoch: int) -> Iterator[tuple[FloatArray, FloatArray]]:
    """One epoch's windows, one of each recording, and the float encoder's embeddings of them."""
    batches.epoch = epoch
    for index in range(len(batches)):
        windows = batches[index][0]
        rng = np.random.default_rng((epoch, index))
        picked = windows[np.arange(len(windows)), rng.integers(windows.shape[1], size=len(windows))]
        x = picked[..., None].clip(*INPUT_RANGE)
        yield x, np.asarray(encoder.predict_on_batch(x), np.float32)


def _squared_error(targets: Any, outputs: Any) -> Any:
    import tensorflow as tf

    return tf.reduce_mean(tf.square(targets - outputs))


def _note(model: Path, figures: dict[str, Any]) -> None:
    """Add what was found on the validation speakers to a manifest."""
    path = manifest_path(model)
    manifest = read_manifest(path)
    manifest.model_copy(update={"quantization": manifest.quantization | figures}).write(path)
