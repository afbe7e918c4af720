"""One door to all ways of converting: a float model, data and a method give the bytes of a .tflite file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from converter import environment, export, mixed, verify
from converter.data import Data
from converter.goals import goal_of
from converter.subject import Subject, of_model
from edge.errors import DataError, ModelError

Method = Literal["int8", "qat", "int16x8", "dynamic", "float16", "float32"]
METHODS: tuple[Method, ...] = get_args(Method)

_REMEMBERING = {"UNIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_LSTM", "UNIDIRECTIONAL_SEQUENCE_RNN"}
"""Operators that keep a state from one run to the next."""


@dataclass(frozen=True)
class Options:
    """How to convert; what a method has no use for is left aside."""

    seed: int = 0
    """Of the choice and order of samples."""
    calibration_samples: int = 500
    """At most so many measure the ranges of int8 and int16x8."""
    input_range: tuple[float, float] | None = None
    """The real numbers that the quantised input holds; None: the data's own (see `Data.input_range`)."""
    epochs: int = 3
    """Of qat."""
    learning_rate: float = 1e-4
    """Of qat: Adam's first one, falling along a cosine."""
    batch: int = 48
    """Samples per step of qat."""
    keep_float: tuple[str, ...] = ()
    """Names of layers that are to stay in float, for int8 and qat; see `mixed.Plan`."""
    checkpoint: Path | None = None
    """Folder for qat's state after each epoch: the same call goes on there after a kill."""
    progress: bool = True
    """Show progress bars, if stderr is a terminal."""

    def __post_init__(self) -> None:
        if min(self.calibration_samples, self.epochs, self.batch) < 1 or not 0 < self.learning_rate < 1:
            raise DataError(
                "calibration samples, epochs and batch must be 1 or more, and the learning rate between 0 and 1"
            )


@dataclass(frozen=True)
class Converted:
    """A file that is not written yet."""

    content: bytes
    """Of the .tflite file."""
    method: Method
    notes: dict[str, Any]
    """What the manifest says of how it was made: counts, seed, epochs."""
    left_in_float: tuple[str, ...]
    """The operators that work in float, by TFLite's names, one entry each; see `verify.Operators.floating`."""


def convert(subject: Subject, data: Data, method: Method, options: Options | None = None) -> Converted:
    """Convert a float model.

    Parameters
    ----------
    data
        float32, float16 and dynamic look at none of it.
    method
        - float32: no quantisation.
        - float16: weights in half precision.
        - dynamic: int8 weights, float activations.
        - int8: ranges are measured on calibration samples, weights stay.
        - int16x8: so too, with int16 activations.
        - qat: fine-tuned with int8's rounding in place, towards the labels or, without any, towards the float model's
          own answers; layers that TFMOT does not take are calibrated.

        In int8, int16x8 and qat a layer that has no such form in TFLite stays in float, and is told of.

    Raises
    ------
    ModelError
        The method does not take the model; the message says which does. Or it has an LSTM that is not known as a layer,
        which TFLite would give a memory of earlier runs.
    DataError
        The data does not fit it.
    """
    options = options or Options()
    environment.prepare()
    if method in ("int8", "int16x8", "qat"):
        ends = options.input_range or data.input_range
        export.check_calibration(data.calibration.x, subject, ends)
        if method == "qat":
            export.check_input(data.validation.x, subject, ends)
        _check_table(subject, data)
    subject = prepared(subject)
    notes: dict[str, Any] = {}
    if method == "float32":
        content = export.float32(subject)
    elif method == "float16":
        content = export.float16(subject)
    elif method == "dynamic":
        content = export.dynamic(subject)
    elif method == "qat":
        content, notes = _fine_tuned(subject, data, options)
    else:
        content, notes = _calibrated(subject, data, method, options)
    return Converted(content, method, notes, _floating(subject, content))


def prepared(subject: Subject) -> Subject:
    """The same, flat and with its recurrent layers unrolled, as all methods convert it; a bare function stays.

    Raises
    ------
    ModelError
        See `mixed.prepared`.
    """
    if subject.model is None:
        return subject
    model = mixed.prepared(subject.model)
    return subject if model is subject.model else of_model(model, path=subject.path)


def _check_table(subject: Subject, data: Data) -> None:
    """Refuse numbers that a model's tables have no rows for: only the model knows how many there are."""
    import tensorflow as tf

    if subject.dtype.kind == "f":
        return
    try:
        subject.predict(data.calibration.x)
    except tf.errors.InvalidArgumentError:
        raise DataError(
            f"{data.source}: numbers from {data.calibration.x.min()} to {data.calibration.x.max()}, and the model's "
            "table has no row for some of them: make them with the vocabulary that the model was trained with"
        ) from None


def calibration_of(data: Data, options: Options) -> npt.NDArray[Any]:
    """The samples that ranges are measured on: a seeded choice, in the data's order."""
    order = np.random.default_rng(options.seed).permutation(len(data.calibration))
    return data.calibration.x[np.sort(order[: options.calibration_samples])]


def _calibrated(
    subject: Subject, data: Data, method: Literal["int8", "int16x8"], options: Options
) -> tuple[bytes, dict[str, Any]]:
    chosen = calibration_of(data, options)
    ends = options.input_range or data.input_range
    notes = {"calibration_samples": len(chosen), "seed": options.seed}
    if method == "int8":
        content = export.int8_calibrated(
            subject,
            chosen,
            pixel_range=ends,
            keep_float=options.keep_float,
            progress=options.progress,
        )
        return content, notes | ({"kept_in_float": list(options.keep_float)} if options.keep_float else {})
    if options.keep_float:
        raise ModelError(
            f"{subject.where}: int16x8 keeps no layers in float; leave {', '.join(options.keep_float)} out, or convert "
            "with --method int8"
        )
    return export.int16x8(subject, chosen, input_range=ends, progress=options.progress), notes


def _fine_tuned(subject: Subject, data: Data, options: Options) -> tuple[bytes, dict[str, Any]]:
    import tf_keras

    if subject.model is None:
        raise ModelError(
            f"{subject.where}: only its function is known, not its layers, so that it cannot be fine-tuned: give the "
            "Keras file, or convert with --method int8"
        )
    learned, held = data.calibration, data.validation
    chosen = calibration_of(data, options)
    goal = goal_of(subject, learned, held, progress=options.progress)

    def batches(epoch: int) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
        shuffled = np.random.default_rng((options.seed, epoch)).permutation(len(learned))
        for begin in range(0, len(shuffled), options.batch):
            part = shuffled[begin : begin + options.batch]
            yield learned.x[part], goal.targets[part]

    tf_keras.utils.set_random_seed(options.seed)
    made = mixed.fine_tune(
        subject.model,
        batches,
        calibration=chosen,
        epochs=options.epochs,
        learning_rate=options.learning_rate,
        steps_per_epoch=-(-len(learned) // options.batch),
        score=goal.score,
        loss=goal.loss,
        input_range=options.input_range or data.input_range,
        keep_float=options.keep_float,
        checkpoint=options.checkpoint,
        progress=options.progress,
    )
    return made.content, {
        "training_samples": len(learned),
        "calibration_samples": len(chosen),
        "validation_samples": len(held),
        "targets": goal.name,
        "epochs": options.epochs,
        "learning_rate": options.learning_rate,
        "seed": options.seed,
        "best_epoch": made.tuned.best_epoch,
        f"validation_{goal.measure}": made.tuned.best_score,
        "layers": made.plan.as_dict(),
    }


def _floating(subject: Subject, content: bytes) -> tuple[str, ...]:
    with tempfile.TemporaryDirectory(prefix="affect-edge-") as scratch:
        path = Path(scratch) / "converted.tflite"
        path.write_bytes(content)
        operators = verify.operators(path)
    if remembering := sorted(_REMEMBERING & set(operators.counts)):
        raise ModelError(
            f"{subject.where}: becomes {', '.join(remembering)} in TFLite, which carries its state from one run into "
            "the next, so that answers would depend on what was asked before: give the Keras file, whose layers are "
            "unrolled"
        )
    return operators.floating
