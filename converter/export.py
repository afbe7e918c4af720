"""From a legacy Keras model to the bytes of a .tflite file: float32, or int8 from input to output.

A batch of one is baked in: with an open batch axis TFLite computes shapes at run time, in operators that int8 does not
reach. The same model gives the same bytes each time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from converter import environment
from edge.errors import DataError, ModelError

FloatArray = npt.NDArray[np.float32]


def float32(model: Any) -> bytes:
    """A float .tflite file of a tf_keras.Model, for comparison or for boards that are faster in float."""
    return _convert(model, _converter(model))


def int8_from_qat(model: Any) -> bytes:
    """An int8 .tflite file of a model with fake quantisation, whose ranges it takes (see `qat.fine_tune`)."""
    converter = _converter(model)
    _want_int8(converter)
    return _convert(model, converter)


def int8_calibrated(model: Any, calibration: FloatArray, *, pixel_range: tuple[float, float] = (0.0, 1.0)) -> bytes:
    """An int8 .tflite file by post-training quantisation.

    Parameters
    ----------
    model
        tf_keras.Model, float.
    calibration
        (n, height, width, channels) as the model takes it, within `pixel_range`: the ranges of all activations come
        from these. The input's own range is made to be `pixel_range` exactly.

    Raises
    ------
    DataError
        The calibration data is empty, of another shape, not finite or outside `pixel_range`.
    ModelError
        A layer has no int8 form in TFLite.
    """
    check_input(calibration, model, pixel_range)
    return _calibrated(model, (sample[None] for sample in _with_full_range(calibration, pixel_range)))


def int8_of_ids(model: Any, calibration: npt.NDArray[np.int32]) -> bytes:
    """An int8 .tflite file of a model that looks its input up in a table; the input stays int32.

    Parameters
    ----------
    model
        tf_keras.Model, float, whose input is int32.
    calibration
        (n, length, pieces) int32 numbers of real texts: the ranges of all activations come from these.

    Raises
    ------
    DataError
        The calibration data is empty, of another shape, or not int32.
    ModelError
        A layer has no int8 form in TFLite.
    """
    wanted = tuple(model.input_shape[1:])
    if calibration.dtype != np.int32 or calibration.shape[1:] != wanted or len(calibration) == 0:
        raise DataError(
            f"data of shape {calibration.shape}, {calibration.dtype}, where the model takes "
            f"(n, {', '.join(map(str, wanted))}), int32"
        )
    return _calibrated(model, (row[None] for row in calibration))


def check_input(x: FloatArray, model: Any, pixel_range: tuple[float, float]) -> None:
    """Refuse data that the model does not take.

    Raises
    ------
    DataError
        With what is wrong in one line.
    """
    wanted = tuple(model.input_shape[1:])
    low, high = pixel_range
    if x.ndim != len(wanted) + 1 or x.shape[1:] != wanted:
        raise DataError(f"data of shape {x.shape}, where the model takes (n, {', '.join(map(str, wanted))})")
    if len(x) == 0:
        raise DataError("data without a single sample")
    if x.dtype != np.float32:
        raise DataError(f"data of dtype {x.dtype}, where float32 is needed")
    if not np.isfinite(x).all():
        raise DataError("data with NaN or infinite numbers")
    if x.min() < low or x.max() > high:
        raise DataError(f"data from {x.min():g} to {x.max():g}, where pixels go from {low:g} to {high:g}")


def _with_full_range(calibration: FloatArray, pixel_range: tuple[float, float]) -> Iterator[FloatArray]:
    """The samples, two numbers of the first one set to the ends of the range: too few to move other ranges."""
    first = calibration[0].copy()
    first.flat[0], first.flat[-1] = pixel_range
    yield first
    yield from calibration[1:]


def _calibrated(model: Any, samples: Iterator[npt.NDArray[Any]]) -> bytes:
    import tensorflow as tf

    converter = _converter(model)
    _want_int8(converter)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.representative_dataset = lambda: ([sample] for sample in samples)
    return _convert(model, converter)


def _converter(model: Any) -> Any:
    environment.prepare()
    import tensorflow as tf

    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ModelError(
            f"model '{model.name}': has {len(model.inputs)} inputs and {len(model.outputs)} outputs; one of each is "
            "supported"
        )
    shape = tuple(model.inputs[0].shape[1:])
    if None in shape:
        raise ModelError(
            f"model '{model.name}': input shape {shape} leaves a side open; build it with fixed sides, which int8 needs"
        )
    spec = tf.TensorSpec((1, *shape), model.inputs[0].dtype, name="input")
    function = tf.function(lambda x: model(x, training=False)).get_concrete_function(spec)
    return tf.lite.TFLiteConverter.from_concrete_functions([function], model)


def _want_int8(converter: Any) -> None:
    import tensorflow as tf

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8


def _convert(model: Any, converter: Any) -> bytes:
    from tensorflow.lite.python.convert import ConverterError

    try:
        with environment.quiet():
            return bytes(converter.convert())
    except (ConverterError, RuntimeError, ValueError) as error:
        line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
        raise ModelError(f"model '{model.name}': TFLite cannot hold it: {line}") from error
