"""TFMOT's 8-bit scheme with the three differences that `converter.qat` gives reasons for.

Importing this module imports TensorFlow, since its classes inherit from TFMOT's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from converter import environment
from edge.errors import ModelError

environment.prepare()

import tensorflow as tf  # noqa: E402
import tensorflow_model_optimization as tfmot  # noqa: E402
import tf_keras  # noqa: E402
from tensorflow_model_optimization.python.core.quantization.keras import (  # noqa: E402
    quant_ops,
    quantize_layer,
    quantizers,
)
from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (  # noqa: E402
    default_8bit_quantize_registry as registry,
)
from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (  # noqa: E402
    default_8bit_quantize_scheme,
    default_8bit_quantizers,
)

_EMA_DECAY = 0.999


class _DepthwiseKernelQuantizer(default_8bit_quantizers.Default8BitConvWeightsQuantizer):  # type: ignore[misc]
    """Ranges per channel for kernels of shape (height, width, channels, 1)."""

    def build(self, tensor_shape: Any, name: str, layer: Any) -> Any:
        height, width, channels, multiplier = tensor_shape
        return super().build((height, width, multiplier, channels), name, layer)

    def __call__(self, inputs: Any, training: Any, weights: Any, **kwargs: Any) -> Any:
        turned = tf.transpose(inputs, (0, 1, 3, 2))
        return tf.transpose(super().__call__(turned, training, weights, **kwargs), (0, 1, 3, 2))


class _DepthwiseConfig(registry.Default8BitConvQuantizeConfig):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__(["depthwise_kernel"], ["activation"], False)
        self.weight_quantizer = _DepthwiseKernelQuantizer()


class _Registry(registry.Default8BitQuantizeRegistry):  # type: ignore[misc]
    def get_quantize_config(self, layer: Any) -> Any:
        if type(layer) is tf_keras.layers.DepthwiseConv2D and layer.depth_multiplier == 1:
            return _DepthwiseConfig()
        return super().get_quantize_config(layer)


class _Scheme(default_8bit_quantize_scheme.Default8BitQuantizeScheme):  # type: ignore[misc]
    def get_quantize_registry(self) -> Any:
        return _Registry()


class _RangeObserver(quantizers.MovingAverageQuantizer):  # type: ignore[misc]
    """The moving average of TFMOT with a decay that can be set, so that it can begin as a plain mean."""

    def __init__(self, decay: Any) -> None:
        super().__init__(num_bits=8, per_axis=False, symmetric=False, narrow_range=False)
        self._decay = decay

    def __call__(self, inputs: Any, training: Any, weights: Any, **kwargs: Any) -> Any:
        return quant_ops.MovingAvgQuantize(
            inputs, weights["min_var"], weights["max_var"], ema_decay=self._decay, is_training=training
        )


def quantize(model: Any, pixel_range: tuple[float, float], calibration: Iterable[npt.NDArray[np.float32]]) -> Any:
    """A copy of a model with fake quantisation, its batch normalisation frozen and its activation ranges measured.

    Parameters
    ----------
    model
        tf_keras.Model without models inside it.
    pixel_range
        The fixed range of the input.
    calibration
        Batches of input; each activation's range begins as the mean of the batches' ranges.

    Raises
    ------
    ModelError
        TFMOT refuses a layer; the message names it.
    """
    supported = _Registry()
    for layer in model.layers:
        # What it takes beside its registry: the input, and what its layout transforms fuse.
        fused = (tf_keras.layers.InputLayer, tf_keras.layers.BatchNormalization)
        if not isinstance(layer, fused) and not supported.supports(layer):
            raise ModelError(
                f"layer '{layer.name}' ({type(layer).__name__}) cannot be trained quantised: TFMOT does not take it; "
                "convert with --method int8, which calibrates instead"
            )
    try:
        annotated = tfmot.quantization.keras.quantize_annotate_model(model)
        quantized = tfmot.quantization.keras.quantize_apply(annotated, _Scheme())
    except (RuntimeError, ValueError) as error:
        line = " ".join(str(error).split())
        raise ModelError(f"model '{model.name}': TFMOT refuses it: {line}; convert with --method int8") from error

    decay = tf.Variable(0.0, trainable=False, name="range_decay")
    for layer in quantized.layers:
        if isinstance(layer, quantize_layer.QuantizeLayer):
            low, high = pixel_range
            # TFMOT numbers it through the process; the name goes into the file, whose bytes must not depend on that.
            layer._name = "input_quantizer"
            layer.quantizer = quantizers.FixedQuantizer(num_bits=8, init_min=low, init_max=high, narrow_range=False)
        _observe(layer, decay)
        if isinstance(getattr(layer, "layer", None), tf_keras.layers.BatchNormalization):
            layer.layer.trainable = False
    step = tf.function(lambda x: quantized(x, training=True), reduce_retracing=True)
    for seen, x in enumerate(calibration):
        decay.assign(seen / (seen + 1))
        step(tf.constant(x))
    decay.assign(_EMA_DECAY)
    return quantized


def _observe(wrapper: Any, decay: Any) -> None:
    """Exchange the activation quantizers of a wrapped layer; their variables stay."""
    outputs = getattr(wrapper, "_output_quantizers", None) or []
    for index, quantizer in enumerate(outputs):
        if type(quantizer) is quantizers.MovingAverageQuantizer:
            outputs[index] = _RangeObserver(decay)
    for activation in getattr(wrapper, "_quantize_activations", []):
        if type(activation.quantizer) is quantizers.MovingAverageQuantizer:
            activation.quantizer = _RangeObserver(decay)
