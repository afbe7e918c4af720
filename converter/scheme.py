"""TFMOT's 8-bit scheme with the three differences that `converter.qat` gives reasons for.

Importing this module imports TensorFlow, since its classes inherit from TFMOT's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from converter import environment
from converter.legacy_operations import operation_layer
from edge.errors import ModelError

environment.prepare()

import tensorflow as tf  # noqa: E402
import tensorflow_model_optimization as tfmot  # noqa: E402
import tf_keras  # noqa: E402
from tensorflow_model_optimization.python.core.quantization.keras import (  # noqa: E402
    quant_ops,
    quantize_aware_activation,
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


def is_reshape(layer: Any) -> bool:
    """A reshape that takes the batch along: nothing to quantise, nor anything that the layers around it must know."""
    return isinstance(layer, operation_layer()) and layer.kind == "reshape"


class _Registry(registry.Default8BitQuantizeRegistry):  # type: ignore[misc]
    def __init__(self, left: Collection[str] = ()) -> None:
        super().__init__()
        self._left = left

    def supports(self, layer: Any) -> bool:
        # TFMOT puts fake quantisation behind a layer that it was not asked to quantise, if it knows the layer: that
        # would take a layer that is to stay in float into int8.
        return layer.name not in self._left and (is_reshape(layer) or bool(super().supports(layer)))

    def get_quantize_config(self, layer: Any) -> Any:
        if type(layer) is tf_keras.layers.DepthwiseConv2D and layer.depth_multiplier == 1:
            return _DepthwiseConfig()
        if is_reshape(layer):
            return registry.Default8BitQuantizeConfig([], [], False)
        return super().get_quantize_config(layer)


class _Scheme(default_8bit_quantize_scheme.Default8BitQuantizeScheme):  # type: ignore[misc]
    def __init__(self, left: Collection[str]) -> None:
        super().__init__()
        self._left = left

    def get_quantize_registry(self) -> Any:
        return _Registry(self._left)


class _RangeObserver(quantizers.MovingAverageQuantizer):  # type: ignore[misc]
    """The moving average of TFMOT with a decay that can be set, so that it can begin as a plain mean."""

    def __init__(self, decay: Any) -> None:
        super().__init__(num_bits=8, per_axis=False, symmetric=False, narrow_range=False)
        self._decay = decay

    def __call__(self, inputs: Any, training: Any, weights: Any, **kwargs: Any) -> Any:
        return quant_ops.MovingAvgQuantize(
            inputs, weights["min_var"], weights["max_var"], ema_decay=self._decay, is_training=training
        )


def refusal(layer: Any) -> str | None:
    """Why TFMOT cannot train a layer quantised; None where it can.

    Batch normalisation is taken where it stands behind a convolution, which only the graph tells: see `mixed.plan`.
    """
    kind = type(layer)
    if kind in (tf_keras.layers.InputLayer, tf_keras.layers.BatchNormalization):
        return None
    supported = _Registry()
    if not supported.supports(layer):
        return f"TFMOT does not take {kind.__name__}"
    try:
        config = supported.get_quantize_config(layer)
        config.get_output_quantizers(layer)
        activations = [activation for activation, _ in config.get_activations_and_quantizers(layer)]
    except ValueError:  # an Activation layer that it does not know
        activations = [layer.activation]
    known = quantize_aware_activation.QuantizeAwareActivation
    for activation in activations:
        name = getattr(activation, "__name__", type(activation).__name__)
        if name not in known._PRE_QUANT_ACTIVATIONS | known._POST_QUANT_ACTIVATIONS:
            return f"TFMOT does not take the activation {name}"
    return None


def quantize(
    model: Any,
    pixel_range: tuple[float, float],
    calibration: Iterable[npt.NDArray[np.float32]],
    *,
    left: Collection[str] = (),
) -> Any:
    """A copy of a model with fake quantisation, its batch normalisation frozen and its activation ranges measured.

    Parameters
    ----------
    model
        tf_keras.Model without models inside it.
    pixel_range
        The fixed range of the input.
    calibration
        Batches of input; each activation's range begins as the mean of the batches' ranges.
    left
        Names of layers that get no fake quantisation: they stay as they are.

    Raises
    ------
    ModelError
        TFMOT refuses a layer that is not among `left`; the message names it.
    """
    for layer in model.layers:
        why = refusal(layer)
        if why and layer.name not in left:
            raise ModelError(
                f"layer '{layer.name}' ({type(layer).__name__}) cannot be trained quantised: {why}; "
                "convert with --method int8, which calibrates instead"
            )

    def annotated(layer: Any) -> Any:
        copy = type(layer).from_config(layer.get_config())
        return copy if layer.name in left else tfmot.quantization.keras.quantize_annotate_layer(copy)

    try:
        marked = tf_keras.models.clone_model(model, clone_function=annotated)
        marked.set_weights(model.get_weights())
        quantized = tfmot.quantization.keras.quantize_apply(marked, _Scheme(left))
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
        inner = getattr(layer, "layer", layer)
        if isinstance(inner, tf_keras.layers.BatchNormalization):
            inner.trainable = False
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
