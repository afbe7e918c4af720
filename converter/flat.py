"""A legacy Keras model as one flat graph of plain layers, which is all that TFMOT takes.

Models inside the model are dissolved into their layers. So is TimeDistributed: the steps are folded into the batch, go
through the layer as samples of their own, and are taken apart again; that is what TimeDistributed means, and TFLite has
no other way to run it. Batch normalisation behind a dense layer is folded into it, because TFLite folds it only where
there is no fake quantisation in between (only convolutions are folded with it).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from converter import environment
from converter.legacy_operations import operation_layer
from edge.errors import ModelError


def flat(model: Any) -> Any:
    """The same model without models, TimeDistributed and foldable batch normalisation inside.

    Parameters
    ----------
    model
        tf_keras.Model, functional or sequential, built; it is left as it is.

    Returns
    -------
    tf_keras.Model with weights of its own and equal outputs. A layer in TimeDistributed has the wrapper's name, one
    inside a model that model's name before its own.

    Raises
    ------
    ModelError
        TimeDistributed over a number of steps that is left open, or a model inside whose graph cannot be read.
    """
    environment.prepare()
    import tf_keras

    inner = (tf_keras.Model, tf_keras.layers.TimeDistributed)
    if any(isinstance(layer, inner) for layer in model.layers):
        model = _Replay({}).rebuilt(model)
    folds = _dense_with_norm(model)
    return _Replay(folds).rebuilt(model) if folds else model


class _Replay:
    """Runs the graph of a legacy model again, with copies of its layers."""

    def __init__(self, folds: dict[str, Any]) -> None:
        self._folds = folds
        """The normalisation behind a dense layer, by the dense layer's name."""
        self._norms = {norm.name for norm in folds.values()}
        self._copies: dict[int, Any] = {}
        self._arrays: list[tuple[Any, list[Any]]] = []
        self._folded: dict[int, tuple[Any, Any]] = {}
        """By the id of a tensor whose steps stand apart: that tensor, so that its id stays its own, and it folded."""

    def rebuilt(self, model: Any) -> Any:
        import tf_keras

        inputs = [
            tf_keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=tensor.name.split(":")[0])
            for tensor in model.inputs
        ]
        outputs = self._run(model, inputs, "")
        fresh = tf_keras.Model(inputs, outputs[0] if len(outputs) == 1 else outputs, name=model.name)
        for layer, arrays in self._arrays:
            layer.set_weights(arrays)
        return fresh

    def _run(self, model: Any, inputs: list[Any], prefix: str) -> list[Any]:
        """As `Functional.call` does; there is no public walk."""
        import tensorflow as tf
        import tf_keras

        if not hasattr(model, "_nodes_by_depth"):
            raise ModelError(
                f"model '{model.name}': is a {type(model).__name__} with a call() of its own, whose graph cannot be "
                "read; rebuild it as a functional or sequential model"
            )
        uses = model._tensor_usage_count
        tensors = {str(id(old)): [new] * uses[str(id(old))] for old, new in zip(model.inputs, inputs, strict=True)}
        for depth in sorted(model._nodes_by_depth, reverse=True):
            for node in model._nodes_by_depth[depth]:
                if node.is_input or any(key not in tensors for key in node.flat_input_ids):
                    continue
                args, kwargs = node.map_arguments(tensors)
                layer = node.layer
                if isinstance(layer, tf_keras.layers.TimeDistributed):
                    result = self._over_time(layer, args[0], prefix)
                elif isinstance(layer, tf_keras.Model):
                    result = _unpack(self._run(layer, tf.nest.flatten(args[0]), f"{prefix}{layer.name}_"))
                elif layer.name in self._norms:
                    result = args[0]
                else:
                    result = self._copy(layer, prefix + layer.name)(*args, **kwargs)
                for key, tensor in zip(node.flat_output_ids, tf.nest.flatten(result), strict=True):
                    tensors[key] = [tensor] * uses[key]
        return [tensors[str(id(tensor))].pop() for tensor in model.outputs]

    def _over_time(self, wrapper: Any, x: Any, prefix: str) -> Any:
        import tf_keras

        name, steps = prefix + wrapper.name, x.shape[1]
        if steps is None:
            raise ModelError(
                f"layer '{wrapper.name}' (TimeDistributed): the number of its steps is left open, and int8 needs a "
                "fixed one: build the model with it"
            )
        # Wrappers in a row: what the last one took apart is taken as it was.
        _, whole = self._folded.get(id(x), (x, None))
        folded = _reshape(x, tuple(x.shape[2:]), f"{name}_fold") if whole is None else whole
        inner = wrapper.layer
        if isinstance(inner, tf_keras.Model):
            (result,) = self._run(inner, [folded], f"{name}_")
        else:
            result = self._copy(inner, name)(folded)
        apart = _reshape(result, (steps, *result.shape[1:]), f"{name}_unfold")
        self._folded[id(apart)] = (apart, result)
        return apart

    def _copy(self, layer: Any, name: str) -> Any:
        """A layer of that name with the same weights; a layer that is used twice has one."""
        if id(layer) in self._copies:
            return self._copies[id(layer)]
        config = {**layer.get_config(), "name": name}
        arrays = layer.get_weights()
        norm = self._folds.get(layer.name)
        if norm is not None:
            scale, shift = _scale_and_shift(norm)
            bias = arrays[1] if layer.use_bias else np.zeros_like(shift)
            config["use_bias"] = True
            arrays = [arrays[0] * scale, bias * scale + shift]
        copy = type(layer).from_config(config)
        self._copies[id(layer)] = copy
        self._arrays.append((copy, arrays))
        return copy


def _dense_with_norm(model: Any) -> dict[str, Any]:
    """Batch normalisation layers by the name of the linear dense layer that feeds them alone."""
    import tf_keras

    folds = {}
    for layer in model.layers:
        if not isinstance(layer, tf_keras.layers.Dense) or layer.activation is not tf_keras.activations.linear:
            continue
        # A tensor that another layer or the model's own output needs as well must stay what it is.
        if len(layer.inbound_nodes) != 1 or model._tensor_usage_count.get(str(id(layer.output))) != 1:
            continue
        behind = [node.layer for node in layer.outbound_nodes if node.layer in model.layers]
        if (
            len(behind) == 1
            and isinstance(behind[0], tf_keras.layers.BatchNormalization)
            and len(behind[0].inbound_nodes) == 1
        ):
            folds[layer.name] = behind[0]
    return folds


def _scale_and_shift(norm: Any) -> tuple[Any, Any]:
    """What a batch normalisation does with its moving statistics: x * scale + shift."""
    mean, variance = norm.moving_mean.numpy(), norm.moving_variance.numpy()
    scale = 1 / np.sqrt(variance + norm.epsilon)
    if norm.scale:
        scale = scale * norm.gamma.numpy()
    shift = -mean * scale
    if norm.center:
        shift = shift + norm.beta.numpy()
    return scale, shift


def _reshape(x: Any, sides: tuple[int, ...], name: str) -> Any:
    """Of these sides, the batch axis taking what they leave."""
    return operation_layer()("reshape", {"sides": list(sides)}, name=name)(x)


def _unpack(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values
