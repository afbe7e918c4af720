"""One door to all ways of converting: a float model, data and a method give the bytes of a .tflite file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from converter import environment, export, verify
from converter.data import Data
from converter.goals import goal_of
from converter.subject import Subject
from edge.errors import DataError, ModelError

Method = Literal["int8", "qat", "int16x8", "dynamic", "float16", "float32"]
METHODS: tuple[Method, ...] = get_args(Method)

FloatArray = npt.NDArray[np.float32]


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
    """Names of layers that are to stay in float."""
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
          own answers.

    Raises
    ------
    ModelError
        The method does not take the model; the message says which does.
    DataError
        The data does not fit it.
    """
    options = options or Options()
    environment.prepare()
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
    return Converted(content, method, notes, _floating(content))


def _calibrated(
    subject: Subject, data: Data, method: Literal["int8", "int16x8"], options: Options
) -> tuple[bytes, dict[str, Any]]:
    count = len(data.calibration)
    order = np.random.default_rng(options.seed).permutation(count)
    # Sorted, so that the samples are read in the file's order.
    chosen = data.calibration.x[np.sort(order[: options.calibration_samples])]
    ends = options.input_range or data.input_range

    def write(*, strict: bool) -> bytes:
        if method == "int16x8":
            return export.int16x8(subject, chosen, input_range=ends, strict=strict, progress=options.progress)
        return export.int8_calibrated(subject, chosen, pixel_range=ends, strict=strict, progress=options.progress)

    try:
        content = write(strict=True)
    except ModelError:
        content = write(strict=False)
    return content, {"calibration_samples": len(chosen), "seed": options.seed}


def _fine_tuned(subject: Subject, data: Data, options: Options) -> tuple[bytes, dict[str, Any]]:
    import tf_keras

    from converter import qat

    if subject.model is None:
        raise ModelError(
            f"{subject.where}: only its function is known, not its layers, so that it cannot be fine-tuned: give the "
            "Keras file, or convert with --method int8"
        )
    learned, held = data.calibration, data.validation
    goal = goal_of(subject, learned, held, progress=options.progress)
    ends = options.input_range or data.input_range or _ends(learned.x)

    def batches(epoch: int) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
        shuffled = np.random.default_rng((options.seed, epoch)).permutation(len(learned))
        for begin in range(0, len(shuffled), options.batch):
            part = shuffled[begin : begin + options.batch]
            yield learned.x[part], goal.targets[part]

    tf_keras.utils.set_random_seed(options.seed)
    tuned = qat.fine_tune(
        subject.model,
        batches,
        epochs=options.epochs,
        learning_rate=options.learning_rate,
        steps_per_epoch=-(-len(learned) // options.batch),
        score=goal.score,
        loss=goal.loss,
        pixel_range=ends,
        checkpoint=options.checkpoint,
        progress=options.progress,
    )
    return export.int8_from_qat(tuned.model), {
        "training_samples": len(learned),
        "targets": goal.name,
        "epochs": options.epochs,
        "learning_rate": options.learning_rate,
        "seed": options.seed,
        "best_epoch": tuned.best_epoch,
        f"validation_{goal.measure}": tuned.best_score,
        "validation_samples": len(held),
    }


def _ends(x: npt.NDArray[Any]) -> tuple[float, float]:
    """The range of real numbers, widened to hold zero as TFLite's does."""
    return min(float(x.min()), 0.0), max(float(x.max()), 0.0)


def _floating(content: bytes) -> tuple[str, ...]:
    with tempfile.TemporaryDirectory(prefix="affect-edge-") as scratch:
        path = Path(scratch) / "converted.tflite"
        path.write_bytes(content)
        return verify.operators(path).floating
