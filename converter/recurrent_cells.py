"""LSTM, GRU and simple recurrent layers, unrolled over their steps into plain operators.

Keras begins each sequence with a state of zeros. What a first step would multiply with it is left out: calibration sees
no numbers there, and TFLite would leave it in float.

Importing this module imports TensorFlow, since its classes inherit from legacy Keras's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from converter import environment

environment.prepare()

import tensorflow as tf  # noqa: E402
import tf_keras  # noqa: E402

Step = Callable[[Any, Any], Any]

_LONG = 32
"""Steps from which a sequence is cut by slices, which are slower to run than one UNPACK; but TFLite names each of its
outputs by all of them, so that the names grow with the square of the steps."""


def _steps(x: Any) -> list[Any]:
    """The steps of (batch, steps, numbers), each (batch, numbers)."""
    if x.shape[1] <= _LONG:
        return list(tf.unstack(x, axis=1))
    return [x[:, index] for index in range(x.shape[1])]


class _Unrolled(tf_keras.layers.Layer):  # type: ignore[misc]
    """Registered, and with their configuration, because TFMOT rebuilds the layers beside those that it trains."""

    gates: ClassVar[int]

    def __init__(
        self,
        units: int,
        return_sequences: bool,
        *,
        activation: str = "tanh",
        recurrent_activation: str = "sigmoid",
        go_backwards: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._units = units
        self._return_sequences = return_sequences
        self._names = {"activation": activation, "recurrent_activation": recurrent_activation}
        self._activation = tf_keras.activations.get(activation)
        self._recurrent_activation = tf_keras.activations.get(recurrent_activation)
        self._go_backwards = go_backwards

    def build(self, shape: Any) -> None:
        self._kernel = self.add_weight("kernel", (shape[-1], self.gates * self._units))
        self._recurrent = self.add_weight("recurrent_kernel", (self._units, self.gates * self._units))
        self._bias = self.add_weight("bias", self.bias_shape())
        super().build(shape)

    def bias_shape(self) -> tuple[int, ...]:
        return (self.gates * self._units,)

    def get_config(self) -> dict[str, Any]:
        own = {"units": self._units, "return_sequences": self._return_sequences, "go_backwards": self._go_backwards}
        return {**super().get_config(), **own, **self._names}

    def call(self, x: Any) -> Any:
        steps = _steps(x)
        outputs = self.outputs(steps[::-1] if self._go_backwards else steps)
        return tf.stack(outputs, axis=1) if self._return_sequences else outputs[-1]

    def outputs(self, steps: list[Any]) -> list[Any]:
        """What the layer says after each step, each (batch, units)."""
        raise NotImplementedError


@tf_keras.utils.register_keras_serializable(package="affect_edge")
class UnrolledLSTM(_Unrolled):
    """Hochreiter and Schmidhuber 1997 with forget gates; Keras orders the gates input, forget, cell, output."""

    gates = 4

    def outputs(self, steps: list[Any]) -> list[Any]:
        units, inner, gate = self._units, self._activation, self._recurrent_activation

        def without_forget(weight: Any) -> Any:
            return tf.concat([weight[..., :units], weight[..., 2 * units :]], axis=-1)

        first, *others = steps
        gates = first @ without_forget(self._kernel) + without_forget(self._bias)
        entry, candidate, exit_ = tf.split(gates, 3, axis=-1)
        cell = gate(entry) * inner(candidate)
        outputs = [gate(exit_) * inner(cell)]
        for step in others:
            gates = step @ self._kernel + outputs[-1] @ self._recurrent + self._bias
            entry, forget, candidate, exit_ = tf.split(gates, 4, axis=-1)
            cell = gate(forget) * cell + gate(entry) * inner(candidate)
            outputs.append(gate(exit_) * inner(cell))
        return outputs


@tf_keras.utils.register_keras_serializable(package="affect_edge")
class UnrolledGRU(_Unrolled):
    """Cho et al. 2014; Keras orders the gates update, reset, candidate.

    The new state, update * old + (1 - update) * candidate, is computed as candidate + update * (old - candidate), which
    is one operator less.
    """

    gates = 3

    def __init__(self, units: int, return_sequences: bool, *, reset_after: bool = True, **kwargs: Any) -> None:
        super().__init__(units, return_sequences, **kwargs)
        self._reset_after = reset_after

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "reset_after": self._reset_after}

    def bias_shape(self) -> tuple[int, ...]:
        """With the reset gate behind the product there is a bias for the input and one for the state."""
        return (2, self.gates * self._units) if self._reset_after else super().bias_shape()

    def outputs(self, steps: list[Any]) -> list[Any]:
        advance = self._reset_after_product() if self._reset_after else self._reset_before_product()
        state = None
        outputs = []
        for step in steps:
            state = advance(step, state)
            outputs.append(state)
        return outputs

    def _reset_after_product(self) -> Step:
        units, inner, gate = self._units, self._activation, self._recurrent_activation
        entry_bias, state_bias = tf.unstack(self._bias)

        def advance(step: Any, state: Any) -> Any:
            update, reset, candidate = tf.split(step @ self._kernel + entry_bias, 3, axis=-1)
            if state is None:
                update, reset = gate(update + state_bias[:units]), gate(reset + state_bias[units : 2 * units])
                candidate = inner(candidate + reset * state_bias[2 * units :])
                return candidate - update * candidate
            of_state = tf.split(state @ self._recurrent + state_bias, 3, axis=-1)
            update, reset = gate(update + of_state[0]), gate(reset + of_state[1])
            candidate = inner(candidate + reset * of_state[2])
            return candidate + update * (state - candidate)

        return advance

    def _reset_before_product(self) -> Step:
        units, inner, gate = self._units, self._activation, self._recurrent_activation
        gates, of_candidate = self._recurrent[:, : 2 * units], self._recurrent[:, 2 * units :]

        def advance(step: Any, state: Any) -> Any:
            update, reset, candidate = tf.split(step @ self._kernel + self._bias, 3, axis=-1)
            if state is None:
                candidate = inner(candidate)
                return candidate - gate(update) * candidate
            of_update, of_reset = tf.split(state @ gates, 2, axis=-1)
            candidate = inner(candidate + (gate(reset + of_reset) * state) @ of_candidate)
            return candidate + gate(update + of_update) * (state - candidate)

        return advance


@tf_keras.utils.register_keras_serializable(package="affect_edge")
class UnrolledSimpleRNN(_Unrolled):
    """Elman 1990: the state is the activation of input and state before."""

    gates = 1

    def outputs(self, steps: list[Any]) -> list[Any]:
        first, *others = steps
        outputs = [self._activation(first @ self._kernel + self._bias)]
        for step in others:
            outputs.append(self._activation(step @ self._kernel + outputs[-1] @ self._recurrent + self._bias))
        return outputs


@tf_keras.utils.register_keras_serializable(package="affect_edge")
class UnrolledBidirectional(tf_keras.layers.Layer):  # type: ignore[misc]
    """Schuster and Paliwal 1997: one layer forwards, one backwards, merged step by step."""

    def __init__(self, forward: Any, backward: Any, merge: str, return_sequences: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        layers = [tf_keras.layers.deserialize(each) if isinstance(each, dict) else each for each in (forward, backward)]
        self._forward, self._backward = layers
        self._merge = merge
        self._return_sequences = return_sequences

    def build(self, shape: Any) -> None:
        for layer in (self._forward, self._backward):
            layer.build(shape)
        super().build(shape)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "forward": tf_keras.layers.serialize(self._forward),
            "backward": tf_keras.layers.serialize(self._backward),
            "merge": self._merge,
            "return_sequences": self._return_sequences,
        }

    def call(self, x: Any) -> Any:
        one, other = self._forward(x), self._backward(x)
        if self._return_sequences:
            # It says its last step first.
            other = tf.stack(_steps(other)[::-1], axis=1)
        if self._merge == "concat":
            return tf.concat([one, other], axis=-1)
        if self._merge == "mul":
            return one * other
        return (one + other) / 2 if self._merge == "ave" else one + other
