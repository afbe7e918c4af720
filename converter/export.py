"""From a float model to the bytes of a .tflite file: float, or int8 (int16) from input to output.

A batch of one is baked in: with an open batch axis TFLite computes shapes at run time, in operators that int8 does not
reach. The same model and the same data give the same bytes each time.

What is converted is a tf_keras.Model or a `Subject`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from converter import environment, layer_names, selective
from converter.subject import Subject, of_model
from edge.errors import DataError, ModelError

FloatArray = npt.NDArray[np.float32]
Range = tuple[float, float]
Made = TypeVar("Made")


def float32(model: Any) -> bytes:
    """A float .tflite file, for comparison or for boards that are faster in float."""
    subject = _subject(model)
    return _convert(subject, _converter(subject))


def float16(model: Any) -> bytes:
    """A .tflite file with weights in half precision, that computes in float32 on a CPU and in float16 on a GPU."""
    import tensorflow as tf

    subject = _subject(model)
    converter = _converter(subject)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    return _convert(subject, converter)


def dynamic(model: Any) -> bytes:
    """A .tflite file with int8 weights whose activations stay in float ("dynamic range"); needs no data.

    TFLite leaves weights of less than 1024 numbers in float.
    """
    import tensorflow as tf

    subject = _subject(model)
    converter = _converter(subject)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    return _convert(subject, converter)


def int8_from_qat(model: Any) -> bytes:
    """An int8 .tflite file of a model with fake quantisation, whose ranges it takes (see `qat.fine_tune`)."""
    import tensorflow as tf

    subject = _subject(model)
    converter = _converter(subject)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    return _convert(subject, converter)


def int8_calibrated(
    model: Any,
    calibration: npt.NDArray[Any],
    *,
    pixel_range: Range | None = (0.0, 1.0),
    keep_float: tuple[str, ...] = (),
    progress: bool = False,
) -> bytes:
    """An int8 .tflite file by post-training quantisation (Jacob et al. 2018).

    What has no int8 form in TFLite works in float, between a DEQUANTIZE and a QUANTIZE: `verify.require_int8` tells.

    Parameters
    ----------
    model
        Float, or with fake quantisation in some of its layers, whose ranges are taken (see `converter.mixed`).
    calibration
        (n, ...) as the model takes it, float32 or, for a model that looks its input up in a table, int32: the ranges
        of all activations come from these.
    pixel_range
        The real numbers that the float input is made to hold, exactly; TFLite widens it to hold zero. None: those of
        the calibration data.
    keep_float
        Names of layers that stay in float too; input and output are int8 all the same. See `selective`.
    progress
        Show a progress bar, if stderr is a terminal.

    Raises
    ------
    DataError
        The calibration data is empty, of another shape or dtype, not finite, outside `pixel_range`, or without a
        range: all its numbers are the same.
    ModelError
        TFLite cannot hold the model, or a name in `keep_float` is no layer's.
    """
    import tensorflow as tf

    if keep_float:
        return calibrated(model, calibration, pixel_range=pixel_range, progress=progress).quantised(keep_float)
    subject = _subject(model)
    return _with_data(
        subject, calibration, pixel_range, tf.int8, _int8_operators(), _finish(subject), progress=progress
    )


def calibrated(
    model: Any,
    calibration: npt.NDArray[Any],
    *,
    pixel_range: Range | None = (0.0, 1.0),
    progress: bool = False,
) -> selective.Calibrated:
    """What `int8_calibrated` quantises, before it does: to choose, once or several times, which layers stay in float.

    Parameters and errors are those of `int8_calibrated`.
    """
    import tensorflow as tf

    subject = _subject(model)
    names = layer_names.of_model(subject.model)

    def finish(converter: Any) -> selective.Calibrated:
        return selective.calibrate(converter, names, subject.where)

    return _with_data(subject, calibration, pixel_range, tf.int8, _int8_operators(), finish, progress=progress)


def int8_of_ids(model: Any, calibration: npt.NDArray[np.int32]) -> bytes:
    """An int8 .tflite file of a model that looks its int32 input up in a table; the input stays int32.

    See `int8_calibrated`.
    """
    return int8_calibrated(model, calibration, pixel_range=None)


def int16x8(
    model: Any,
    calibration: npt.NDArray[Any],
    *,
    input_range: Range | None = None,
    progress: bool = False,
) -> bytes:
    """A .tflite file with int8 weights and int16 activations, input and output: more exact than int8, and slower.

    Parameters and errors are those of `int8_calibrated`; int16 has no zero point, so that the input holds from -m to m
    with m the larger end of its range.
    """
    import tensorflow as tf

    sets = tf.lite.OpsSet
    operators = (sets.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8, sets.TFLITE_BUILTINS)
    subject = _subject(model)
    return _with_data(subject, calibration, input_range, tf.int16, operators, _finish(subject), progress=progress)


def check_calibration(x: npt.NDArray[Any], model: Any, input_range: Range | None) -> None:
    """Refuse data that a model does not take, or that has no range.

    Raises
    ------
    DataError
        With what is wrong in one line.
    """
    check_input(x, model, input_range)
    if len(x) > 1 and x.min() == x.max():
        raise DataError(f"calibration data in which all numbers are {x.flat[0]:g}: give real samples")


def check_input(x: npt.NDArray[Any], model: Any, pixel_range: Range | None) -> None:
    """Refuse data that a model (tf_keras.Model or `Subject`) does not take.

    Raises
    ------
    DataError
        With what is wrong in one line.
    """
    if isinstance(model, Subject):
        wanted, dtype = model.shape, model.dtype
    else:
        wanted, dtype = tuple(model.input_shape[1:]), np.dtype(model.inputs[0].dtype.as_numpy_dtype)
    sides = ", ".join(map(str, wanted))
    if x.shape[1:] != wanted or x.ndim != len(wanted) + 1 or x.dtype != dtype:
        raise DataError(f"data of shape {x.shape}, {x.dtype}, where the model takes (n, {sides}), {dtype}")
    if len(x) == 0:
        raise DataError(f"data without a single sample, where the model takes (n, {sides}), {dtype}")
    if dtype.kind != "f":
        return
    if not np.isfinite(x).all():
        raise DataError("data with NaN or infinite numbers")
    if pixel_range is None:
        return
    low, high = pixel_range
    if x.min() < low or x.max() > high:
        raise DataError(f"data from {x.min():g} to {x.max():g}, where the input goes from {low:g} to {high:g}")


def _int8_operators() -> tuple[Any, ...]:
    import tensorflow as tf

    return tf.lite.OpsSet.TFLITE_BUILTINS_INT8, tf.lite.OpsSet.TFLITE_BUILTINS


def _finish(subject: Subject) -> Callable[[Any], bytes]:
    return lambda converter: _convert(subject, converter)


def _with_data(
    subject: Subject,
    calibration: npt.NDArray[Any],
    input_range: Range | None,
    kind: Any,
    operators: tuple[Any, ...],
    finish: Callable[[Any], Made],
    *,
    progress: bool,
) -> Made:
    """What `finish` makes of a converter that has its calibration data."""
    import tensorflow as tf

    check_calibration(calibration, subject, input_range)
    converter = _converter(subject)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    # What is int32 to look up a table with stays so.
    converter.inference_input_type = kind
    converter.inference_output_type = kind
    converter.target_spec.supported_ops = list(operators)
    # What `environment.quiet` swallows is all of stderr; the bar goes round it.
    with os.fdopen(os.dup(2), "w") as terminal:
        bar = tqdm(
            calibration, desc="calibrate", unit="sample", file=terminal, disable=None if progress else True, leave=False
        )
        converter.representative_dataset = lambda: ([each] for each in _with_full_range(bar, input_range))
        return finish(converter)


def _with_full_range(samples: Any, ends: Range | None) -> Iterator[npt.NDArray[Any]]:
    """Batches of one; two numbers of the first one set to the ends of the range: too few to move other ranges."""
    for index, sample in enumerate(samples):
        if index == 0 and ends is not None:
            first = sample.copy()
            first.flat[0], first.flat[-1] = ends
            yield first[None]
            if first.size == 1:
                yield np.full_like(first, ends[0])[None]
        else:
            yield sample[None]


def _subject(model: Any) -> Subject:
    environment.prepare()
    return model if isinstance(model, Subject) else of_model(model)


def _converter(subject: Subject) -> Any:
    environment.prepare()
    import tensorflow as tf

    owner = subject.keep[0] if subject.keep else None
    if subject.model is not None:
        # TensorFlow saves the owner with all that hangs on it: for a model, functions of each layer, which takes five
        # times as long as the conversion.
        owner = tf.Module()
        owner.held = list(subject.function.variables)
    return tf.lite.TFLiteConverter.from_concrete_functions([subject.function], owner)


def _convert(subject: Subject, converter: Any) -> bytes:
    from tensorflow.lite.python.convert import ConverterError

    try:
        with environment.quiet():
            return bytes(converter.convert())
    except (ConverterError, RuntimeError, ValueError) as error:
        line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        # In front stands the line of whatever program called TensorFlow.
        line = re.sub(r"^\S+:\d+:\d+: (error: )?", "", line)
        raise ModelError(f"{subject.where}: TFLite cannot hold it: {line}") from error
