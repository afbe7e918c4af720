"""Recurrent layers as plain operators, so that TFLite can hold them in int8 and runs them without a memory.

TFLite's fused LSTM (UNIDIRECTIONAL_SEQUENCE_LSTM) keeps its state from one run to the next, in float as in int8, so
that each answer depends on what was asked before; in int8 it has no XNNPACK kernel and loses precision. GRU and
SimpleRNN layers become loops (WHILE), which int8 does not reach. A legacy Keras layer with `unroll=True` computes with
a first state of zeros that nobody needs, and calibration, which sees no numbers there, leaves that step in float. Here
the first step does without it; see `converter.recurrent_cells`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from converter import environment
from edge.errors import ModelError

MOST_STEPS = 512
"""Each step becomes a dozen operators, and each recurrent layer has all its own."""


def has_recurrent(model: Any) -> bool:
    """Whether a tf_keras.Model has a recurrent layer, also within a model or a wrapper inside it."""
    environment.prepare()
    import tf_keras

    return any(
        isinstance(layer, (tf_keras.layers.RNN, tf_keras.layers.Bidirectional))
        or (isinstance(layer, tf_keras.Model) and has_recurrent(layer))
        or isinstance(getattr(layer, "layer", None), tf_keras.layers.RNN)
        for layer in model.layers
    )


def unroll(model: Any) -> Any:
    """The same model with each LSTM, GRU, SimpleRNN and Bidirectional layer unrolled; the weights are copied.

    Parameters
    ----------
    model
        tf_keras.Model without models inside it, whose recurrent layers have fixed lengths, begin with zeros and get no
        mask.

    Returns
    -------
    tf_keras.Model, for export and quantisation-aware training only.

    Raises
    ------
    ModelError
        A recurrent layer that is otherwise; the message names it.
    """
    environment.prepare()
    import tf_keras

    recurrent = (tf_keras.layers.RNN, tf_keras.layers.Bidirectional)
    if any(isinstance(layer, recurrent) for layer in model.layers):
        _refuse_masks(model)

    def unrolled(layer: Any) -> Any:
        if not isinstance(layer, recurrent):
            return type(layer).from_config(layer.get_config())
        _check(layer)
        return _unrolled(layer)

    plain = tf_keras.models.clone_model(model, clone_function=unrolled)
    for layer in model.layers:
        plain.get_layer(layer.name).set_weights(_weights(layer))
    return plain


def _unrolled(layer: Any) -> Any:
    """A layer that computes the same in plain operators, not built yet."""
    import tf_keras

    from converter import recurrent_cells as cells

    if isinstance(layer, tf_keras.layers.Bidirectional):
        return cells.UnrolledBidirectional(
            _unrolled(layer.forward_layer),
            _unrolled(layer.backward_layer),
            layer.merge_mode,
            layer.forward_layer.return_sequences,
            name=layer.name,
        )
    config = layer.get_config()
    keys = {key: config[key] for key in ("activation", "recurrent_activation", "go_backwards") if key in config}
    if isinstance(layer, tf_keras.layers.GRU):
        keys["reset_after"] = config["reset_after"]
    kinds = {"LSTM": cells.UnrolledLSTM, "GRU": cells.UnrolledGRU, "SimpleRNN": cells.UnrolledSimpleRNN}
    return kinds[type(layer).__name__](layer.units, layer.return_sequences, name=layer.name, **keys)


def _weights(layer: Any) -> list[np.ndarray[Any, Any]]:
    """As the unrolled layer takes them: a bias of zeros for none."""
    import tf_keras

    if isinstance(layer, tf_keras.layers.Bidirectional):
        return [*_weights(layer.forward_layer), *_weights(layer.backward_layer)]
    weights: list[np.ndarray[Any, Any]] = layer.get_weights()
    if isinstance(layer, tf_keras.layers.RNN) and not layer.use_bias:
        width = weights[0].shape[-1]
        twice = getattr(layer, "reset_after", False)
        weights = [*weights, np.zeros((2, width) if twice else (width,), np.float32)]
    return weights


def _check(layer: Any) -> None:
    """Refuse what would not be the same when unrolled; raises `ModelError`."""
    import tf_keras

    entries = layer.inbound_nodes[0].keras_inputs
    if len(entries) != 1:
        raise ModelError(_sentence(layer, "begins with a state that it is given", "let it begin with zeros"))
    steps = entries[0].shape[1]
    if steps is None or steps > MOST_STEPS:
        length = "leaves its number of steps open" if steps is None else f"has {steps} steps"
        raise ModelError(_sentence(layer, length, f"fix it to {MOST_STEPS} or fewer (--input-shape)"))
    if not isinstance(layer, tf_keras.layers.Bidirectional):
        _check_cell(layer, layer)
        return
    if layer.merge_mode not in ("concat", "sum", "ave", "mul"):
        raise ModelError(_sentence(layer, f"has merge_mode {layer.merge_mode!r}", "use concat, sum, ave or mul"))
    for direction in (layer.forward_layer, layer.backward_layer):
        _check_cell(direction, layer)


def _check_cell(cell: Any, layer: Any) -> None:
    import tf_keras

    if type(cell).__name__ not in ("LSTM", "GRU", "SimpleRNN"):
        kinds = "LSTM, GRU or SimpleRNN"
        raise ModelError(_sentence(layer, f"is recurrent by a {type(cell).__name__}", f"build it of {kinds} layers"))
    config = cell.get_config()
    for key in ("stateful", "return_state", "time_major"):
        if config.get(key):
            raise ModelError(_sentence(layer, f"has {key}=True", f"rebuild it with {key}=False"))
    for key in ("activation", "recurrent_activation"):
        try:
            tf_keras.activations.get(config.get(key))
        except ValueError:
            raise ModelError(_sentence(layer, f"has a custom {key}", "use one of Keras, by its name")) from None


def _refuse_masks(model: Any) -> None:
    import tf_keras

    for layer in model.layers:
        if isinstance(layer, tf_keras.layers.Masking) or getattr(layer, "mask_zero", False):
            raise ModelError(
                _sentence(
                    layer,
                    "masks steps, which the recurrent layers behind it would skip at run time, and TFLite cannot",
                    "train without the mask (mask_zero=False) on padded sequences, as the device will see them",
                )
            )


def _sentence(layer: Any, what: str, mend: str) -> str:
    return f"layer '{layer.name}' ({type(layer).__name__}) {what}; it cannot be unrolled: {mend}"
