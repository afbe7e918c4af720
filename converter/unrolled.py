"""LSTM layers as plain operators, for int8.

TFLite's fused int8 LSTM (UNIDIRECTIONAL_SEQUENCE_LSTM) has no XNNPACK kernel, keeps state from one run to the next and
loses precision; a legacy Keras layer with `unroll=True` computes a forget gate in its first step that nobody uses, and
calibration, which sees no numbers there, leaves that step in float. Here the first step does without it.
"""

from __future__ import annotations

import functools
from typing import Any

from converter import environment
from edge.errors import ModelError


def unroll(model: Any) -> Any:
    """The same model with each LSTM layer unrolled over its steps; the weights are copied.

    Parameters
    ----------
    model
        tf_keras.Model whose LSTM layers have fixed lengths, begin with zeros and use tanh and sigmoid.

    Returns
    -------
    tf_keras.Model, for export only.

    Raises
    ------
    ModelError
        An LSTM layer that is otherwise; the message names it.
    """
    environment.prepare()
    import tf_keras

    def unrolled(layer: Any) -> Any:
        if not isinstance(layer, tf_keras.layers.LSTM):
            return type(layer).from_config(layer.get_config())
        _check(layer)
        return _unrolled_class()(layer.units, layer.return_sequences, name=layer.name)

    plain = tf_keras.models.clone_model(model, clone_function=unrolled)
    for layer in model.layers:
        plain.get_layer(layer.name).set_weights(layer.get_weights())
    return plain


def _check(layer: Any) -> None:
    config = layer.get_config()
    wanted = {
        "activation": "tanh",
        "recurrent_activation": "sigmoid",
        "use_bias": True,
        "go_backwards": False,
        "stateful": False,
        "return_state": False,
    }
    for key, value in wanted.items():
        if config[key] != value:
            raise ModelError(
                f"layer '{layer.name}' (LSTM): {key} is {config[key]!r}; for int8 it has to be {value!r}: rebuild it so"
            )


@functools.cache
def _unrolled_class() -> Any:
    """Made when it is needed: its base class must not be imported before `environment.prepare`.

    Registered, and with its configuration, because TFMOT rebuilds the layers beside those that it trains.
    """
    import tensorflow as tf
    import tf_keras

    @tf_keras.utils.register_keras_serializable(package="affect_edge")
    class UnrolledLSTM(tf_keras.layers.Layer):  # type: ignore[misc]
        """Hochreiter and Schmidhuber 1997 with forget gates; Keras orders the gates input, forget, cell, output."""

        def __init__(self, units: int, return_sequences: bool, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self._units = units
            self._return_sequences = return_sequences

        def build(self, shape: Any) -> None:
            self._kernel = self.add_weight("kernel", (shape[-1], 4 * self._units))
            self._recurrent = self.add_weight("recurrent_kernel", (self._units, 4 * self._units))
            self._bias = self.add_weight("bias", (4 * self._units,))
            super().build(shape)

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "units": self._units, "return_sequences": self._return_sequences}

        def call(self, x: Any) -> Any:
            units = self._units

            def without_forget(weight: Any) -> Any:
                return tf.concat([weight[..., :units], weight[..., 2 * units :]], axis=-1)

            first, *others = tf.unstack(x, axis=1)
            gates = first @ without_forget(self._kernel) + without_forget(self._bias)
            entry, candidate, exit_ = tf.split(gates, 3, axis=-1)
            cell = tf.sigmoid(entry) * tf.tanh(candidate)
            outputs = [tf.sigmoid(exit_) * tf.tanh(cell)]
            for step in others:
                gates = step @ self._kernel + outputs[-1] @ self._recurrent + self._bias
                entry, forget, candidate, exit_ = tf.split(gates, 4, axis=-1)
                cell = tf.sigmoid(forget) * cell + tf.sigmoid(entry) * tf.tanh(candidate)
                outputs.append(tf.sigmoid(exit_) * tf.tanh(cell))
            return tf.stack(outputs, axis=1) if self._return_sequences else outputs[-1]

    return UnrolledLSTM
