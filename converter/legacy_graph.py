"""Models of legacy Keras, copied with something changed: open sides closed, the softmax at the end taken off."""

from __future__ import annotations

from typing import Any

from converter.bridge_layers import first_line
from edge.errors import ModelError


def with_shape(model: Any, shape: tuple[int, ...]) -> Any:
    """The same legacy model for samples of one shape; its layers keep their weights.

    Raises
    ------
    ModelError
        Its layers do not fit the shape, or it has a call() of its own.
    """
    import tf_keras

    try:
        entry = tf_keras.Input(shape, dtype=model.inputs[0].dtype, name=model.inputs[0].name.split(":")[0])
        closed = tf_keras.models.clone_model(model, input_tensors=entry)
        closed.set_weights(model.get_weights())
        return closed
    except (TypeError, ValueError) as error:
        raise ModelError(f"model '{model.name}': does not take input of shape {shape}: {first_line(error)}") from error


def without_softmax(model: Any) -> Any:
    """A legacy model with the same layers that gives logits, if it ends in a softmax over its last axis; else itself.

    The runtime divides logits by a temperature before its softmax, and int8 holds logits better than probabilities.
    """
    import tf_keras

    if len(model.outputs) != 1:
        return model
    softmax = tf_keras.activations.softmax
    history = model.outputs[0]._keras_history
    last = history.layer
    if isinstance(last, tf_keras.layers.Softmax) and last.axis not in (-1, len(model.outputs[0].shape) - 1):
        return model
    before = last.inbound_nodes[history.node_index].keras_inputs
    if isinstance(last, (tf_keras.layers.Softmax, tf_keras.layers.Activation)):
        if isinstance(last, tf_keras.layers.Activation) and last.activation is not softmax:
            return model
        return tf_keras.Model(_single(model.inputs), before[0], name=model.name)
    if getattr(last, "activation", None) is softmax:
        linear = type(last).from_config({**last.get_config(), "activation": "linear"})
        logits = tf_keras.Model(_single(model.inputs), linear(_single(before)), name=model.name)
        linear.set_weights(last.get_weights())
        return logits
    return model


def _single(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values
